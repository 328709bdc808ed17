"""Tools and the choice among them, as Chat Completions has them."""

from __future__ import annotations

from typing import Any

from agentkit.emulator.surfaces.messages.blocks import cached
from agentkit.emulator.surfaces.messages.output_schema import refuse_loose
from agentkit.emulator.surfaces.node import Node

_FORCES = ("any", "tool")


def tools(root: Node, *, thinking: bool) -> dict[str, Any]:
    """The fields `tools`, `tool_choice` and `parallel_tool_calls` of a chat request, those that there are."""
    given = root.get("tools")
    made = [] if given is None else [_tool(tool) for tool in given.items()]
    names = [tool["function"]["name"] for tool in made]
    if given is not None and len(set(names)) != len(names):
        raise given.says("Tool names must be unique.")
    choice = root.get("tool_choice")
    if choice is None:
        return {"tools": made} if made else {}
    if not made:
        raise choice.says("may only be specified while providing `tools`")
    kind = choice.kind("auto", *_FORCES, "none")
    if thinking and kind in _FORCES:
        raise choice.says("Thinking may not be enabled when tool_choice forces tool use.")
    return {"tools": made, **_choice(choice, kind, names)}


def _tool(tool: Node) -> dict[str, Any]:
    if kind := tool.maybe("type"):
        kind.one_of("custom")
    tool.only("type", "name", "description", "input_schema", "strict", "cache_control", "input_examples")
    cached(tool)
    function: dict[str, Any] = {"name": tool.need("name").name()}
    if description := tool.get("description"):
        function["description"] = description.text()
    schema = tool.need("input_schema")
    if schema.mapping().get("type") != "object":
        raise schema.says("type: Input should be 'object'")
    if (strict := tool.get("strict")) and strict.flag():
        refuse_loose(schema)
    if examples := tool.get("input_examples"):
        for example in examples.items():
            example.mapping()
    # `strict` stays behind: what Chat Completions means by it asks more of a schema than this endpoint does.
    return {"type": "function", "function": {**function, "parameters": schema.value}}


def _choice(choice: Node, kind: str, names: list[str]) -> dict[str, Any]:
    chat: dict[str, Any] = {"tool_choice": {"auto": "auto", "any": "required", "none": "none"}.get(kind)}
    more = () if kind == "none" else ("disable_parallel_tool_use",)
    choice.only("type", *more, *(("name",) if kind == "tool" else ()))
    if kind == "tool":
        wanted = choice.need("name").filled()
        if wanted not in names:
            raise choice.says(f"Tool '{wanted}' not found in provided tools")
        chat["tool_choice"] = {"type": "function", "function": {"name": wanted}}
    if single := choice.get("disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = not single.flag()
    return chat
