"""The computer tool: a function named `computer` to a brain, `computer_call` items on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit._json import dumps, loads
from agentkit.emulator.brain import Call
from agentkit.emulator.completion import arguments_text
from agentkit.emulator.surfaces.image import image_url
from agentkit.emulator.surfaces.node import Node

TYPES = ("computer", "computer_use_preview")
"""What the tool is called in a request: `computer` acts in batches, its preview one action at a time."""

NAME = "computer"
"""What a brain calls."""

_ENVIRONMENTS = ("windows", "mac", "linux", "ubuntu", "browser")
_BUTTONS = ("left", "right", "wheel", "back", "forward")
_PLACE = ("x", "y")
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "click": ("button", *_PLACE),
    "double_click": _PLACE,
    "drag": ("path",),
    "keypress": ("keys",),
    "move": _PLACE,
    "screenshot": (),
    "scroll": (*_PLACE, "scroll_x", "scroll_y"),
    "type": ("text",),
    "wait": (),
}
_WITH_KEYS = ("click", "double_click", "drag", "move", "scroll")
_ACTION = {"type": "object", "properties": {"type": {"type": "string", "enum": [*_ACTIONS]}}, "required": ["type"]}


def function_of(tool: Node, kind: str) -> dict[str, Any]:
    """The tool as a function."""
    if kind == NAME:
        tool.only("type")
    else:
        tool.only("type", "display_width", "display_height", "environment")
        tool.need("display_width").integer(1)
        tool.need("display_height").integer(1)
        tool.need("environment").one_of(*_ENVIRONMENTS)
    properties = {"action": _ACTION, "actions": {"type": "array", "items": _ACTION}}
    schema = {"type": "object", "properties": properties}
    return {"name": NAME, "description": "Acts on a computer's screen.", "parameters": schema}


def arguments_of(item: Node) -> str:
    """What a `computer_call` does, as the arguments of the function."""
    item.only("type", "id", "call_id", "action", "actions", "pending_safety_checks", "status")
    item.need("pending_safety_checks").items()
    names = [name for name in ("action", "actions") if item.has(name)]
    if len(names) != 1:
        raise item.wrong("a computer call with either action or actions")
    given = item.need(names[0])
    for action in given.items() if names[0] == "actions" else [given]:
        _check(action)
    return dumps({names[0]: given.value}).decode()


def _check(action: Node) -> None:
    kind = action.kind(*_ACTIONS)
    wanted = _ACTIONS[kind]
    action.only("type", *wanted, *(("keys",) if kind in _WITH_KEYS else ()))
    for name in wanted:
        field = action.need(name)
        match name:
            case "button":
                field.one_of(*_BUTTONS)
            case "text":
                field.text()
            case "keys" | "path":
                field.items()
            case _:
                field.integer()


def screenshot(output: Node) -> dict[str, Any]:
    """The result of a `computer_call`, as a part of a message."""
    output.only("type", "image_url", "file_id").kind("computer_screenshot")
    if output.has("file_id"):
        raise output.need("file_id").says("files are not stored here; send the screenshot as image_url.")
    return {"type": "image_url", "image_url": {"url": image_url(output.need("image_url"))}}


def item_of(call: Call, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The `computer_call` that a brain's call is; None when it is an ordinary one, or its arguments are no action."""
    kind = next((tool["type"] for tool in tools if tool["type"] in TYPES), None)
    actions = _actions(call) if kind is not None and call.name == NAME else []
    if not actions:
        return None
    done = {"action": actions[0]} if kind != NAME and len(actions) == 1 else {"actions": actions}
    return {"type": "computer_call", **done, "pending_safety_checks": []}


def _actions(call: Call) -> list[Any]:
    try:
        arguments = loads(arguments_text(call))
    except ValueError:
        return []
    if not isinstance(arguments, dict):
        return []
    actions = arguments.get("actions", [arguments[name] for name in ("action",) if name in arguments])
    return actions if isinstance(actions, list) else []
