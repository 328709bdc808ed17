"""A completion as a task's result: an entry of `data`, or the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit._json import loads
from agentkit.emulator.completion import DONE, Completion, arguments_text, data_frame, finish_reason, pieces
from agentkit.emulator.tasks.bill import cost_of, usage_entry
from agentkit.emulator.tasks.inference import Inference

_REASONS = ("stop", "length", "content_filter")
_HEARTBEAT = b":heartbeat\n\n"


def acknowledgement(uuid: str, **more: Any) -> dict[str, Any]:
    """The entry of a task that has no result yet."""
    return {"taskType": "textInference", "taskUUID": uuid, **more}


def result_entry(completion: Completion, inference: Inference, index: int, **more: Any) -> dict[str, Any]:
    """The entry of one finished result, the `index`-th of its task."""
    reply = completion.reply
    thought = {"reasoningContent": reply.reasoning} if reply.reasoning is not None else {}
    said = {"text": reply.text or reply.refusal or "", **thought}
    return {**acknowledgement(inference.uuid, **more), **said, **_ending(completion, inference, index)}


def result_frames(completion: Completion, inference: Inference) -> list[bytes]:
    """The event stream of a task's only result, one element for each event, `[DONE]` last."""
    reply = completion.reply
    said = [("reasoningContent", reply.reasoning), ("text", reply.text or reply.refusal)]
    deltas = [{name: piece} for name, text in said for piece in pieces(text or "")]
    events: list[dict[str, Any]] = [{"delta": delta, "taskUUID": inference.uuid} for delta in deltas]
    events.append({"delta": {}, **_ending(completion, inference, 0), "taskUUID": inference.uuid})
    return [_HEARTBEAT, *map(data_frame, events), DONE]


def _ending(completion: Completion, inference: Inference, index: int) -> dict[str, Any]:
    usage = {"usage": usage_entry(completion.usage)} if inference.include_usage else {}
    cost = {"cost": cost_of(completion.usage)} if inference.include_cost else {}
    return {
        "finishReason": _reason(completion),
        "seed": inference.seeds[index],
        **_tools(completion),
        **usage,
        **cost,
    }


def _reason(completion: Completion) -> str:
    if completion.reply.refusal is not None:
        return "content_filter"
    reason = finish_reason(completion.reply)
    return reason if reason in _REASONS else "unknown"


def _tools(completion: Completion) -> Mapping[str, Any]:
    calls = zip(completion.call_ids, completion.reply.calls, strict=True)
    made = [{"id": own, "name": call.name, "input": _input(arguments_text(call))} for own, call in calls]
    return {"tools": made} if made else {}


def _input(arguments: str) -> Any:
    try:
        return loads(arguments)
    except ValueError:
        return arguments  # what the model wrote, where that is no JSON
