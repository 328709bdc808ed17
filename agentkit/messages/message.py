"""The four messages of a conversation, frozen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentkit.messages.parts import (
    AssistantPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolPart,
    Trust,
    UserPart,
)

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """What the developer tells the model."""

    text: str


@dataclass(frozen=True, slots=True, init=False)
class UserMessage:
    """What the user says: text, images and files, in order. `UserMessage("...")` is one text part."""

    parts: tuple[UserPart, ...]

    def __init__(self, content: str | Iterable[UserPart], *, trust: Trust = "user") -> None:
        parts = (TextPart(content, trust),) if isinstance(content, str) else tuple(content)
        object.__setattr__(self, "parts", parts)

    @property
    def text(self) -> str:
        """The text parts, one after the other."""
        return _joined(self.parts)


@dataclass(frozen=True, slots=True, init=False)
class AssistantMessage:
    """What the model answered: reasoning, text, a refusal, tool calls, in that order where the server gives one.

    `extra` holds vendor fields of the message that have to go back unchanged with the next request.
    """

    parts: tuple[AssistantPart, ...]
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __init__(self, content: str | Iterable[AssistantPart], *, extra: Mapping[str, Any] = _NOTHING) -> None:
        parts = (TextPart(content, "tool"),) if isinstance(content, str) else tuple(content)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "extra", extra)

    @property
    def text(self) -> str | None:
        """The visible text; None when there is none."""
        return _joined(self.parts) or None

    @property
    def reasoning(self) -> str | None:
        """The reasoning text; None when there is none."""
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart)) or None

    @property
    def refusal(self) -> str | None:
        """The refusal; None when the model did not refuse."""
        return "".join(part.text for part in self.parts if isinstance(part, RefusalPart)) or None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls, in the model's order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True, init=False)
class ToolMessage:
    """The answer to one tool call."""

    call_id: str
    name: str
    parts: tuple[ToolPart, ...]
    is_error: bool = False

    def __init__(
        self,
        call_id: str,
        name: str,
        content: str | Iterable[ToolPart],
        *,
        is_error: bool = False,
        trust: Trust = "tool",
    ) -> None:
        parts = (TextPart(content, trust),) if isinstance(content, str) else tuple(content)
        object.__setattr__(self, "call_id", call_id)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "is_error", is_error)

    @property
    def text(self) -> str:
        """The text parts, one after the other."""
        return _joined(self.parts)


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def _joined(parts: Iterable[object]) -> str:
    return "".join([part.text for part in parts if isinstance(part, TextPart)])
