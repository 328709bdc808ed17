"""Histories from outside made valid to send, with as little lost as can be. Pure.

A result belongs to the nearest call before it that has its id: a result that came before its call, or whose call is
gone, answers nothing that the model would recognise, and a guess could hand it to the wrong call.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agentkit.messages.message import AssistantMessage, Message, ToolMessage
from agentkit.messages.parts import AssistantPart, ToolCall
from agentkit.messages.validity import arguments_problem, is_empty

_NO_RESULT = "No result: this call was never answered, and its outcome is not known."
_NO_NAME = "unnamed_tool"
_NO_ID = "call"


@dataclass(frozen=True, slots=True)
class Repair:
    """Messages that are valid to send, and what was done to make them so, in order.

    Each change begins with the index that the message had before. `changes` is empty when nothing had to be done; the
    messages are then the given ones themselves.
    """

    messages: tuple[Message, ...]
    changes: tuple[str, ...]


def repaired(messages: Iterable[Message]) -> Repair:
    """The messages, made valid: `violations` finds nothing in what comes out.

    Results without a call and empty messages are dropped, a second answer to a call too. Calls without an answer are
    answered with an error, a repeated id becomes another one in the call and in its answer, answers move behind their
    calls, in call order. Arguments that cannot be sent are kept as text. What is valid is left as it is. Linear in the
    number of messages; the same messages give the same result, and repairing twice changes nothing more.
    """
    given = tuple(messages)
    pairs = _Pairs(given)
    ids = _Ids(given)
    kept: list[Message] = []
    changes: list[tuple[int, str]] = list(pairs.changes)
    for index, message in enumerate(given):
        if isinstance(message, ToolMessage):
            continue  # it stands behind its call, or nowhere
        if is_empty(message):
            changes.append((index, "dropped the empty message"))
            continue
        calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
        if not isinstance(message, AssistantMessage) or not calls:
            kept.append(message)
            continue
        fit = [_fit(call, ids, index, changes) for call in calls]
        kept.append(_with_calls(message, calls, fit))
        kept.extend(_answers(fit, pairs.of(index), index, changes))
    changes.sort(key=lambda change: change[0])  # stable: those of one message stay in the order of its calls
    return Repair(tuple(kept), tuple(f"messages[{index}]: {text}" for index, text in changes))


class _Pairs:
    """Which result answers which call; results that answer none are in `changes`."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.changes: list[tuple[int, str]] = []
        self._answers: dict[int, dict[int, ToolMessage]] = defaultdict(dict)
        self._open: dict[str, tuple[int, deque[int]]] = {}  # id -> where it was last called, and which calls are open
        turn = last = -1  # the newest message that is no answer, and the place of the call that was answered last
        for index, message in enumerate(messages):
            if not isinstance(message, ToolMessage):
                turn, last = index, -1
                if isinstance(message, AssistantMessage):
                    self._call(message.tool_calls, index)
                continue
            pair = self._take(message, index)
            if pair is None:
                continue
            if pair[0] != turn or pair[1] <= last:
                self.changes.append((index, f"moved the answer to {message.call_id!r} behind its call, in call order"))
            last = pair[1]

    def of(self, index: int) -> Mapping[int, ToolMessage]:
        """The answers to the calls of one message, by the place of the call."""
        return self._answers.get(index, {})

    def _call(self, calls: Sequence[ToolCall], index: int) -> None:
        for place, call in enumerate(calls):
            caller, places = self._open.get(call.id, (-1, deque[int]()))
            if caller != index:
                self._open[call.id] = caller, places = index, deque()
            places.append(place)

    def _take(self, message: ToolMessage, index: int) -> tuple[int, int] | None:
        """The message and the place in it of the call that the result answers; None where it answers none."""
        caller, places = self._open.get(message.call_id, (-1, deque[int]()))
        if caller < 0:
            self.changes.append((index, f"dropped a result of {message.name!r}: no call {message.call_id!r} before it"))
            return None
        if not places:
            self.changes.append((index, f"dropped a second answer to {message.call_id!r}"))
            return None
        place = places.popleft()
        self._answers[caller][place] = message
        return caller, place


class _Ids:
    """Gives each call an id of its own; the first to have one keeps it."""

    def __init__(self, messages: Iterable[Message]) -> None:
        calls = [call for message in messages if isinstance(message, AssistantMessage) for call in message.tool_calls]
        self._taken = {call.id for call in calls}
        self._used: set[str] = set()
        self._next: dict[str, int] = defaultdict(lambda: 2)

    def own(self, call_id: str) -> str:
        if call_id and call_id not in self._used:
            self._used.add(call_id)
            return call_id
        stem = call_id or _NO_ID
        while (fresh := f"{stem}_{self._next[stem]}") in self._taken:
            self._next[stem] += 1
        self._taken.add(fresh)
        self._used.add(fresh)
        return fresh


def _fit(call: ToolCall, ids: _Ids, index: int, changes: list[tuple[int, str]]) -> ToolCall:
    """The call, with what cannot be sent of it replaced; itself when all of it can."""
    fresh, problem = ids.own(call.id), arguments_problem(call)
    if fresh != call.id:
        changes.append((index, f"renamed the call {call.id!r}, whose id is missing or used before, to {fresh!r}"))
        call = replace(call, id=fresh)
    if not call.name:
        changes.append((index, f"named the tool of the call {call.id!r} {_NO_NAME!r}: it had no name"))
        call = replace(call, name=_NO_NAME)
    if problem is not None:
        changes.append((index, f"kept the arguments of the call {call.id!r} as text only: {problem}"))
        text = call.arguments_text or _written(call.arguments)
        call = replace(call, arguments=None, arguments_text=text, problem=problem)
    return call


def _with_calls(message: AssistantMessage, calls: Sequence[ToolCall], fit: Sequence[ToolCall]) -> AssistantMessage:
    if all(one is other for one, other in zip(calls, fit, strict=True)):
        return message
    left = iter(fit)
    parts: list[AssistantPart] = [next(left) if isinstance(part, ToolCall) else part for part in message.parts]
    return AssistantMessage(parts, extra=message.extra)


def _answers(
    calls: Sequence[ToolCall], known: Mapping[int, ToolMessage], index: int, changes: list[tuple[int, str]]
) -> Iterable[ToolMessage]:
    for place, call in enumerate(calls):
        answer = known.get(place)
        if answer is None:
            changes.append((index, f"answered the call {call.id!r}, which had no answer, with an error"))
            yield ToolMessage(call.id, call.name, _NO_RESULT, is_error=True, trust="system")
        elif answer.call_id == call.id:
            yield answer
        else:
            yield ToolMessage(call.id, answer.name, answer.parts, is_error=answer.is_error)


def _written(arguments: object) -> str:
    """Arguments without a JSON form as text; no text where they are too deep even for that."""
    try:
        return str(arguments)
    except (RecursionError, ValueError):
        return ""
