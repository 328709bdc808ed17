"""The Responses wire: pure encode and decode, and the model that sends."""

from agentkit.providers.responses.model import ResponsesModel

__all__ = ["ResponsesModel"]
