"""A computer's calls, as calls of a tool, and the tool's answers as this wire has them. Pure.

The arguments are the item's `action` or `actions`, and its `pending_safety_checks` when there are any: the tool decides
what to do about them. They are acknowledged only when its screenshot says so (`ImagePart.acknowledged`), and only
those that were pending.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.messages import ImagePart, TextPart, ToolMessage, ToolPart

_ARGUMENTS = ("action", "actions", "pending_safety_checks")
# One black pixel: a call that failed, or was never run, has to be answered too, and this answer must be an image.
_NOTHING_SEEN = ImagePart(
    data=base64.b64decode(
        b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    )
)


def computer_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the call that an item is."""
    return {name: item[name] for name in _ARGUMENTS if item.get(name)}


def computer_output(message: ToolMessage, call: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """The answer to the item `call`: the last image that the tool returned."""
    shot = _screenshot(message.parts) or _NOTHING_SEEN
    encoded: dict[str, Any] = {
        "type": "computer_call_output",
        "call_id": call_id,
        "output": {"type": "computer_screenshot", "image_url": shot.as_url()},
    }
    checks = call.get("pending_safety_checks")
    agreed = [
        check
        for check in (checks if isinstance(checks, list) else ())
        if isinstance(check, Mapping) and check.get("id") in shot.acknowledged
    ]
    return {**encoded, "acknowledged_safety_checks": agreed} if agreed else encoded


def left_over(message: ToolMessage) -> list[ToolPart]:
    """What the tool returned besides the screenshot, without empty texts."""
    shot = _screenshot(message.parts)
    return [
        part
        for part in message.parts
        if part is not shot and not (isinstance(part, TextPart) and not part.text.strip())
    ]


def _screenshot(parts: Sequence[ToolPart]) -> ImagePart | None:
    images = [part for part in parts if isinstance(part, ImagePart)]
    return images[-1] if images else None
