"""Which surfaces a gateway serves, and where."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agentkit.emulator.chat import Chat
from agentkit.emulator.dialects import Dialect, SurfaceName
from agentkit.emulator.surface import Surface
from agentkit.emulator.surfaces.messages import Messages
from agentkit.emulator.surfaces.responses import Responses

PATHS: Mapping[SurfaceName, str] = MappingProxyType(
    {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages", "tasks": "/v1"}
)
"""The path of each surface."""


def surfaces_of(dialect: Dialect) -> Mapping[str, Surface]:
    """The gateway's surfaces by path, its first one first; Runware's tasks are none, as they come several at a time."""
    known: Mapping[SurfaceName, Surface] = {"chat": Chat(dialect), "responses": Responses(), "messages": Messages()}
    return {PATHS[name]: known[name] for name in dialect.surfaces if name in known}
