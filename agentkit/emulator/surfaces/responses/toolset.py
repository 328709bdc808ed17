"""Tools and the choice among them, as Chat Completions has them."""

from __future__ import annotations

from typing import Any

from agentkit.emulator.checks.strict_schema import check_strict
from agentkit.emulator.surface import Invalid
from agentkit.emulator.surfaces.node import Node, Stated
from agentkit.emulator.surfaces.responses import computer


def tools(root: Node) -> dict[str, Any]:
    """The fields `tools`, `tool_choice` and `parallel_tool_calls` of a chat request, those that there are."""
    given = root.get("tools")
    made = [] if given is None else [_tool(tool) for tool in given.items()]
    names = [tool["function"]["name"] for tool in made]
    for index, name in enumerate(names):
        if name in names[:index] and given is not None:
            raise given.items()[index].says(f"the name {name!r} is used twice.")
    parallel = root.get("parallel_tool_calls")
    allowed = parallel is None or parallel.flag()
    chosen = root.get("tool_choice")
    choice = None if chosen is None else _choice(chosen, names)
    if not made:
        return {}
    chat: dict[str, Any] = {"tools": made}
    if choice is not None:
        chat["tool_choice"] = choice
    return chat if parallel is None else {**chat, "parallel_tool_calls": allowed}


def _tool(tool: Node) -> dict[str, Any]:
    kind = tool.kind("function", *computer.TYPES)
    if kind != "function":
        return {"type": "function", "function": computer.function_of(tool, kind)}
    tool.only("type", "name", "description", "parameters", "strict")
    function: dict[str, Any] = {"name": tool.need("name").name()}
    if description := tool.maybe("description"):
        function["description"] = description.text()
    strict = tool.maybe("strict")
    if parameters := tool.maybe("parameters"):
        if parameters.mapping().get("type") != "object":
            raise parameters.says("schema must be a JSON Schema of 'type: \"object\"'.")
        if strict is not None and strict.flag():
            refuse_loose(parameters, f"function '{function['name']}'")
        function["parameters"] = parameters.value
    if strict is not None:
        function["strict"] = strict.flag()
    return {"type": "function", "function": function}


def refuse_loose(schema: Node, owner: str) -> None:
    """Raises `Invalid` for a schema that is outside the strict subset; `owner` is whose it is."""
    for problem in check_strict(schema.mapping(), schema.path, owner):
        raise Invalid(Stated(problem.message, problem.param, problem.kind))


def _choice(choice: Node, names: list[str]) -> str | dict[str, Any]:
    if not names:
        raise choice.invalid("Tool choice is only allowed when 'tools' are given.")
    if isinstance(choice.value, str):
        return choice.one_of("auto", "none", "required")
    kind = choice.kind("function", *computer.TYPES, "computer_use")
    choice.only("type", *(("name",) if kind == "function" else ()))
    wanted = choice.need("name").filled() if kind == "function" else computer.NAME
    if wanted not in names:
        raise choice.invalid(f"Tool choice '{wanted}' not found in 'tools' parameter.")
    return {"type": "function", "function": {"name": wanted}}
