"""What a tool returned, as the model gets it."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentkit.messages import FilePart, ImagePart, TextPart, ToolPart, Trust


def result_parts(value: Any, *, trust: Trust, limit: int) -> tuple[ToolPart, ...]:
    """The parts of a tool message: texts and images as they are, anything else as JSON.

    Pydantic models, dataclasses, dates, UUIDs, sets and the like have their JSON forms; bytes are an image, UTF-8 text
    or base64. Text beyond `limit` characters loses its middle.
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
        return [replace(value, trust=trust)]
    if isinstance(value, str):
        return [TextPart(value, trust)]
    if isinstance(value, (bytes, bytearray)):
        return [_bytes_part(bytes(value), trust)]
    if isinstance(value, (list, tuple)) and any(isinstance(item, (TextPart, ImagePart, FilePart)) for item in value):
        return [part for item in value for part in _parts(item, trust)]
    return [TextPart(_to_json(value), trust)]


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

    return to_json(value, fallback=str, inf_nan_mode="strings", bytes_mode="base64").decode()


def _cut(part: ToolPart, limit: int) -> ToolPart:
    if isinstance(part, TextPart) and len(part.text) > limit:
        return TextPart(cut(part.text, limit), part.trust)
    return part
