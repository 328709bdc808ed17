"""The address of an image."""

from __future__ import annotations

import re

from agentkit.emulator.surfaces.node import Node

_IMAGE = re.compile(r"https?://\S+|data:image/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)


def image_url(url: Node) -> str:
    """The text of an http(s) address or of a data URI."""
    if not _IMAGE.fullmatch(url.text()):
        raise url.wrong("an http(s) address or a data URI (data:image/png;base64,...)")
    return url.text()
