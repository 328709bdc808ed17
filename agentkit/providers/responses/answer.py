"""Output items, read into the parts of a message. Pure; plain and streamed answers both end here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentkit import _json
from agentkit.messages import AssistantMessage, AssistantPart, ReasoningPart, RefusalPart, TextPart, ToolCall
from agentkit.models import FinishReason, ToolDefinition
from agentkit.providers.arguments import Arguments, read_arguments
from agentkit.providers.body import text_of
from agentkit.providers.call_ids import fresh_id
from agentkit.providers.responses.computer import computer_arguments
from agentkit.providers.responses.replay import FIELD

_BETWEEN = "\n\n"  # of the pieces of one thought


class Answer:
    """Reads items one after the other; `message` is what they say together.

    `cut` says that the answer stopped before its end: a call whose arguments are not whole is then left out.
    """

    def __init__(self, tools: Sequence[ToolDefinition], *, cut: bool = False) -> None:
        self.parts: list[AssistantPart] = []
        self.logprobs: list[Any] = []
        self.warnings: list[str] = []
        self._cut = cut
        self._known = frozenset(tool.name for tool in tools)
        self._computer = next((tool.name for tool in tools if tool.kind == "computer"), "computer")
        # The items go back with the message when one of them says what the parts do not (`_telling`) and each can be
        # written as JSON again (`_whole`); then all that were kept go, because the parts are matched to them in order.
        self._kept: list[dict[str, Any]] = []
        self._telling = False
        self._whole = True
        self._taken: set[str] = set()

    @property
    def calls(self) -> bool:
        return any(isinstance(part, ToolCall) for part in self.parts)

    def add(self, item: Any) -> None:
        """Take one output item; what is no item is passed over."""
        kind = item.get("type") if isinstance(item, dict) else None
        if kind and not self._cut and item.get("status") == "in_progress":
            item = {**item, "status": "completed"}  # its end was never told, and the answer has ended
        match kind:
            case "message":
                self._add_message(item)
            case "reasoning":
                self._add_reasoning(item)
            case "function_call":
                self._add_call(item)
            case "computer_call":
                self._add_computer_call(item)
            case str():
                self._keep_opaque(item)
            case _:
                return

    def message(self) -> AssistantMessage:
        """The message, with what has to go back."""
        while self._kept and self._kept[-1]["type"] == "reasoning":
            self._kept.pop()  # a server refuses reasoning without the item that it led to
        return AssistantMessage(
            self.parts, extra={FIELD: self._kept} if self._whole and self._telling and self._kept else {}
        )

    def finish_reason(self, status: str, reason: str) -> FinishReason:
        """What the status says, and for an incomplete answer the reason; refusals and calls come first."""
        if any(isinstance(part, RefusalPart) for part in self.parts):
            return "refusal"
        if status == "incomplete":
            reasons: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
            return reasons.get(reason, "other")
        return "tool_calls" if self.calls else "stop"

    def _add_message(self, item: dict[str, Any]) -> None:
        content: list[dict[str, Any]] = []
        for part in contents_of(item):
            text, refusal = part.get("text"), part.get("refusal")
            if part.get("type") == "refusal":
                said: AssistantPart | None = RefusalPart(refusal) if isinstance(refusal, str) and refusal else None
            else:
                said = TextPart(text, "tool") if isinstance(text, str) and text else None
                logprobs = part.get("logprobs")
                self.logprobs.extend(logprobs if isinstance(logprobs, list) else ())
            if said is not None:
                self.parts.append(said)
                content.append(_given(part, without=("text", "refusal", "logprobs")))
                self._telling = self._telling or bool(part.get("annotations"))
        if content:
            kept = {**_given(item, without=("content", "role")), "content": content}
            self._telling = self._telling or "phase" in kept
            self._keep(kept)

    def _add_reasoning(self, item: dict[str, Any]) -> None:
        text, field = reasoning_of(item)
        if text:
            self.parts.append(ReasoningPart(text, field))
        if isinstance(item.get("id"), str):
            self._telling = True
            self._keep({"summary": [], **_given(item, without=("status",))})

    def _add_call(self, item: dict[str, Any]) -> None:
        name = text_of(item.get("name"))
        if name not in self._known:
            name = name.removeprefix("functions.")
        if not name:
            self.warnings.append("a tool call without a name was left out")
            return
        raw = item.get("arguments")
        readings = read_arguments(raw)
        if self._cut and (any(reading.problem for reading in readings) or not (raw or isinstance(raw, dict))):
            self.warnings.append(f"the call of {name} was cut and left out")
            return
        if len(readings) > 1:
            self.warnings.append(f"{len(readings)} calls of {name} came glued together and were taken apart")
        for number, arguments in enumerate(readings):
            call_id = self._call_id(item if number == 0 else {})
            self.parts.append(_call(call_id, name, arguments))
            without = ("call_id", "arguments", "status") if number == 0 else tuple(item)
            self._keep({"type": "function_call", **_given(item, without=without), "name": name})

    def _add_computer_call(self, item: dict[str, Any]) -> None:
        if self._cut and item.get("status") != "completed":
            self.warnings.append(f"the call of {self._computer} was cut and left out")
            return
        kept = {"pending_safety_checks": [], "status": "completed", **_given(item, without=("call_id",))}
        for arguments in read_arguments(computer_arguments(item)):
            self.parts.append(_call(self._call_id(item), self._computer, arguments))
            self._telling = True
            self._keep(kept)

    def _keep_opaque(self, item: dict[str, Any]) -> None:
        self._telling = True
        self._keep(_given(item, without=()))

    def _keep(self, item: dict[str, Any]) -> None:
        try:
            _json.dumps(item)
        except ValueError:  # nested deeper than it can be written again
            self.warnings.append("the answer's items are nested too deeply and go back without what only they say")
            self._whole = False
        self._kept.append(item)

    def _call_id(self, item: Mapping[str, Any]) -> str:
        for wanted in (item.get("call_id"), item.get("id")):
            if isinstance(wanted, str) and wanted and wanted not in self._taken:
                break
        else:
            wanted = fresh_id()
        self._taken.add(wanted)
        return wanted


def contents_of(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The content parts of a message item; a server may send the bare text."""
    content = item.get("content")
    if isinstance(content, str):
        yield {"type": "output_text", "text": content}
    elif isinstance(content, list):
        yield from (part for part in content if isinstance(part, dict))


def reasoning_of(item: Mapping[str, Any]) -> tuple[str, str]:
    """The text of a reasoning item and the field it is from: the summary, else the reasoning itself."""
    for field in ("summary", "content"):
        pieces = item.get(field)
        texts = [
            part["text"]
            for part in (pieces if isinstance(pieces, list) else ())
            if isinstance(part, dict) and isinstance(part.get("text"), str) and part["text"]
        ]
        if texts:
            return _BETWEEN.join(texts), field
    return "", "summary"


def _call(call_id: str, name: str, arguments: Arguments) -> ToolCall:
    return ToolCall(call_id, name, arguments.value, arguments.text, arguments.problem)


def _given(item: Mapping[str, Any], *, without: tuple[str, ...]) -> dict[str, Any]:
    """The fields that say something: a server that sends nulls does not always take them back."""
    return {key: value for key, value in item.items() if value is not None and key not in without}
