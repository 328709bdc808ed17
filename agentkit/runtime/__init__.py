"""The runtime: the loop, its events, its limits, its result."""

from agentkit.runtime.approval import (
    Allow,
    Answer,
    Approve,
    Decision,
    Deny,
    NeedApproval,
    OnUnknown,
    PendingCall,
    Policy,
    Verdict,
)
from agentkit.runtime.compaction import Ask, Chain, Compaction, DropOldest, ShortenResults, Summarise, with_models
from agentkit.runtime.events import (
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
from agentkit.runtime.limits import RunLimits
from agentkit.runtime.result import Output, RunResult
from agentkit.runtime.run import Run, RunSpec
from agentkit.runtime.stream import RunStream, run_to_end

__all__ = [
    "Allow",
    "Answer",
    "Approve",
    "Ask",
    "Chain",
    "Compaction",
    "Decision",
    "Deny",
    "DropOldest",
    "Event",
    "NeedApproval",
    "OnUnknown",
    "Output",
    "OutputRejected",
    "PartialOutput",
    "PendingCall",
    "Policy",
    "Run",
    "RunFinished",
    "RunLimits",
    "RunResult",
    "RunSpec",
    "RunStream",
    "RunSuspended",
    "ShortenResults",
    "Summarise",
    "ToolFinished",
    "ToolHeld",
    "ToolStarted",
    "TurnFinished",
    "Verdict",
    "run_to_end",
    "with_models",
]
