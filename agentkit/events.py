"""The events of a run, as `async for event in run` gives them; match on their type."""

from agentkit.models import ArgumentsDelta, AttemptDiscarded, ReasoningDelta, TextDelta
from agentkit.runtime import (
    Event,
    OutputRejected,
    PartialOutput,
    RunFinished,
    RunSuspended,
    ToolFinished,
    ToolHeld,
    ToolStarted,
    TurnFinished,
)

__all__ = [
    "ArgumentsDelta",
    "AttemptDiscarded",
    "Event",
    "OutputRejected",
    "PartialOutput",
    "ReasoningDelta",
    "RunFinished",
    "RunSuspended",
    "TextDelta",
    "ToolFinished",
    "ToolHeld",
    "ToolStarted",
    "TurnFinished",
]
