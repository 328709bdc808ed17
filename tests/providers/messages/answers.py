"""Answers of a Messages server, as a body and as the events that say the same."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentkit.models import ModelResponse, Profile
from agentkit.providers.messages.decode import Decoder
from agentkit.transport import ServerSentEvent, ServerSentEvents

USAGE = {"input_tokens": 25, "output_tokens": 15, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
THOUGHT = {"type": "thinking", "thinking": "First the city.", "signature": "EqQBCgIYAhIM"}
REDACTED = {"type": "redacted_thinking", "data": "c2VjcmV0"}
TEXT = {"type": "text", "text": "Let me see. \u2028 Né!"}
GIVEN: dict[str, Any] = {"city": "Oslo", "days": [1.0, 2]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": GIVEN}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Oslo"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}

_TEXTS = {"text": "text_delta", "thinking": "thinking_delta"}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def body(*content: Any, stop: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    """A whole answer."""
    envelope = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None}
    return {**envelope, "content": list(content), "stop_reason": stop, "usage": USAGE, **fields}


def events(answer: Mapping[str, Any], size: int = 5) -> Iterator[dict[str, Any]]:
    """The same answer as it is streamed, its texts in pieces of `size` characters."""
    begun: dict[str, Any] = {"content": [], "stop_reason": None, "usage": {**answer["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": {**answer, **begun}}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"]):
        yield from block_events(block, index, size)
    ended = {name: answer[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in answer}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": answer["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


def block_events(block: Mapping[str, Any], index: int, size: int) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    begun: dict[str, Any] = {
        **block,
        **({kind: ""} if kind in _TEXTS else {}),
        **({"input": {}} if "input" in block else {}),
    }
    citations = begun.pop("citations", None)
    if "signature" in begun:
        begun["signature"] = ""
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    deltas = [{"type": _TEXTS[kind], kind: piece} for piece in _cut(block[kind], size)] if kind in _TEXTS else []
    if "input" in block:
        said = json.dumps(block["input"], indent=1)
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *_cut(said, size))]
    deltas += [{"type": "citations_delta", "citation": citation} for citation in citations or ()]
    if "signature" in block:
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def sse(sent: Iterable[Mapping[str, Any]]) -> bytes:
    """Events as the bytes of a stream."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (str(e.get("type")).encode(), json.dumps(e).encode()) for e in sent)


def decoder() -> Decoder:
    return Decoder(Profile(gateway="g"), {"request-id": "req_1"}, secret="hush-hush")


def plain(answer: Any) -> ModelResponse:
    """What a body becomes."""
    return decoder().plain(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def streamed(sent: Iterable[Any]) -> ModelResponse:
    """What events become."""
    reader = decoder()
    for event in sent:
        name = event.get("type", "") if isinstance(event, dict) else ""
        reader.feed(ServerSentEvent(str(name), event if isinstance(event, bytes) else json.dumps(event).encode()))
    return reader.close()


def from_bytes(pieces: Sequence[bytes]) -> ModelResponse:
    """What a stream becomes that comes in these pieces."""
    parser, reader = ServerSentEvents(), decoder()
    for piece in pieces:
        for event in parser.feed(piece):
            reader.feed(event)
    for event in parser.close():
        reader.feed(event)
    return reader.close()


def _cut(said: str, size: int) -> list[str]:
    return [said[start : start + size] for start in range(0, len(said), size)]
