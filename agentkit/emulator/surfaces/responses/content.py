"""The content of one input item as Chat Completions has it: parts of text and images."""

from __future__ import annotations

from typing import Any

from agentkit.emulator.surfaces.image import image_url
from agentkit.emulator.surfaces.node import Node

_DETAIL = ("auto", "low", "high")
_SEVERAL = ("input_text", "input_image")
_SAID = ("output_text", "refusal")


def heard(content: Node, *, images: bool) -> str | list[dict[str, Any]]:
    """The content of a message that the model did not write."""
    if isinstance(content.value, str):
        return content.filled()
    if not content.items():
        raise content.wrong("a non-empty array")
    return [_part(part, images=images) for part in content.items()]


def _part(part: Node, *, images: bool) -> dict[str, Any]:
    if part.kind(*(_SEVERAL if images else _SEVERAL[:1])) == "input_image":
        return _image(part)
    return {"type": "text", "text": part.only("type", "text").need("text").filled()}


def _image(part: Node) -> dict[str, Any]:
    part.only("type", "image_url", "file_id", "detail")
    if part.has("file_id"):
        raise part.need("file_id").says("files are not stored here; send the image as image_url.")
    image = {"url": image_url(part.need("image_url"))}
    if detail := part.maybe("detail"):
        image["detail"] = detail.one_of(*_DETAIL)
    return {"type": "image_url", "image_url": image}


def said(content: Node) -> tuple[str, str]:
    """The text and the refusal of a message that the model wrote, either of them empty when there is none."""
    if isinstance(content.value, str):
        return content.text(), ""
    texts: dict[str, list[str]] = {kind: [] for kind in _SAID}
    for part in content.items():
        kind = part.kind(*_SAID)
        field = "text" if kind == "output_text" else "refusal"
        part.only("type", field, *(("annotations", "logprobs") if kind == "output_text" else ()))
        texts[kind].append(part.need(field).text())
    return "".join(texts["output_text"]), "".join(texts["refusal"])


def result(output: Node) -> tuple[str, list[dict[str, Any]]]:
    """What a function gave: its text, and its images apart, which a tool message of Chat Completions cannot hold."""
    if isinstance(output.value, str):
        return output.text(), []
    parts = [_part(part, images=True) for part in output.items()]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return text, [part for part in parts if part["type"] == "image_url"]
