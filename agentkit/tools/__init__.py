"""Tools: functions that a model may call, and the running of one call."""

from agentkit.tools.call import CallOutcome, Gate, Outcome, answered, run_call
from agentkit.tools.computer import SafetyChecksPending, computer_tool
from agentkit.tools.options import Effect, OnError, ToolOptions
from agentkit.tools.result import cut, result_parts
from agentkit.tools.retry import ToolDeferred, ToolRetry
from agentkit.tools.threads import DaemonThreads
from agentkit.tools.tool import Tool, tool
from agentkit.tools.toolset import AnyTool, Offered, ToolLike, Toolset

__all__ = [
    "AnyTool",
    "CallOutcome",
    "DaemonThreads",
    "Effect",
    "Gate",
    "Offered",
    "OnError",
    "Outcome",
    "SafetyChecksPending",
    "Tool",
    "ToolDeferred",
    "ToolLike",
    "ToolOptions",
    "ToolRetry",
    "Toolset",
    "answered",
    "computer_tool",
    "cut",
    "result_parts",
    "run_call",
    "tool",
]
