"""Output: what the caller declared, how to ask for it, how to read it."""

from agentkit.output.declared import Declared, declare
from agentkit.output.parse import Parsed, Rejected, parse, validate
from agentkit.output.plan import OUTPUT_TOOL, Plan, plan

__all__ = ["OUTPUT_TOOL", "Declared", "Parsed", "Plan", "Rejected", "declare", "parse", "plan", "validate"]
