"""One event of a stream that names its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit._json import dumps


def frame(event: Mapping[str, Any]) -> bytes:
    """The frame of an event, whose `type` is its name too."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + dumps(event) + b"\n\n"
