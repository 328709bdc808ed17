"""The Anthropic Messages wire: pure encode and decode, and the model that sends."""

from agentkit.providers.messages.model import MessagesModel

__all__ = ["MessagesModel"]
