"""A whole Responses request as a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit.emulator.surfaces.node import Node
from agentkit.emulator.surfaces.responses.items import messages
from agentkit.emulator.surfaces.responses.toolset import refuse_loose, tools
from agentkit.emulator.surfaces.responses.voice import body_node

ENCRYPTED = "reasoning.encrypted_content"
"""What `include` names to get reasoning that can be carried."""

_FIELDS = (
    *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"),
    *("include", "store", "max_output_tokens", "stream", "stream_options", "temperature", "top_p", "truncation"),
    *("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"),
)
_NOT_SERVED: Mapping[str, str] = {
    "previous_response_id": "responses are not stored here; send the whole conversation as input.",
    "conversation": "conversations are not stored here; send the whole conversation as input.",
    "prompt": "prompts are not stored here; send instructions and input.",
    "background": "responses are not stored here, so none can be made in the background.",
}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_SUMMARIES = ("auto", "concise", "detailed")
_INCLUDES = (ENCRYPTED, "message.input_image.image_url", "computer_call_output.output.image_url")
_METADATA = 16  # pairs


def chat_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The Chat Completions request that means the same as `body`.

    Raises:
        Invalid: it is not what the endpoint takes.
    """
    root = body_node(body)
    for name, why in _NOT_SERVED.items():
        if root.has(name) and root.value[name] is not False:
            raise root.need(name).says(why)
    root.only(*_FIELDS, *_NOT_SERVED)
    chat = {"model": root.need("model").filled(), "messages": messages(root)}
    _unseen(root)
    return {**chat, **tools(root), **_text(root), **_reasoning(root), **_plain(root)}


def _unseen(root: Node) -> None:
    """Checks what a brain has no use for."""
    if include := root.get("include"):
        for one in include.items():
            one.one_of(*_INCLUDES)
    if truncation := root.get("truncation"):
        truncation.one_of("auto", "disabled")
    if options := root.get("stream_options"):
        options.only("include_obfuscation")
        if root.value.get("stream") is not True:
            raise options.says("only allowed when 'stream' is true.")
    if retention := root.get("prompt_cache_retention"):
        retention.one_of("in_memory", "in-memory", "24h")


def _text(root: Node) -> dict[str, Any]:
    if not (text := root.get("text")):
        return {}
    text.only("format", "verbosity")
    chat: dict[str, Any] = {}
    if verbosity := text.maybe("verbosity"):
        chat["verbosity"] = verbosity.one_of("low", "medium", "high")
    if not (shape := text.maybe("format")):
        return chat
    kind = shape.kind("text", "json_object", "json_schema")
    if kind != "json_schema":
        shape.only("type")
        return {**chat, "response_format": {"type": kind}}
    return {**chat, "response_format": {"type": kind, "json_schema": _schema(shape)}}


def _schema(shape: Node) -> dict[str, Any]:
    shape.only("type", "name", "description", "schema", "strict")
    schema = shape.need("schema")
    made: dict[str, Any] = {"name": shape.need("name").name(), "schema": schema.mapping()}
    if description := shape.maybe("description"):
        made["description"] = description.text()
    if strict := shape.maybe("strict"):
        made["strict"] = strict.flag()
        if made["strict"]:
            refuse_loose(schema, f"response_format '{made['name']}'")
    return made


def _reasoning(root: Node) -> dict[str, Any]:
    if not (reasoning := root.get("reasoning")):
        return {}
    reasoning.only("effort", "summary", "generate_summary")
    for name in ("summary", "generate_summary"):
        if summary := reasoning.maybe(name):
            summary.one_of(*_SUMMARIES)
    effort = reasoning.maybe("effort")
    return {} if effort is None else {"reasoning_effort": effort.one_of(*_EFFORTS)}


def _plain(root: Node) -> dict[str, Any]:
    """Fields that Chat Completions has too, some under other names."""
    chat: dict[str, Any] = {}
    if limit := root.get("max_output_tokens"):
        chat["max_completion_tokens"] = limit.integer(16)
    if temperature := root.get("temperature"):
        chat["temperature"] = temperature.number(0, 2)
    if top_p := root.get("top_p"):
        chat["top_p"] = top_p.number(0, 1)
    for name in ("stream", "store"):
        if flag := root.get(name):
            chat[name] = flag.flag()
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if text := root.get(name):
            chat[name] = text.text()
    if tier := root.get("service_tier"):
        chat["service_tier"] = tier.one_of("auto", "default", "flex", "scale", "priority")
    if metadata := root.get("metadata"):
        chat["metadata"] = _pairs(metadata)
    return chat


def _pairs(metadata: Node) -> Mapping[str, Any]:
    pairs = metadata.mapping()
    if len(pairs) > _METADATA or not all(isinstance(value, str) for value in pairs.values()):
        raise metadata.wrong(f"an object with at most {_METADATA} strings")
    return pairs
