"""Answers as they go out: JSON bodies, event streams, and both of them broken in the ways that faults ask for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.brain import Raw
from agentkit.emulator.completion import DONE
from agentkit.emulator.exchange import Answer

_PAGE = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


def json_answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON body, with `headers` besides its own."""
    return _sized(status, "application/json", dumps(body), headers or {})


def html_answer() -> Answer:
    """A 200 with a page for people, as a proxy in between gives."""
    return _sized(200, "text/html; charset=utf-8", _PAGE, {})


def stream_answer(frames: Sequence[bytes]) -> Answer:
    """An event stream, one write for each frame."""
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Answer(200, headers, tuple(frames))


def raw_answer(raw: Raw) -> Answer:
    """What a brain gave as bytes, untouched."""
    return Answer(raw.status, raw.headers, raw.chunks, cut=raw.close, verbatim=True)


def cut(answer: Answer) -> Answer:
    """The first half of an answer, and then the end of the connection: half of its chunks, or half of its only one."""
    if len(answer.chunks) > 1:
        return replace(answer, chunks=_first_half(answer.chunks), cut=True)
    body = b"".join(answer.chunks)
    return replace(answer, chunks=(body[: len(body) // 2],), cut=True)


def broken_off(answer: Answer, error: Callable[[int], bytes]) -> Answer:
    """The first half of a stream, a last frame with an error, and then the end of the connection.

    `error` makes that frame out of the number of those before it.
    """
    sent = _first_half(answer.chunks)
    return replace(answer, chunks=(*sent, error(len(sent))), headers={**answer.headers, "connection": "close"})


def slowed(answer: Answer, seconds: float) -> Answer:
    """The same answer, `seconds` long, spread over its chunks."""
    return replace(answer, pause=seconds / max(1, len(answer.chunks)))


def _first_half(chunks: Sequence[bytes]) -> tuple[bytes, ...]:
    events = [chunk for chunk in chunks if chunk != DONE]
    return tuple(events[: max(1, len(events) // 2)])


def _sized(status: int, content_type: str, data: bytes, headers: Mapping[str, str]) -> Answer:
    return Answer(status, {"content-type": content_type, "content-length": str(len(data)), **headers}, (data,))
