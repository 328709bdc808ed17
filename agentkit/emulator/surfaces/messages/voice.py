"""Anthropic's words for what is wrong with a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit.emulator.surfaces.node import Node, Voice

_VOICE = Voice(
    index=".{}",
    unknown="{path}: Extra inputs are not permitted",
    missing="{path}: Field required",
    wrong="{path}: Input should be {wanted}, not {shown}",
    value="{path}: {text}",
)


def body_node(body: Mapping[str, Any]) -> Node:
    """The root of a request body."""
    return Node(body, "", _VOICE)
