"""What a tool returned, as the model gets it."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentkit.messages import FilePart, ImagePart, TextPart, ToolPart, Trust

_FROM_MOST_TRUSTED: tuple[Trust, ...] = ("system", "user", "tool", "web")


def result_parts(value: Any, *, trust: Trust, limit: int) -> tuple[ToolPart, ...]:
    """The parts of a tool message: texts and images as they are, anything else as JSON.

    Pydantic models, dataclasses, dates, UUIDs, sets and the like have their JSON forms; bytes are an image, UTF-8 text
    or base64. Other objects are given as their `str()`. Text beyond `limit` characters loses its middle. A part that
    says itself where it came from keeps that where it is trusted less than `trust`.

    Raises:
        ValueError: the value has no JSON form and no text of its own, or refers to itself.
    """
    return tuple(_cut(part, limit) for part in _parts(value, trust))


def cut(text: str, limit: int) -> str:
    """`text`, or its head and tail with a note of how much was left out between them; about `limit` characters."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    left_out = len(text) - head - tail
    return f"{text[:head]}\n[... {left_out:,} characters left out ...]\n{text[len(text) - tail :]}"


def _parts(value: Any, trust: Trust) -> Sequence[ToolPart]:
    if isinstance(value, (TextPart, ImagePart, FilePart)):
        return [replace(value, trust=_lower(value.trust, trust))]
    if isinstance(value, str):
        return [TextPart(value, trust)]
    if isinstance(value, (bytes, bytearray)):
        return [_bytes_part(bytes(value), trust)]
    if isinstance(value, (list, tuple)) and any(map(_is_part, value)):
        return [part for item in value for part in _parts(item, trust)]
    return [TextPart(_to_json(value), trust)]


def _is_part(value: Any) -> bool:
    """Whether it has a part of its own in a list: a part, or the bytes of an image."""
    if isinstance(value, (bytes, bytearray)):
        return isinstance(_bytes_part(bytes(value), "tool"), ImagePart)
    return isinstance(value, (TextPart, ImagePart, FilePart))


def _bytes_part(value: bytes, trust: Trust) -> ToolPart:
    try:
        return ImagePart(data=value, trust=trust)
    except ValueError:
        pass
    try:
        return TextPart(value.decode(), trust)
    except UnicodeDecodeError:
        return TextPart(f"base64: {base64.b64encode(value).decode()}", trust)


def _to_json(value: Any) -> str:
    from pydantic_core import to_json

    try:
        return to_json(value, fallback=_text, inf_nan_mode="strings", bytes_mode="base64").decode()
    except ValueError as error:
        if "surrogates not allowed" not in str(error):
            raise
    return json.dumps(value, ensure_ascii=False, default=_text)  # file names that are no UTF-8


def _text(value: Any) -> str:
    """The text of an object that pydantic does not know; `<socket at 0x...>` is none."""
    text = str(value)
    has_str = any("__str__" in vars(base) for base in type(value).__mro__[:-1])  # all but object
    if not has_str and text.startswith("<"):
        raise ValueError(
            f"a {type(value).__qualname__} cannot be a tool's result: return text, bytes, JSON-able values, "
            "dataclasses or pydantic models"
        )
    return text


def _lower(a: Trust, b: Trust) -> Trust:
    return a if _FROM_MOST_TRUSTED.index(a) > _FROM_MOST_TRUSTED.index(b) else b


def _cut(part: ToolPart, limit: int) -> ToolPart:
    if isinstance(part, TextPart) and len(part.text) > limit:
        return TextPart(cut(part.text, limit), part.trust)
    return part
