"""A gateway on loopback that speaks the real ones' dialects, checks as strictly as they do and fails on demand."""

from agentkit.emulator.brain import Brain, Call, NoReply, Raw, Reply, Script
from agentkit.emulator.demo import DemoBrain
from agentkit.emulator.exchange import RecordedRequest
from agentkit.emulator.faults import Fault
from agentkit.emulator.handle import Emulator
from agentkit.emulator.recording import Recording
from agentkit.emulator.refusals import Refusal

__all__ = [
    "Brain",
    "Call",
    "DemoBrain",
    "Emulator",
    "Fault",
    "NoReply",
    "Raw",
    "RecordedRequest",
    "Recording",
    "Refusal",
    "Reply",
    "Script",
]
