"""A Messages answer as its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.completion import Completion, arguments_text, fragments, pieces
from agentkit.emulator.surfaces.event import frame
from agentkit.emulator.surfaces.messages.answer import message_of


def frames_of(completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
    """The frames of the answer to `body`."""
    return [frame(event) for event in _events(completion, body)]


def _events(completion: Completion, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    whole = message_of(completion, body)
    usage = whole["usage"]
    empty: dict[str, Any] = {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": {**whole, **empty}}
    yield {"type": "ping"}
    arguments = map(arguments_text, completion.reply.calls)
    for index, block in enumerate(whole["content"]):
        place = {"index": index}
        yield {"type": "content_block_start", **place, "content_block": _empty(block)}
        # Of a call the stream says what the brain said, even where that is no JSON and the plain answer had to read it.
        for delta in _deltas(block, next(arguments) if block["type"] == "tool_use" else ""):
            yield {"type": "content_block_delta", **place, "delta": delta}
        yield {"type": "content_block_stop", **place}
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence")}
    yield {"type": "message_delta", "delta": ended, "usage": usage}
    yield {"type": "message_stop"}


def _empty(block: Mapping[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "text":
            return {**block, "text": ""}
        case _:
            return {**block, "input": {}}


def _deltas(block: Mapping[str, Any], arguments: str) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            for piece in pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for piece in pieces(block["text"]):
                yield {"type": "text_delta", "text": piece}
        case _:
            for piece in ("", *fragments(arguments)):
                yield {"type": "input_json_delta", "partial_json": piece}
