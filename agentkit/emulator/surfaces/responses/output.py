"""A completion as a Responses object: output items, status, usage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.brain import Call
from agentkit.emulator.completion import Completion, arguments_text, finish_reason
from agentkit.emulator.surfaces.responses.computer import item_of
from agentkit.emulator.surfaces.responses.request import ENCRYPTED
from agentkit.emulator.surfaces.responses.sealed import seal

_CUT: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_of(completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
    """The finished answer to `body`."""
    reason = _CUT.get(finish_reason(completion.reply))
    changed = {
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": output_of(completion, body),
        "usage": _usage(completion.usage),
    }
    return {**begun(completion, body), **changed}


def begun(completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer before anything is said: what was asked for, echoed with the defaults filled in."""
    reasoning, text = body.get("reasoning") or {}, body.get("text") or {}
    return {
        "id": f"resp_{_digest(completion, body)}",
        "object": "response",
        "created_at": completion.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": completion.model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata", {}),
    }


def output_of(completion: Completion, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The output items, in order: reasoning, message, calls."""
    reply, digest = completion.reply, _digest(completion, body)
    made: list[dict[str, Any]] = []
    if reply.reasoning is not None:
        made.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": reply.reasoning}]})
        if ENCRYPTED in body.get("include", ()):
            made[-1]["encrypted_content"] = seal(reply.reasoning)
    if content := _content(completion):
        made.append({"type": "message", "role": "assistant", "status": "completed", "content": content})
    for call_id, call in zip(completion.call_ids, reply.calls, strict=True):
        item = item_of(call, body.get("tools", ())) or _function_call(call)
        made.append({**item, "call_id": call_id, "status": "completed"})
    if made and "status" in made[-1] and finish_reason(reply) in _CUT:
        made[-1]["status"] = "incomplete"
    # An id says whether reasoning came before its item, so that a client that loses the reasoning can be told.
    follows = reply.reasoning is not None
    return [
        {"id": f"{_PREFIXES[item['type']]}_{digest}_{place}{'r' if follows and place == 1 else ''}", **item}
        for place, item in enumerate(made)
    ]


_PREFIXES: Mapping[str, str] = {"reasoning": "rs", "message": "msg", "function_call": "fc", "computer_call": "cu"}


def _content(completion: Completion) -> list[dict[str, Any]]:
    reply = completion.reply
    parts: list[dict[str, Any]] = []
    if reply.text or (reply.text is not None and not reply.calls and reply.refusal is None):
        parts.append({"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []})
    if reply.refusal is not None:
        parts.append({"type": "refusal", "refusal": reply.refusal})
    return parts


def _function_call(call: Call) -> dict[str, Any]:
    return {"type": "function_call", "name": call.name, "arguments": arguments_text(call)}


def _digest(completion: Completion, body: Mapping[str, Any]) -> str:
    """From the whole input, so that no two answers of a conversation share an id, not even across servers."""
    whole = completion.id.encode() + dumps(body["input"])
    return hashlib.blake2b(whole, digest_size=8).hexdigest()


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Chat's usage under the names of this endpoint; one that has these names already stays as it is."""
    if "prompt_tokens" not in usage:
        return dict(usage)
    heard, said = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    written = {"cache_write_tokens": heard.get("cache_write_tokens", 0)}
    output = usage.get("completion_tokens", 0)
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": heard.get("cached_tokens", 0), **written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": said.get("reasoning_tokens", 0)},
        "total_tokens": usage.get("total_tokens", usage["prompt_tokens"] + output),
    }
