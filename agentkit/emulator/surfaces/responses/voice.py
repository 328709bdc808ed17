"""OpenAI's words for what is wrong with a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit.emulator.surfaces.node import Node, Voice

_VOICE = Voice(
    index="[{}]",
    unknown="Unknown parameter: '{path}'.",
    missing="Missing required parameter: '{path}'.",
    wrong="Invalid value for '{path}': expected {wanted}, but got {shown} instead.",
    value="Invalid value for '{path}': {text}",
)


def body_node(body: Mapping[str, Any]) -> Node:
    """The root of a request body."""
    return Node(body, "", _VOICE)
