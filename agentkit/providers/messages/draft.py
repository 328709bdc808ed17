"""An answer while it is being put together, from a plain body or from a stream: both end in the same place."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.messages import AssistantMessage, AssistantPart, ReasoningPart, RefusalPart, TextPart, ToolCall
from agentkit.models import FinishReason
from agentkit.providers.arguments import Arguments, read_arguments
from agentkit.providers.body import text_of
from agentkit.providers.call_ids import fresh_id
from agentkit.providers.messages.blocks import BLOCKS

_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "stop": "stop",
    "tool_use": "tool_calls", "tool_calls": "tool_calls",
    "max_tokens": "length", "model_context_window_exceeded": "length", "length": "length",
    "refusal": "refusal",
    "content_filter": "content_filter",
}  # fmt: skip
_PARTS = ("text", "thinking", "tool_use")  # kinds of blocks that are parts of a message
_TEXTS = ("text", "thinking")  # what of them comes in pieces


class Block:
    """A content block as it comes: `fields` but for its texts, which come in pieces; `call` counts calls from 0."""

    __slots__ = ("call", "fields", "input", "kind", "pieces")

    def __init__(self, fields: Mapping[str, Any], call: int) -> None:
        self.fields = dict(fields)
        self.kind = text_of(fields.get("type"))
        self.pieces: dict[str, list[str]] = {}
        self.input: list[str] = []
        self.call = call

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take a delta; in a block that is no part, which goes back as it came, texts of any name go on."""
        for name, value in delta.items():
            if name == "partial_json":
                self.input.append(text_of(value))
            elif name == "citation":
                found = self.fields.get("citations")
                self.fields["citations"] = [*(found if isinstance(found, list) else ()), value]
            elif name == "signature":
                self.fields[name] = value
            elif name in _TEXTS or self._is_opaque(name):
                self._go_on(name, value)

    def _is_opaque(self, name: str) -> bool:
        return self.kind not in _PARTS and name not in ("type", "id", "name")

    def _go_on(self, name: str, value: Any) -> None:
        if isinstance(value, str):
            self.pieces.setdefault(name, []).append(value)
        else:
            self.fields[name] = value

    def text(self, name: str) -> str:
        """What came of the text `name`."""
        return text_of(self.fields.get(name)) + "".join(self.pieces.get(name, ()))

    def arguments(self) -> list[Arguments]:
        """The objects that came as input; their texts are the same whether they came whole or in pieces."""
        said = "".join(self.input)
        readings = read_arguments(said if said.strip() else self.fields.get("input"))
        return [each if each.value is None else read_arguments(each.value)[0] for each in readings]

    def whole(self) -> dict[str, Any]:
        """The block as it goes back."""
        block = {**self.fields, **{name: self.text(name) for name in self.pieces}}
        if self.input:
            read = self.arguments()[0].value
            block["input"] = {} if read is None else read
        return block

    def rest(self, *taken: str) -> dict[str, Any]:
        """What it has besides `taken`, where that says anything."""
        return {
            name: value
            for name, value in self.whole().items()
            if name not in ("type", *taken) and value is not None and value != []
        }


class Draft:
    """Collects the blocks of one answer; `message` puts them together once it is complete."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.finish: str | None = None
        self.explanation = ""  # why the model declined, in the server's words
        self.warnings: list[str] = []
        self._by_index: dict[int, Block] = {}
        self._calls = 0

    # What comes in

    def begin(self, fields: Mapping[str, Any], index: Any) -> Block:
        """Take the beginning of a block, or a whole one."""
        block = Block(fields, self._calls)
        if block.kind == "tool_use":
            self._calls += 1
        self.blocks.append(block)
        if type(index) is int:
            self._by_index[index] = block
        return block

    def block_for(self, index: Any, kind: str) -> Block:
        """The block that a delta belongs to: that of its index, else the latest, else a new one.

        One that is not of the kind that such deltas are for is passed over.
        """
        latest = self.blocks[-1] if self.blocks else None
        named = self._by_index.get(index) if type(index) is int else latest
        for block in (named, latest):
            if block is not None and _goes_with(kind, block.kind):
                return block
        return self.begin({"type": _BEGUN.get(kind, kind)}, index)

    def add_finish(self, reason: Any, details: Any) -> None:
        """Take a stop reason: the last one that says anything counts."""
        if isinstance(reason, str) and reason:
            self.finish = reason
        if isinstance(details, dict):
            self.explanation = text_of(details.get("explanation")) or self.explanation

    # What comes out

    def message(self) -> AssistantMessage:
        """The message, its parts in the server's order; calls that were cut at the output limit are left out."""
        parts: list[AssistantPart] = []
        entries: list[dict[str, Any]] = []
        ids: set[str] = set()
        for block in self.blocks:
            for part, entry in self._read(block, ids):
                entries.append(entry if part is None else {"part": len(parts), **entry})
                if part is not None:
                    parts.append(part)
        if self.explanation and self.finish == "refusal":
            parts.append(RefusalPart(self.explanation))
        plain = all(entry.keys() == {"part"} for entry in entries)
        return AssistantMessage(parts) if plain else AssistantMessage(parts, extra={BLOCKS: entries})

    def partial(self) -> AssistantMessage:
        """What has come so far, without calls and without what could go back only when it is whole."""
        parts: list[AssistantPart] = []
        for block in self.blocks:
            if block.kind == "text" and block.text("text"):
                parts.append(TextPart(block.text("text"), "tool"))
            elif block.kind == "thinking" and block.text("thinking"):
                parts.append(ReasoningPart(block.text("thinking"), "thinking"))
        return AssistantMessage(parts)

    def finish_reason(self, message: AssistantMessage) -> FinishReason:
        """What the server says, where it goes with what it sent."""
        reason = "stop" if self.finish is None else _FINISH.get(self.finish, "other")
        if message.tool_calls and reason in ("stop", "other"):
            return "tool_calls"
        return "stop" if reason == "tool_calls" and not message.tool_calls else reason

    def _read(self, block: Block, ids: set[str]) -> Iterator[tuple[AssistantPart | None, dict[str, Any]]]:
        """The parts that a block is, each with its entry of `BLOCKS` but for the place; None for no part."""
        match block.kind:
            case "text":
                text = block.text("text")
                refused = self.finish == "refusal" and not self.explanation
                if text:
                    yield RefusalPart(text) if refused else TextPart(text, "tool"), block.rest("text")
            case "thinking":
                yield from _read_thinking(block)
            case "tool_use":
                yield from self._read_call(block, ids)
            case "":
                self.warnings.append("a content block without a type was left out")
            case _:
                yield None, block.whole()

    def _read_call(self, block: Block, ids: set[str]) -> Iterator[tuple[ToolCall, dict[str, Any]]]:
        name, readings = block.text("name"), block.arguments()
        if not name:
            self.warnings.append("a tool call without a name was left out")
            return
        if self._is_cut(block, readings):
            self.warnings.append(f"the call of {name} was cut at the output limit and left out")
            return
        if len(readings) > 1:
            self.warnings.append(f"{len(readings)} calls of {name} came glued together and were taken apart")
        wanted, rest = block.text("id"), block.rest("id", "name", "input")
        for arguments in readings:
            call_id = wanted if wanted and wanted not in ids else fresh_id()
            ids.add(call_id)
            yield ToolCall(call_id, name, arguments.value, arguments.text, arguments.problem), rest

    def _is_cut(self, block: Block, readings: list[Arguments]) -> bool:
        """Whether a call was cut. The last block is: in a plain body, what is left of its input is an object, too."""
        if self.finish is None or _FINISH.get(self.finish) != "length":
            return False
        return block is self.blocks[-1] or any(each.problem for each in readings)


_BEGUN: Mapping[str, str] = {"text_delta": "text", "input_json_delta": "tool_use", "thinking_delta": "thinking"}
_PARTS_OF: Mapping[str, tuple[str, ...]] = {
    "text_delta": ("text",),
    "citations_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
}


def _goes_with(delta: str, block: str) -> bool:
    """Whether a delta of one kind is more of a block of another; inputs are those of several kinds of calls."""
    if delta == "input_json_delta":
        return block not in ("text", "thinking")
    return block in _PARTS_OF.get(delta, (block,))


def _read_thinking(block: Block) -> Iterator[tuple[ReasoningPart | None, dict[str, Any]]]:
    """Thinking goes back under its signature; where only that came, the block is no part."""
    text = block.text("thinking")
    rest = block.rest("thinking")
    if not rest.get("signature"):
        rest = {}
    if text:
        yield ReasoningPart(text, "thinking"), rest
    elif rest:
        yield None, {**block.whole(), "thinking": ""}
