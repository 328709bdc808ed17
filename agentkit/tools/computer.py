"""A computer that the model works at: it asks for clicks and keys, and sees screenshots.

The model knows such a tool by itself, so there is nothing to describe. Only the Responses surface has it.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from agentkit import _json
from agentkit.messages import ImagePart, TextPart
from agentkit.models import Screen, ToolDefinition
from agentkit.schema import for_json_schema
from agentkit.tools.options import ToolOptions
from agentkit.tools.tool import Tool, bind_keywords, checked_name

Action: TypeAlias = Mapping[str, Any]
"""One thing to do, as the API has it: `{"type": "click", "x": 10, "y": 20, "button": "left"}`."""

SafetyCheck: TypeAlias = Mapping[str, Any]
"""A doubt of the vendor's about what the model is doing: `id`, and mostly `code` and `message`."""

Shot: TypeAlias = ImagePart | bytes

_FIELD = "acknowledged_safety_checks"
_ACTION = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "action": _ACTION,
        "actions": {"type": "array", "items": _ACTION},
        "pending_safety_checks": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        },
    },
    "anyOf": [{"required": ["action"]}, {"required": ["actions"]}],
}


class SafetyChecksPending(PermissionError):
    """The vendor wants someone to look before the model goes on, and nobody has agreed; nothing was done.

    `checks` are what it wants looked at.
    """

    def __init__(self, checks: Sequence[SafetyCheck]) -> None:
        said = "; ".join(str(check.get("message") or check.get("code") or check.get("id")) for check in checks)
        super().__init__(f"safety checks are pending: {said}. Look at them, and agree with acknowledge=")
        self.checks = tuple(checks)


def computer_tool(
    act: Callable[[Sequence[Action]], Shot | Awaitable[Shot]],
    *,
    screen: Screen | None = None,
    acknowledge: Callable[[Sequence[SafetyCheck]], bool] | None = None,
    name: str = "computer",
    **declared: Any,
) -> Tool[..., Any]:
    """A tool that lets the model work at a computer.

    `act` does the actions, in order, and returns a screenshot taken after the last one (an `ImagePart`, or the bytes of
    an image); it may be async. `screen` is for models that want to be told of one (computer-use-preview); the others
    take their measure from the screenshot. `acknowledge` is asked when safety checks are pending, before anything is
    done; without it, or when it says no, the run ends with `ToolFailed`, whose `error` is `SafetyChecksPending`.
    `declared` are the options of `ToolOptions`; by default it writes, what it shows is from the open world, and an
    exception ends the run, as there is no screenshot to go on with.

    Raises:
        ToolDefinitionError: the name or an option cannot work.
    """
    wanted: dict[str, Any] = {"effect": "write", "trust": "web", "on_error": "raise", **declared}
    definition = ToolDefinition(
        checked_name(name), "Works at a computer's screen.", _PARAMETERS, kind="computer", screen=screen
    )
    is_async = inspect.iscoroutinefunction(act) or inspect.iscoroutinefunction(type(act).__call__)
    return Tool(
        functools.partial(_act_async if is_async else _act, act, acknowledge),
        definition,
        ToolOptions(**wanted),
        functools.partial(bind_keywords, for_json_schema(_PARAMETERS)),
        takes_context=False,
        is_async=is_async,
    )


def acknowledged(part: TextPart) -> tuple[str, ...] | None:
    """The ids of the safety checks that a part of the tool's answer agrees to; None for any other text."""
    if not part.text.startswith(f'{{"{_FIELD}":'):
        return None
    try:
        value = _json.loads(part.text)
    except ValueError:
        return None
    ids = value.get(_FIELD) if isinstance(value, dict) and len(value) == 1 else None
    return tuple(each for each in ids if isinstance(each, str)) if isinstance(ids, list) else None


def _act(act: Callable[..., Any], acknowledge: Callable[..., bool] | None, **asked: Any) -> Any:
    agreed = _agreed(acknowledge, asked)
    return _answer(act(_actions(asked)), agreed)


async def _act_async(act: Callable[..., Any], acknowledge: Callable[..., bool] | None, **asked: Any) -> Any:
    agreed = _agreed(acknowledge, asked)
    return _answer(await act(_actions(asked)), agreed)


def _actions(asked: Mapping[str, Any]) -> list[Action]:
    return [asked["action"]] if "action" in asked else list(asked["actions"])


def _agreed(acknowledge: Callable[..., bool] | None, asked: Mapping[str, Any]) -> list[TextPart]:
    checks = asked.get("pending_safety_checks") or ()
    if not checks:
        return []
    if acknowledge is None or not acknowledge(checks):
        raise SafetyChecksPending(checks)
    return [TextPart(_json.dumps({_FIELD: [check["id"] for check in checks]}).decode(), "tool")]


def _answer(shot: Any, agreed: Sequence[TextPart]) -> list[ImagePart | TextPart]:
    """The screenshot, and nothing that it says: a text of a page must not be taken for an agreement."""
    if isinstance(shot, (bytes, bytearray)):
        shot = ImagePart(data=bytes(shot))
    if not isinstance(shot, ImagePart):
        raise TypeError(f"a computer answers with a screenshot, an ImagePart or bytes, not with {type(shot).__name__}")
    return [shot, *agreed]
