"""Messages and History: what was said, frozen."""

from agentkit.messages.history import History
from agentkit.messages.message import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from agentkit.messages.parts import (
    AssistantPart,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolPart,
    Trust,
    UserPart,
)
from agentkit.messages.repair import Repair, repaired
from agentkit.messages.validity import violations

__all__ = [
    "AssistantMessage",
    "AssistantPart",
    "FilePart",
    "History",
    "ImagePart",
    "Message",
    "Part",
    "ReasoningPart",
    "RefusalPart",
    "Repair",
    "SystemMessage",
    "TextPart",
    "ToolCall",
    "ToolMessage",
    "ToolPart",
    "Trust",
    "UserMessage",
    "UserPart",
    "repaired",
    "violations",
]
