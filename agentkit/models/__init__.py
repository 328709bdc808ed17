"""Models: who answers a request, what is asked, what comes back."""

from agentkit.models.model import Model, Respond
from agentkit.models.profile import (
    ALL_OUTPUT_MODES,
    ALL_TOOL_CHOICES,
    OutputMode,
    Profile,
    Range,
    SystemRole,
    TokenField,
)
from agentkit.models.request import ModelRequest, ResponseFormat, Screen, ToolChoice, ToolDefinition
from agentkit.models.response import (
    ArgumentsDelta,
    AttemptDiscarded,
    AttemptStarting,
    FinishReason,
    ModelResponse,
    ReasoningDelta,
    ResponseCompleted,
    ResponseEvent,
    TextDelta,
)
from agentkit.models.settings import ALL_EFFORTS, ModelSettings, ReasoningEffort
from agentkit.usage import Price, Usage

__all__ = [
    "ALL_EFFORTS",
    "ALL_OUTPUT_MODES",
    "ALL_TOOL_CHOICES",
    "ArgumentsDelta",
    "AttemptDiscarded",
    "AttemptStarting",
    "FinishReason",
    "Model",
    "ModelRequest",
    "ModelResponse",
    "ModelSettings",
    "OutputMode",
    "Price",
    "Profile",
    "Range",
    "ReasoningDelta",
    "ReasoningEffort",
    "Respond",
    "ResponseCompleted",
    "ResponseEvent",
    "ResponseFormat",
    "Screen",
    "SystemRole",
    "TextDelta",
    "TokenField",
    "ToolChoice",
    "ToolDefinition",
    "Usage",
]
