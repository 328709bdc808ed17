"""The content of one message: text, or parts that its role may have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.dialects import Problem

_PARTS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": frozenset({"text", "image_url"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text"}),
}
_IMAGE = re.compile(r"https?://\S+|data:image/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)
_DETAIL = ("auto", "low", "high")


def check_content(message: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What is wrong with `message["content"]`; `path` is the message's place in the request."""
    role, content, where = message["role"], message.get("content"), f"{path}.content"
    if role == "assistant" and (message.get("tool_calls") or message.get("refusal")) and content in (None, ""):
        return
    if content == "" and role == "tool":
        return  # a tool may well return nothing
    if content is None or content in ("", []):
        yield Problem(f"{where} is required and must not be empty", where)
    elif isinstance(content, list):
        for index, part in enumerate(content):
            yield from _part(part, role, f"{where}[{index}]")
    elif not isinstance(content, str):
        yield Problem(f"{where} must be a string or an array of parts", where)


def _part(part: object, role: str, where: str) -> Iterator[Problem]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in _PARTS[role]:
        known = " or ".join(sorted(_PARTS[role]))
        yield Problem(f"{where} must be a part of type {known} for role {role!r}", f"{where}.type")
    elif kind == "image_url":
        yield from _image(part.get("image_url"), f"{where}.image_url")
    elif not isinstance(part.get(str(kind)), str) or not part[str(kind)]:
        yield Problem(f"{where}.{kind} must be a non-empty string", f"{where}.{kind}")


def _image(image: object, where: str) -> Iterator[Problem]:
    if not isinstance(image, Mapping):
        yield Problem(f'{where} must be an object {{"url": ...}}', where)
        return
    url = image.get("url")
    if not isinstance(url, str) or not _IMAGE.fullmatch(url):
        text = f"{where}.url must be an http(s) address or a data URI (data:image/png;base64,...)"
        yield Problem(text, f"{where}.url")
    if image.get("detail", "auto") not in _DETAIL:
        yield Problem(f"{where}.detail must be auto, low or high", f"{where}.detail")
