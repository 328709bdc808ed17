"""Content blocks that say something, as parts of Chat Completions messages."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from agentkit.emulator.surfaces.image import image_url
from agentkit.emulator.surfaces.node import Node

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_HEARD = ("text", "image", "document")


def parts(content: Node, *known: str) -> list[dict[str, Any]]:
    """The parts of a string, or of blocks of the `known` types (text, image and document when none are named)."""
    if isinstance(content.value, str):
        return [{"type": "text", "text": words(content)}]
    return [part(block, *known) for block in content.items()]


def part(block: Node, *known: str) -> dict[str, Any]:
    """The part that one block makes."""
    match block.kind(*(known or _HEARD)):
        case "text":
            return {"type": "text", "text": text_of(block)}
        case "image":
            return {"type": "image_url", "image_url": {"url": _image(block)}}
        case _:
            return {"type": "text", "text": _document(block)}


def text_of(block: Node) -> str:
    """The text of a text block."""
    block.only("type", "text", "cache_control", "citations")
    cached(block)
    return words(block.need("text"))


def words(text: Node) -> str:
    """A text that says something."""
    if not text.text():
        raise text.says("text content blocks must be non-empty")
    if not text.text().strip():
        raise text.says("text content blocks must contain non-whitespace text")
    return text.text()


def cached(block: Node) -> None:
    """Checks the block's `cache_control`, if it has one."""
    if control := block.maybe("cache_control"):
        control.only("type", "ttl").kind("ephemeral")
        if ttl := control.maybe("ttl"):
            ttl.one_of("5m", "1h")


def _image(block: Node) -> str:
    block.only("type", "source", "cache_control")
    cached(block)
    source = block.need("source")
    if source.kind("base64", "url") == "url":
        return image_url(source.only("type", "url").need("url"))
    source.only("type", "media_type", "data")
    kind = source.need("media_type").one_of(*_IMAGES)
    _decoded(source.need("data"))
    return f"data:{kind};base64,{source.value['data']}"


def _document(block: Node) -> str:
    """A text in place of the document: Chat Completions has no part for one, and no brain here reads PDF."""
    block.only("type", "source", "title", "context", "citations", "cache_control")
    cached(block)
    source = block.need("source")
    title = block.need("title").text() if block.has("title") else "document"
    source.only("type", "media_type", "data")
    if source.kind("base64", "text") == "text":
        source.need("media_type").one_of("text/plain")
        return f"{title}:\n{words(source.need('data'))}"
    source.need("media_type").one_of("application/pdf")
    return f"{title}: a PDF of {len(_decoded(source.need('data')))} bytes"


def _decoded(data: Node) -> bytes:
    try:
        return base64.b64decode(data.filled(), validate=True)
    except (binascii.Error, ValueError):
        raise data.says("invalid base64 data") from None
