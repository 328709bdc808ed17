"""The runtime: the loop, its events, its limits, its result."""

from agentkit.runtime.events import (
    Event,
    OutputRejected,
    PartialOutput,
    RunFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from agentkit.runtime.limits import RunLimits
from agentkit.runtime.result import Output, RunResult
from agentkit.runtime.run import Run, RunSpec
from agentkit.runtime.stream import RunStream, run_to_end

__all__ = [
    "Event",
    "Output",
    "OutputRejected",
    "PartialOutput",
    "Run",
    "RunFinished",
    "RunLimits",
    "RunResult",
    "RunSpec",
    "RunStream",
    "ToolFinished",
    "ToolStarted",
    "TurnFinished",
    "run_to_end",
]
