"""Providers: models behind real endpoints."""

from agentkit.providers.chat_completions import ChatCompletionsModel
from agentkit.providers.gateways import GATEWAYS, Gateway
from agentkit.providers.registry import Registry, default_registry

__all__ = ["GATEWAYS", "ChatCompletionsModel", "Gateway", "Registry", "default_registry"]
