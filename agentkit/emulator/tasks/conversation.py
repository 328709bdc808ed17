"""The messages and images of a task, as Chat Completions has them."""

from __future__ import annotations

import re
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.tasks.complaint import Complaint
from agentkit.emulator.tasks.fields import Fields, invalid

_ROLES = ("user", "assistant", "tool")
_URL = re.compile(r"https?://\S+|data:image/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


def read_messages(task: Fields, system: str | None) -> list[dict[str, Any]]:
    """The conversation, its system prompt first, the task's images in the last user message.

    Raises:
        Complaint: it is not as the pages say.
    """
    given = task.items("messages")
    if given is None:
        raise task.missing("messages")
    said = [_message(message, task.path("messages", str(index))) for index, message in enumerate(given)]
    if images := _images(task):
        last = next((message for message in reversed(said) if message["role"] == "user"), None)
        if last is None:
            raise invalid(("inputs", "images"), "must come with a message of the user")
        last["content"] = [{"type": "text", "text": last["content"]}, *images]
    return said if system is None else [{"role": "system", "content": system}, *said]


def _message(message: object, path: tuple[str, ...]) -> dict[str, Any]:
    given = Fields(message, path)
    role = given.choice("role", _ROLES)
    if role is None:
        raise given.missing("role")
    read: dict[str, Any] = {"role": role}
    calls = given.items("tools") if role == "assistant" else None
    if calls is None:
        read["content"] = given.needed_text("content")
    else:
        read["content"] = given.text("content")
        read["tool_calls"] = [_call(call, given.path("tools", str(index))) for index, call in enumerate(calls)]
    if role == "tool":
        read["tool_call_id"] = given.needed_text("id")
    given.close()
    return read


def _call(call: object, path: tuple[str, ...]) -> dict[str, Any]:
    given = Fields(call, path)
    made, name, value = given.needed_text("id"), given.needed_text("name"), given.anything("input")
    given.close()
    if not isinstance(value, dict):
        raise invalid(given.path("input"), "must be an object", type="object")
    return {"id": made, "type": "function", "function": {"name": name, "arguments": dumps(value).decode()}}


def _images(task: Fields) -> list[dict[str, Any]]:
    if not task.has("inputs"):
        return []
    inputs = Fields(task.anything("inputs"), ("inputs",))
    given = inputs.items("images") or []
    inputs.close()
    return [
        {"type": "image_url", "image_url": {"url": _url(image, ("inputs", "images", str(index)))}}
        for index, image in enumerate(given)
    ]


def _url(image: object, path: tuple[str, ...]) -> str:
    if not isinstance(image, str) or not image:
        raise invalid(path, "must be a string: UUID, URL, data URI or base64", type="string")
    if _UUID.fullmatch(image):
        raise Complaint("imageNotFound", f"There is no image {image}: this server keeps no uploads.", path)
    if _URL.fullmatch(image):
        return image
    if _BASE64.fullmatch(image):
        return f"data:image/png;base64,{image}"
    raise invalid(path, "must be a UUID, an http(s) URL, a data URI or base64", type="string")
