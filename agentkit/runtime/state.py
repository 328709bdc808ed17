"""The state of a run as JSON: a journal keeps it step by step, a paused run carries it whole, `resume` takes it.

A run's records are `messages` (some dropped from the end, some added, with the counters as they are then), `started`
(the body of a call is about to run), `answer` (a call has its answer, and what it changed in the counters of
corrections), `held` (a call waits for decisions, its own or those of a nested run's calls) and `closed` (all open calls
are answered: the answers go into the history, in call order, with the counters as they are then). Folding them gives
the state; nothing else is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from agentkit.errors import ConfigurationError
from agentkit.messages import AssistantMessage, Message, ToolCall, ToolMessage
from agentkit.messages.codec import decode_message, encode_message
from agentkit.models import FinishReason
from agentkit.runtime.approval import PendingCall
from agentkit.runtime.limits import Budget
from agentkit.usage import Usage

_VERSION = 1
_BUDGET = ("counted_tokens", "counted_cost", "cost", "requests", "turns", "tool_calls", "corrections")


@dataclass(slots=True)
class RunState:
    """What a run is at.

    `history` ends with the assistant message whose calls are open, if some are; `finish` is why that answer ended.
    `started` and `answers` are by the call's place among them, `skipped` are the answered ones that count for no limit.
    `children` are the states of nested runs that are paused, by the id of the call that runs them. `whole` says that
    the history has the turns of its session before it.
    """

    history: list[Message] = field(default_factory=list[Message])
    earlier: int = 0
    counters: dict[str, Any] = field(default_factory=dict[str, Any])
    finish: FinishReason | None = None
    answers: dict[int, ToolMessage] = field(default_factory=dict[int, ToolMessage])
    started: set[int] = field(default_factory=set[int])
    held: dict[int, tuple[PendingCall, ...]] = field(default_factory=dict[int, tuple[PendingCall, ...]])
    skipped: set[int] = field(default_factory=set[int])
    children: dict[str, Any] = field(default_factory=dict[str, Any])
    whole: bool = False

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls that are not all answered yet."""
        last = self.history[-1] if self.history else None
        return last.tool_calls if isinstance(last, AssistantMessage) else ()

    @property
    def pending(self) -> tuple[PendingCall, ...]:
        """What waits for a decision, in call order."""
        return tuple(call for index in sorted(self.held) for call in self.held[index])

    def apply(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one record.

        Raises:
            ConfigurationError: no record of this version of agentkit.
        """
        match kind:
            case "messages":
                self._take_messages(data)
            case "started":
                self.started.add(data["call"])
                self.held.pop(data["call"], None)
            case "answer":
                self.answers[data["call"]] = _tool_message(data["message"])
                self.held.pop(data["call"], None)
                if data.get("skipped"):
                    self.skipped.add(data["call"])
                self._count(data)
            case "held":
                self.held[data["call"]] = tuple(map(_pending_from, data["pending"]))
            case "closed":
                for index, message in data["rest"].items():
                    self.answers[int(index)] = _tool_message(message)
                self.history.extend(self.answers[index] for index in sorted(self.answers))
                self.counters = dict(data["counters"])
                self._forget_calls()
            case _:
                raise ConfigurationError(
                    f"{kind!r} is no record of this version of agentkit: use the one that wrote it"
                )

    def _count(self, data: Mapping[str, Any]) -> None:
        """Take what a call has changed in the counters."""
        for name in ("failures", "corrected"):
            if name in data:
                self.counters[name] = data[name]

    def _take_messages(self, data: Mapping[str, Any]) -> None:
        if data["drop"]:
            del self.history[-data["drop"] :]
            self._forget_calls()
        self.history.extend(map(decode_message, data["add"]))
        self.counters = dict(data["counters"])
        self.earlier = data.get("earlier", self.earlier)
        self.finish = data.get("finish")
        self.whole = data.get("whole", self.whole)

    def _forget_calls(self) -> None:
        self.answers, self.started, self.held, self.skipped = {}, set(), {}, set()

    def to_json(self) -> dict[str, Any]:
        """A JSON value; `from_json` gives back an equal state."""
        return {
            "version": _VERSION,
            "history": [encode_message(message) for message in self.history],
            "earlier": self.earlier,
            "counters": self.counters,
            "finish": self.finish,
            "answers": {str(index): encode_message(message) for index, message in self.answers.items()},
            "started": sorted(self.started),
            "held": {str(index): [pending_to(call) for call in calls] for index, calls in self.held.items()},
            "skipped": sorted(self.skipped),
            "children": self.children,
            "whole": self.whole,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RunState":
        """The state that `to_json` gave.

        Raises:
            ConfigurationError: it is no such value.
        """
        if value.get("version") != _VERSION:
            raise ConfigurationError(
                "this is no state of a paused run: give paused.state, or the run's id and journal="
            )
        try:
            return cls(
                [decode_message(message) for message in value["history"]],
                value["earlier"],
                dict(value["counters"]),
                value["finish"],
                {int(index): _tool_message(message) for index, message in value["answers"].items()},
                set(value["started"]),
                {int(index): tuple(map(_pending_from, calls)) for index, calls in value["held"].items()},
                set(value["skipped"]),
                dict(value["children"]),
                value["whole"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"this state of a paused run is damaged: {error!r}") from error


def folded(records: Iterable[tuple[str, Mapping[str, Any]]]) -> RunState:
    """The state that records add up to."""
    state = RunState()
    for kind, data in records:
        state.apply(kind, data)
    return state


def budget_counters(budget: Budget) -> dict[str, Any]:
    """What a run has spent, as JSON."""
    usage = budget.usage
    spent = {each.name: getattr(usage, each.name) for each in fields(usage) if each.name != "raw"}
    return {**{name: getattr(budget, name) for name in _BUDGET}, "usage": spent}


def restore_budget(budget: Budget, counters: Mapping[str, Any]) -> None:
    """Go on counting from there; a nested run's spending counts in those above as well."""
    budget.usage = Usage(**counters["usage"])
    for name in _BUDGET:
        setattr(budget, name, counters[name])


def pending_to(call: PendingCall) -> dict[str, Any]:
    """A pending call as JSON."""
    given = {each.name: getattr(call, each.name) for each in fields(call)}
    return {**given, "path": list(call.path), "arguments": dict(call.arguments)}


def _pending_from(value: Mapping[str, Any]) -> PendingCall:
    """The pending call that `pending_to` gave."""
    given: dict[str, Any] = {**value, "path": tuple(value["path"])}
    return PendingCall(**given)


def _tool_message(value: Mapping[str, Any]) -> ToolMessage:
    message = decode_message(value)
    if not isinstance(message, ToolMessage):
        raise ConfigurationError("an answer to a call is a tool message")
    return message


def encoded(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as JSON values."""
    return [encode_message(message) for message in messages]
