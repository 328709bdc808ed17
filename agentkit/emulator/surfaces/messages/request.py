"""A whole Messages request as a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit.emulator.surfaces.messages.blocks import cached
from agentkit.emulator.surfaces.messages.history import messages
from agentkit.emulator.surfaces.messages.output_schema import refuse_loose
from agentkit.emulator.surfaces.messages.toolset import tools
from agentkit.emulator.surfaces.messages.voice import body_node
from agentkit.emulator.surfaces.node import Node

_FIELDS = (
    *("model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences", "stream"),
    *("metadata", "tools", "tool_choice", "thinking", "output_config", "service_tier", "cache_control"),
)
_EFFORTS: Mapping[str, str] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_LEAST_BUDGET = 1024  # tokens
_MOST_MARKS = 4


def chat_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The Chat Completions request that means the same as `body`.

    `stop_sequences` stay behind: the answer is cut on this side, where it can be told which one it was.

    Raises:
        Invalid: it is not what the endpoint takes.
    """
    root = body_node(body)
    root.only(*_FIELDS)
    chat: dict[str, Any] = {"model": root.need("model").filled()}
    chat["max_completion_tokens"] = root.need("max_tokens").integer(1)
    thinking = _thinks(root)
    chat["messages"] = messages(root, thinking=thinking)
    _unseen(root)
    return {**chat, **tools(root, thinking=thinking), **_sampling(root, thinking=thinking), **_rest(root)}


def _thinks(root: Node) -> bool:
    if not (thinking := root.get("thinking")):
        return False
    kind = thinking.kind("enabled", "adaptive", "disabled")
    match kind:
        case "enabled":
            thinking.only("type", "budget_tokens", "display")
            budget = thinking.need("budget_tokens")
            if budget.integer(_LEAST_BUDGET) >= root.value["max_tokens"]:
                raise budget.says("`max_tokens` must be greater than `thinking.budget_tokens`")
        case "adaptive":
            thinking.only("type", "display")
        case _:
            thinking.only("type")
    if display := thinking.maybe("display"):
        display.one_of("summarized", "omitted")
    return kind != "disabled"


def _unseen(root: Node) -> None:
    """Checks what a brain has no use for."""
    cached(root)
    marks = _marks(root)
    if marks > _MOST_MARKS:
        text = f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}."
        raise root.invalid(text)
    if tier := root.get("service_tier"):
        tier.one_of("auto", "standard_only")
    if stops := root.get("stop_sequences"):
        for stop in stops.items():
            if not stop.text().strip():
                raise stop.says("each stop sequence must contain non-whitespace")


def _marks(root: Node) -> int:
    """How many blocks, tools and the request itself ask for a place in the cache."""
    blocks = [root]
    for name in ("system", "tools"):
        blocks += _listed(root.get(name))
    for message in root.need("messages").items():
        for block in _listed(message.need("content")):
            blocks += [block, *(_listed(block.get("content")))]
    return sum(block.has("cache_control") for block in blocks)


def _listed(value: Node | None) -> list[Node]:
    return value.items() if value is not None and isinstance(value.value, list) else []


def _sampling(root: Node, *, thinking: bool) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    if temperature := root.get("temperature"):
        chat["temperature"] = temperature.number(0, 1)
        if thinking and temperature.value != 1:
            raise temperature.says("may only be set to 1 when thinking is enabled")
    if top_p := root.get("top_p"):
        chat["top_p"] = top_p.number(0.95 if thinking else 0, 1)
        if "temperature" in chat:
            raise top_p.says("`temperature` and `top_p` cannot both be specified for this model")
    if top_k := root.get("top_k"):
        top_k.integer(0)
        if thinking:
            raise top_k.says("must be unset when thinking is enabled")
    return chat


def _rest(root: Node) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    if stream := root.get("stream"):
        chat["stream"] = stream.flag()
    if metadata := root.get("metadata"):
        metadata.only("user_id")
        if user := metadata.maybe("user_id"):
            chat["user"] = user.text()
    if config := root.get("output_config"):
        config.only("effort", "format")
        if effort := config.maybe("effort"):
            chat["reasoning_effort"] = _EFFORTS[effort.one_of(*_EFFORTS)]
        if shape := config.maybe("format"):
            chat["response_format"] = _format(shape)
    return chat


def _format(shape: Node) -> dict[str, Any]:
    shape.only("type", "schema").kind("json_schema")
    schema = shape.need("schema")
    refuse_loose(schema)
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": schema.value}}
