"""An answer while it is being put together, from a plain body or from a stream: both end in the same place.

The rules are general, not a list of vendors; each was seen on a real server (see the wire samples in tests/).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agentkit import _json
from agentkit.messages import AssistantMessage, AssistantPart, ReasoningPart, RefusalPart, TextPart, ToolCall
from agentkit.models import FinishReason
from agentkit.providers.arguments import Arguments, read_arguments, written
from agentkit.providers.body import text_of
from agentkit.providers.call_ids import fresh_id
from agentkit.providers.chat_completions.brackets import Brackets

_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop",
    "completed": "stop", "complete": "stop", "done": "stop",
    "tool_calls": "tool_calls", "tool_call": "tool_calls", "function_call": "tool_calls", "tool_use": "tool_calls",
    "length": "length", "max_tokens": "length", "max_length": "length", "max_output_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter", "content_filtered": "content_filter", "safety": "content_filter",
    "refusal": "refusal",
}  # fmt: skip


_LONGEST_NAME = 1024  # characters; each delta shows the name, and one that never stops growing is none


class CallDraft:
    """A tool call as it comes; `position` counts the calls of the answer from 0."""

    __slots__ = ("arguments", "brackets", "extra", "id", "index", "name", "position", "whole")

    def __init__(self, id: str, index: int | None, position: int) -> None:
        self.id = id
        self.index = index
        self.position = position
        self.name = ""
        self.arguments: list[str] = []
        self.brackets = Brackets(self.arguments)
        self.whole: dict[str, Any] | None = None  # arguments that came as an object
        self.extra: dict[str, Any] = {}

    @property
    def text(self) -> str:
        return "".join(self.arguments)

    @property
    def complete(self) -> bool:
        """Whether the arguments are a whole object already, so that more of them belongs to something else."""
        return self.whole is not None or self.brackets.closed()


class DetailDraft:
    """An entry of `reasoning_details` as it comes: `fields` but for its texts, which come in pieces."""

    __slots__ = ("fields", "texts")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.texts: dict[str, list[str]] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        for key, value in entry.items():
            if key in ("text", "summary", "data") and isinstance(value, str):
                self.fields.setdefault(key, "")  # its place; what is sent back is in the server's order
                self.texts.setdefault(key, []).append(value)
            elif value is not None or key not in self.fields:
                self.fields[key] = value

    def goes_on(self, entry: Mapping[str, Any]) -> bool:
        """Whether `entry` is more of this one."""
        fields, index = self.fields, entry.get("index")
        same = fields.get("type") == entry.get("type") and fields.get("index") == index
        return same and index is not None and entry.get("id") in (None, fields.get("id"))

    def whole(self) -> dict[str, Any]:
        return {**self.fields, **{key: "".join(pieces) for key, pieces in self.texts.items()}}


class Draft:
    """Collects the pieces of one answer; `message` puts them together once it is complete."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.reasoning_field = ""
        self.refusal: list[str] = []
        self.calls: list[CallDraft] = []
        self.details: list[DetailDraft] = []
        self.finish: str | None = None
        self.logprobs: list[Any] = []
        self.warnings: list[str] = []
        self._by_id: dict[str, CallDraft] = {}
        self._by_index: dict[int, CallDraft] = {}

    # What comes in

    def add_reasoning(self, text: str, field: str) -> bool:
        """Take a piece of reasoning; False for the second copy that some servers send under another name."""
        if not self.reasoning_field:
            self.reasoning_field = field
        elif field != self.reasoning_field:
            return False
        self.reasoning.append(text)
        return True

    def add_details(self, details: Iterable[Any]) -> None:
        """Take `reasoning_details`, which go back as they came; a streamed entry's pieces are joined."""
        for detail in details:
            if isinstance(detail, dict):
                if not self.details or not self.details[-1].goes_on(detail):
                    self.details.append(DetailDraft())
                self.details[-1].add(detail)

    def add_finish(self, reason: Any) -> None:
        """Take a finish reason: the first one counts, unless it was `stop` and a later one says more."""
        if isinstance(reason, str) and reason and (self.finish is None or self.finish == "stop"):
            self.finish = reason

    def call_for(self, id: str, index: int | None, name: str) -> CallDraft:
        """The call that a delta belongs to. An empty id is no id; an id, or else an index, that was seen goes on."""
        known = self._by_id.get(id) if id else None
        if known is not None and not self._reused(known, index, name):
            return known
        known = self._by_index.get(index) if index is not None else (self.calls[-1] if self.calls else None)
        if known is not None and _goes_on(known, id, name):
            if id and not known.id:
                known.id = id
                self._by_id[id] = known
            return known
        return self._new_call(id, index)

    def _reused(self, call: CallDraft, index: int | None, name: str) -> bool:
        """Whether an id that `call` has now stands for another one, as where a server gives all calls the same id."""
        if index is None or call.index is None or index == call.index:
            return False
        return bool(name) or index in self._by_index

    def _new_call(self, id: str, index: int | None) -> CallDraft:
        call = CallDraft(id, index, len(self.calls))
        self.calls.append(call)
        if id:
            self._by_id[id] = call
        if index is not None:
            self._by_index[index] = call
        return call

    def add_call(self, delta: Mapping[str, Any], *, alone: bool = False) -> tuple[CallDraft, str] | None:
        """Take a piece of a call; the call and the argument text it brought, or None when it brings nothing.

        `alone` says that it is no more of an earlier one.
        """
        function = delta.get("function")
        if not isinstance(function, dict):
            function = delta  # the shape without the wrapper
        call_id, index, name = text_of(delta.get("id")), delta.get("index"), text_of(function.get("name"))
        arguments, extra = function.get("arguments"), delta.get("extra_content")
        if not (call_id or name or arguments or extra):
            return None
        place = index if isinstance(index, int) else None
        call = self._new_call(call_id, place) if alone else self.call_for(call_id, place, name)
        if name and name != call.name and len(call.name) < _LONGEST_NAME:
            call.name += name
        if isinstance(extra, dict):
            call.extra.update(extra)
        if isinstance(arguments, dict):
            if call.whole is None:
                call.whole = {}
            call.whole.update(arguments)
            return call, ""
        piece = arguments if isinstance(arguments, str) else written(arguments) if arguments else ""
        if piece:
            call.arguments.append(piece)
        return call, piece

    # What comes out

    def tool_calls(self, known: frozenset[str]) -> list[ToolCall]:
        """The calls, read and repaired; cut ones, when the answer stopped at its limit, are left out."""
        calls: list[ToolCall] = []
        taken: set[str] = set()
        for draft in self.calls:
            for name, arguments, wanted in self._readings(draft, known):
                call_id = wanted if wanted and wanted not in taken else fresh_id()
                taken.add(call_id)
                extra = self._sayable(draft.extra)
                calls.append(ToolCall(call_id, name, arguments.value, arguments.text, arguments.problem, extra))
        return calls

    def _sayable(self, extra: dict[str, Any]) -> dict[str, Any]:
        """What a vendor adds goes back as it came, unless JSON cannot say it (1e400, say)."""
        if extra:
            try:
                _json.dumps(extra)
            except ValueError:
                self.warnings.append(f"{', '.join(extra)} cannot be sent back and was left out")
                return {}
        return extra

    def _readings(self, draft: CallDraft, known: frozenset[str]) -> Iterable[tuple[str, Arguments, str]]:
        if not draft.name:
            self.warnings.append("a tool call without a name was left out")
            return
        readings = read_arguments(draft.whole if draft.whole is not None else draft.text)
        if self._cut(draft, readings):
            self.warnings.append(f"the call of {draft.name} was cut at the output limit and left out")
            return
        if len(readings) > 1:
            self.warnings.append(f"{len(readings)} calls of {draft.name} came glued together and were taken apart")
        for number, arguments in enumerate(readings):
            wanted = draft.id if number == 0 else ""
            yield from _expanded(draft.name, arguments, wanted, known)

    def _cut(self, draft: CallDraft, readings: list[Arguments]) -> bool:
        if self.finish is None or _FINISH.get(self.finish.lower()) != "length":
            return False
        return any(reading.problem for reading in readings) or (draft.whole is None and not draft.text.strip())

    def message(self, calls: list[ToolCall]) -> AssistantMessage:
        """The message with its parts in the order reasoning, text, refusal, calls."""
        parts: list[AssistantPart] = []
        reasoning, text, refusal = "".join(self.reasoning), "".join(self.text), "".join(self.refusal)
        if reasoning:
            parts.append(ReasoningPart(reasoning, self.reasoning_field))
        if text:
            parts.append(TextPart(text, "tool"))
        if refusal:
            parts.append(RefusalPart(refusal))
        parts.extend(calls)
        extra = {"reasoning_details": [detail.whole() for detail in self.details]} if self.details else {}
        return AssistantMessage(parts, extra=self._sayable(extra))

    def finish_reason(self, calls: list[ToolCall], *, default: FinishReason) -> FinishReason:
        """Refusal before calls before what the server says; `default` when it says nothing."""
        if self.refusal:
            return "refusal"
        reason = default if self.finish is None else _FINISH.get(self.finish.lower(), "other")
        if calls and reason in ("stop", "other"):
            return "tool_calls"
        if reason == "tool_calls" and not calls:
            return "stop"
        return reason


def _goes_on(call: CallDraft, id: str, name: str) -> bool:
    """Whether a delta with an unseen (or no) id, at a place that `call` holds, is more of `call` and not a new one."""
    if id and call.id and id != call.id:
        return not name and not call.complete  # some servers give every piece an id of its own
    return not (name and call.complete)


def _expanded(name: str, arguments: Arguments, id: str, known: frozenset[str]) -> Iterable[tuple[str, Arguments, str]]:
    """Undo what models make of tool names: a `functions.` prefix, and a wrapper around parallel calls."""
    if name not in known:
        name = name.removeprefix("functions.") or name
    uses = arguments.value.get("tool_uses") if arguments.value and name == "multi_tool_use.parallel" else None
    if name in known or not isinstance(uses, list) or not uses:
        yield name, arguments, id
        return
    for number, use in enumerate(uses):
        used = text_of(use.get("recipient_name")).removeprefix("functions.") if isinstance(use, dict) else ""
        if used:
            yield used, read_arguments(use.get("parameters"))[0], f"{id}_{number}" if id else ""
