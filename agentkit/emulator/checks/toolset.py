"""The tools of a request and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.checks.strict_schema import check_strict
from agentkit.emulator.dialects import Dialect, Problem

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)


def check_tools(body: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `tools`."""
    if "tools" not in body:
        return
    tools = body["tools"]
    if not isinstance(tools, list) or not 1 <= len(tools) <= 128:
        yield Problem("tools must be an array of 1 to 128 tools; leave it out if there are none", "tools")
        return
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        yield from _tool(tool, where)
        name = tool["function"]["name"]
        if name in names:
            yield Problem(f"{where}.function.name {name!r} is used twice", f"{where}.function.name")
        names.add(name)


def _tool(tool: object, where: str) -> Iterator[Problem]:
    if not isinstance(tool, Mapping) or tool.get("type") != "function" or not isinstance(tool.get("function"), Mapping):
        yield Problem(f'{where} must be {{"type": "function", "function": {{"name": ...}}}}', where)
        return
    function, where = tool["function"], f"{where}.function"
    for name in function:
        if name not in ("name", "description", "parameters", "strict"):
            yield Problem(f"unknown parameter: '{where}.{name}'", f"{where}.{name}", kind="unsupported_parameter")
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        text = f"{where}.name must be 1 to 64 of the characters a-z, A-Z, 0-9, _ and -, not {name!r}"
        yield Problem(text, f"{where}.name")
    if not isinstance(function.get("description", ""), str):
        yield Problem(f"{where}.description must be a string", f"{where}.description")
    if not isinstance(function.get("strict", False), bool):
        yield Problem(f"{where}.strict must be true or false", f"{where}.strict")
    yield from _parameters(function, f"{where}.parameters")


def _parameters(function: Mapping[str, Any], where: str) -> Iterator[Problem]:
    if "parameters" not in function:
        return
    schema = function["parameters"]
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        yield Problem(f'{where} must be a JSON Schema of type "object"', where)
    elif function.get("strict"):
        yield from check_strict(schema, where, f"function {function['name']!r}")


def check_tool_choice(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    """What is wrong with `tool_choice` and `parallel_tool_calls`."""
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and "tools" not in body:
            yield Problem(f"{name} is only allowed when tools are given", name)
    if "tool_choice" not in body:
        return
    choice = body["tool_choice"]
    if isinstance(choice, Mapping):
        yield from _named(choice, [tool["function"]["name"] for tool in body["tools"]])
    elif choice not in dialect.tool_choices:
        known = ", ".join(dialect.tool_choices)
        text = f"tool_choice must be one of {known}, or an object that names a function, not {choice!r}"
        yield Problem(text, "tool_choice")


def _named(choice: Mapping[str, Any], known: list[str]) -> Iterator[Problem]:
    function = choice.get("function")
    if choice.get("type") != "function" or not isinstance(function, Mapping) or set(choice) != {"type", "function"}:
        text = 'tool_choice must look like {"type": "function", "function": {"name": ...}}'
        yield Problem(text, "tool_choice")
    elif function.get("name") not in known:
        text = f"tool_choice names {function.get('name')!r}, which is not among the tools: {', '.join(known)}"
        yield Problem(text, "tool_choice.function.name")
