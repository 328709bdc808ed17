"""The tools of a task and the choice among them, as Chat Completions has them.

Both documented places count, the task itself and its settings, but not both at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from agentkit.emulator.tasks.complaint import Complaint
from agentkit.emulator.tasks.fields import Fields, invalid

_CHOICES: Mapping[str, str] = MappingProxyType({"auto": "auto", "any": "required", "none": "none", "tool": "tool"})


def read_toolset(task: Fields, settings: Fields) -> dict[str, Any]:
    """`tools` and `tool_choice`, where they were given.

    Raises:
        Complaint: they are not as the pages say.
    """
    read: dict[str, Any] = {}
    place = _place("tools", task, settings)
    if (tools := place.items("tools")) is not None:
        read["tools"] = [_tool(tool, place.path("tools", str(index))) for index, tool in enumerate(tools)]
    place = _place("toolChoice", task, settings)
    if (choice := place.anything("toolChoice")) is not None:
        names = [tool["function"]["name"] for tool in read.get("tools", ())]
        read["tool_choice"] = _choice(choice, place.path("toolChoice"), names)
    return read


def _place(name: str, task: Fields, settings: Fields) -> Fields:
    if task.has(name) and settings.has(name):
        text = f"{name} stands in the task and in its settings: give it in one of the two."
        raise Complaint("conflictingParameters", text, settings.path(name))
    return settings if settings.has(name) else task


def _tool(tool: object, path: tuple[str, ...]) -> dict[str, Any]:
    given = Fields(tool, path)
    if given.choice("type", ["function"]) is None:
        raise given.missing("type")
    function: dict[str, Any] = {"name": given.needed_text("name")}
    if (description := given.text("description")) is not None:
        function["description"] = description
    if given.has("schema") and given.has("input_schema"):
        raise invalid(given.path("input_schema"), "must not stand beside schema, of which it is the older name")
    schema = given.anything("schema") if given.has("schema") else given.anything("input_schema")
    if schema is not None:
        function["parameters"] = schema
    given.close()
    return {"type": "function", "function": function}


def _choice(choice: object, path: tuple[str, ...], names: Sequence[str]) -> str | dict[str, Any]:
    if not names:
        raise invalid(path, "must not be given without tools")
    given = Fields(choice, path)
    kind, name = given.choice("type", list(_CHOICES)), given.text("name")
    given.close()
    if kind is None:
        raise given.missing("type")
    if kind != "tool":
        if name is not None:
            raise invalid(given.path("name"), "must only be given with type tool")
        return _CHOICES[kind]
    if name is None:
        raise given.missing("name")
    if name not in names:
        raise invalid(given.path("name"), f"must be one of the tools: {', '.join(names)}", allowedValues=list(names))
    return {"type": "function", "function": {"name": name}}
