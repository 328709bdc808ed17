"""A computer that the model works at: it asks for clicks and keys, and sees screenshots.

The model knows such a tool by itself, so there is nothing to describe. Only the Responses surface has it.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import anyio.to_thread

from agentkit.messages import ImagePart
from agentkit.models import Screen, ToolDefinition
from agentkit.schema import for_json_schema
from agentkit.tools.options import ToolOptions
from agentkit.tools.tool import Tool, bind_keywords, checked_name

Action: TypeAlias = Mapping[str, Any]
"""One thing to do, as the API has it: `{"type": "click", "x": 10, "y": 20, "button": "left"}`."""

SafetyCheck: TypeAlias = Mapping[str, Any]
"""A doubt of the vendor's about what the model is doing: `id`, and mostly `code` and `message`."""

Shot: TypeAlias = ImagePart | bytes

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
    acknowledge: Callable[[Sequence[SafetyCheck]], bool | Awaitable[bool]] | None = None,
    name: str = "computer",
    **declared: Any,
) -> Tool[..., Any]:
    """A tool that lets the model work at a computer.

    `act` does the actions, in order, and returns a screenshot taken after the last one (an `ImagePart`, or the bytes of
    an image); it may be async. `screen` is for models that want to be told of one (computer-use-preview); the others
    take their measure from the screenshot. `acknowledge` is asked when safety checks are pending, before anything is
    done, and may be async too; without it, or when it says no, the run ends with `ToolFailed`, whose `error` is
    `SafetyChecksPending`. `declared` are the options of `ToolOptions`; by default it writes, what it shows is from the
    open world, and an exception ends the run, as there is no screenshot to go on with.

    Raises:
        ToolDefinitionError: the name or an option cannot work.
    """
    wanted: dict[str, Any] = {"effect": "write", "trust": "web", "on_error": "raise", **declared}
    definition = ToolDefinition(
        checked_name(name), "Works at a computer's screen.", _PARAMETERS, kind="computer", screen=screen
    )
    is_async = _is_async(act) or _is_async(acknowledge)
    return Tool(
        functools.partial(_act_async if is_async else _act, act, acknowledge),
        definition,
        ToolOptions(**wanted),
        functools.partial(bind_keywords, for_json_schema(_PARAMETERS)),
        takes_context=False,
        is_async=is_async,
    )


def _is_async(function: Callable[..., Any] | None) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _act(act: Callable[..., Any], acknowledge: Callable[..., Any] | None, **asked: Any) -> Any:
    checks = _checks(asked)
    _require(_answered(acknowledge, checks), checks)
    return _answer(act(_actions(asked)), checks)


async def _act_async(act: Callable[..., Any], acknowledge: Callable[..., Any] | None, **asked: Any) -> Any:
    checks = _checks(asked)
    agreed = _answered(acknowledge, checks)
    _require(await agreed if inspect.isawaitable(agreed) else agreed, checks)
    if _is_async(act):
        return _answer(await act(_actions(asked)), checks)
    return _answer(await anyio.to_thread.run_sync(act, _actions(asked), abandon_on_cancel=True), checks)


def _actions(asked: Mapping[str, Any]) -> list[Action]:
    return [asked["action"]] if "action" in asked else list(asked["actions"])


def _checks(asked: Mapping[str, Any]) -> Sequence[SafetyCheck]:
    return asked.get("pending_safety_checks") or ()


def _answered(acknowledge: Callable[..., Any] | None, checks: Sequence[SafetyCheck]) -> Any:
    """What was said of the checks; False where nobody is there to ask."""
    return acknowledge(checks) if checks and acknowledge is not None else False


def _require(agreed: Any, checks: Sequence[SafetyCheck]) -> None:
    if not checks:
        return
    if inspect.isawaitable(agreed):  # it would be taken for a yes
        if inspect.iscoroutine(agreed):
            agreed.close()
        raise TypeError("acknowledge= gives an awaitable: declare it with `async def`")
    if not agreed:
        raise SafetyChecksPending(checks)


def _answer(shot: Any, checks: Sequence[SafetyCheck]) -> ImagePart:
    """The screenshot, and nothing else that it may say: agreement is ours to tell."""
    if isinstance(shot, (bytes, bytearray)):
        shot = ImagePart(data=bytes(shot))
    if not isinstance(shot, ImagePart):
        raise TypeError(f"a computer answers with a screenshot, an ImagePart or bytes, not with {type(shot).__name__}")
    return replace(shot, acknowledged=tuple(check["id"] for check in checks))
