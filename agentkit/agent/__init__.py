"""Agents."""

from agentkit.agent.agent import Agent, RunOptions

__all__ = ["Agent", "RunOptions"]
