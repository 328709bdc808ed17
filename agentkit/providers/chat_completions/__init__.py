"""The Chat Completions wire: pure encode and decode, and the model that sends."""

from agentkit.providers.chat_completions.model import ChatCompletionsModel

__all__ = ["ChatCompletionsModel"]
