"""A completion as a Messages object: content blocks, stop reason, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentkit._json import loads, partial
from agentkit.emulator.completion import Completion, arguments_text, finish_reason
from agentkit.emulator.surfaces.messages.history import THOUGHT
from agentkit.emulator.surfaces.messages.signature import signature
from agentkit.tokens import estimate

_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def message_of(completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `body`."""
    completion, stop = _stopped(completion, body.get("stop_sequences", ()))
    reply = completion.reply
    reason = "stop_sequence" if stop is not None else _REASONS.get(finish_reason(reply), finish_reason(reply))
    if reply.refusal is not None and reply.finish_reason in (None, "stop"):
        reason = "refusal"
    return {
        "id": "msg_" + completion.id.removeprefix("chatcmpl-").replace("-", "_"),
        "type": "message",
        "role": "assistant",
        "model": completion.model,
        "content": _content(completion, body),
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": _usage(completion.usage),
    }


def _content(completion: Completion, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    reply = completion.reply
    blocks: list[dict[str, Any]] = []
    if reply.reasoning is not None:
        omitted = (body.get("thinking") or {}).get("display") == "omitted"
        thinking = "" if omitted else reply.reasoning
        blocks.append({"type": "thinking", "thinking": thinking, "signature": signature(thinking)})
    blocks += [{"type": "text", "text": text} for text in (reply.text, reply.refusal) if text]
    cut = finish_reason(reply) == "length"
    for made, call in zip(completion.call_ids, reply.calls, strict=True):
        tail = THOUGHT if reply.reasoning is not None else ""
        used = call.id or f"toolu_{made.removeprefix('call_')}{tail}"
        arguments = _input(arguments_text(call), cut=cut)
        blocks.append({"type": "tool_use", "id": used, "name": call.name, "input": arguments})
    return blocks


def _input(arguments: str, *, cut: bool) -> Any:
    """The decoded arguments; those that are no JSON go out as their text, unless it was cut."""
    try:
        return loads(arguments)
    except ValueError:
        read = partial(arguments) if cut else arguments
        return {} if read is None else read


def _stopped(completion: Completion, sequences: list[str] | tuple[str, ...]) -> tuple[Completion, str | None]:
    """The completion up to the first of the stop sequences, and which one that is."""
    reply = completion.reply
    if not reply.text or reply.calls or reply.finish_reason not in (None, "length"):
        return completion, None
    found = [(place, stop) for stop in sequences if (place := reply.text.find(stop)) >= 0]
    if not found:
        return completion, None
    place, stop = min(found)
    usage = completion.usage
    if reply.usage is None:  # the estimate was of the whole text
        kept = usage["completion_tokens"] - estimate(reply.text) + estimate(reply.text[:place])
        usage = {**usage, "completion_tokens": kept, "total_tokens": usage["prompt_tokens"] + kept}
    cut = replace(reply, text=reply.text[:place], finish_reason=None)
    return replace(completion, reply=cut, usage=usage), stop


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Chat's usage as this endpoint counts, without what the cache gave; one that has its names stays as it is."""
    if "prompt_tokens" not in usage:
        return dict(usage)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage["prompt_tokens"] - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens", 0),
    }
