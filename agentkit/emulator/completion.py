"""A reply as the wire has it: one JSON body, or the frames of an event stream. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.brain import Call, Reply
from agentkit.emulator.meter import Prompt
from agentkit.tokens import estimate

DONE = b"data: [DONE]\n\n"
_WORD = re.compile(r"\s*\S+\s*")
_TEXT_PIECES = 120  # at most so many deltas for one text, whatever its length
_ARGUMENT_PIECE = 12  # characters


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer ready to be written: the reply, with what the server adds to it.

    `created` is Unix seconds, None where the dialect leaves it out of plain answers; `fingerprint` likewise.
    """

    id: str
    model: str
    reply: Reply
    usage: Mapping[str, Any]
    created: int
    plain_created: bool
    fingerprint: str | None
    call_ids: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """The plain answer."""
        message: dict[str, Any] = {"role": "assistant", "content": self.reply.text}
        if self.reply.reasoning is not None:
            message["reasoning_content"] = self.reply.reasoning
        if self.reply.refusal is not None:
            message["refusal"] = self.reply.refusal
        if self.reply.calls:
            message["tool_calls"] = [
                {"id": made, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}
                for made, call in zip(self.call_ids, self.reply.calls, strict=True)
            ]
        choice = {"index": 0, "message": message, "finish_reason": finish_reason(self.reply)}
        created = {"created": self.created} if self.plain_created else {}
        head = {"id": self.id, "object": "chat.completion", **created, "model": self.model}
        return {**head, "choices": [choice], "usage": self.usage, **self._fingerprint()}

    def frames(self, *, include_usage: bool) -> list[bytes]:
        """The event stream, one element for each event, `[DONE]` last."""
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        head = {**head, **self._fingerprint()}
        no_usage = {"usage": None} if include_usage else {}
        frames = [
            data_frame({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **no_usage})
            for delta in self._deltas()
        ]
        last = {"index": 0, "delta": {}, "finish_reason": finish_reason(self.reply)}
        frames.append(data_frame({**head, "choices": [last], **no_usage}))
        if include_usage:
            frames.append(data_frame({**head, "choices": [], "usage": self.usage}))
        return [*frames, DONE]

    def _deltas(self) -> Iterator[dict[str, Any]]:
        reply = self.reply
        yield {"role": "assistant", "content": None if reply.calls and not reply.text else ""}
        for name, text in (("reasoning_content", reply.reasoning), ("content", reply.text), ("refusal", reply.refusal)):
            yield from ({name: piece} for piece in pieces(text or ""))
        for index, (made, call) in enumerate(zip(self.call_ids, reply.calls, strict=True)):
            function = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [{"index": index, "id": made, "type": "function", "function": function}]}
            for piece in fragments(arguments_text(call)):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _fingerprint(self) -> dict[str, Any]:
        return {} if self.fingerprint is None else {"system_fingerprint": self.fingerprint}


def finish_reason(reply: Reply) -> str:
    """Why the reply ended: what it says itself, else by whether it has calls."""
    return reply.finish_reason or ("tool_calls" if reply.calls else "stop")


def arguments_text(call: Call) -> str:
    """The arguments as they go out: a string as it stands, a mapping as JSON."""
    return call.arguments if isinstance(call.arguments, str) else dumps(dict(call.arguments)).decode()


def usage_of(reply: Reply, prompt: Prompt) -> Mapping[str, Any]:
    """The usage object: the reply's own, else estimated."""
    if reply.usage is not None:
        return reply.usage
    reasoning = estimate(reply.reasoning or "")
    said = estimate(reply.text or "") + estimate(reply.refusal or "")
    called = sum(estimate(call.name) + estimate(arguments_text(call)) for call in reply.calls)
    completion = reasoning + said + called
    return {
        "prompt_tokens": prompt.tokens,
        "completion_tokens": completion,
        "total_tokens": prompt.tokens + completion,
        "prompt_tokens_details": {"cached_tokens": prompt.cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def limited(reply: Reply, request: Mapping[str, Any]) -> Reply:
    """`reply` as the request's `stop` and its limit on output tokens leave it.

    A reply with calls or with a finish_reason of its own is left alone.
    """
    if reply.text is None or reply.calls or reply.finish_reason is not None:
        return reply
    text = _stopped(reply.text, request.get("stop", []))
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    size = estimate(text)
    if limit is None or size <= limit:
        return reply if text == reply.text else replace(reply, text=text)
    return replace(reply, text=text[: len(text) * limit // size], finish_reason="length")


def _stopped(text: str, stop: str | list[str]) -> str:
    found = [text.find(sequence) for sequence in ([stop] if isinstance(stop, str) else stop)]
    return text[: min((place for place in found if place >= 0), default=len(text))]


def pieces(text: str) -> Iterator[str]:
    """The text as it is streamed: a few words at a time."""
    words = _WORD.findall(text) or ([text] if text else [])
    step = -(-len(words) // _TEXT_PIECES) or 1
    for start in range(0, len(words), step):
        yield "".join(words[start : start + step])


def fragments(arguments: str) -> Iterator[str]:
    """A call's arguments as they are streamed: some characters at a time, wherever that cuts the JSON."""
    step = max(_ARGUMENT_PIECE, -(-len(arguments) // _TEXT_PIECES))
    for start in range(0, len(arguments), step):
        yield arguments[start : start + step]


def data_frame(event: Mapping[str, Any]) -> bytes:
    """One event of a stream whose events have no names."""
    return b"data: " + dumps(event) + b"\n\n"
