"""A Responses answer as its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.completion import Completion, fragments, pieces
from agentkit.emulator.surfaces.event import frame
from agentkit.emulator.surfaces.responses.output import begun, response_of


def frames_of(completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
    """The frames of the answer to `body`; the last one holds the whole answer."""
    return [
        frame({"type": event["type"], "sequence_number": number, **event})
        for number, event in enumerate(_events(completion, body))
    ]


def _events(completion: Completion, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    start, whole = begun(completion, body), response_of(completion, body)
    yield {"type": "response.created", "response": start}
    yield {"type": "response.in_progress", "response": start}
    for index, item in enumerate(whole["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        for event in _inside(item):
            yield {"type": event["type"], "item_id": item["id"], "output_index": index, **event}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _empty(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item when it begins."""
    match item["type"]:
        case "reasoning":
            return {**item, "summary": []}
        case "message":
            return {**item, "content": [], "status": "in_progress"}
        case "function_call":
            return {**item, "arguments": "", "status": "in_progress"}
        case _:
            return {**item, "status": "in_progress"}


def _inside(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What comes between an item's beginning and its end."""
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary(part["text"], index)
        case "message":
            for index, part in enumerate(item["content"]):
                yield from _part(part, index)
        case "function_call":
            for piece in fragments(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", "delta": piece}
            yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}
        case _:
            return


def _summary(text: str, index: int) -> Iterator[dict[str, Any]]:
    place = {"summary_index": index}
    head = "response.reasoning_summary"
    yield {"type": f"{head}_part.added", **place, "part": {"type": "summary_text", "text": ""}}
    for piece in pieces(text):
        yield {"type": f"{head}_text.delta", **place, "delta": piece}
    yield {"type": f"{head}_text.done", **place, "text": text}
    yield {"type": f"{head}_part.done", **place, "part": {"type": "summary_text", "text": text}}


def _part(part: Mapping[str, Any], index: int) -> Iterator[dict[str, Any]]:
    field = "text" if part["type"] == "output_text" else "refusal"
    place = {"content_index": index}
    more: dict[str, Any] = {"logprobs": []} if field == "text" else {}
    yield {"type": "response.content_part.added", **place, "part": {**part, field: ""}}
    for piece in pieces(part[field]):
        yield {"type": f"response.{part['type']}.delta", **place, "delta": piece, **more}
    yield {"type": f"response.{part['type']}.done", **place, field: part[field], **more}
    yield {"type": "response.content_part.done", **place, "part": part}
