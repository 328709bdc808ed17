"""Providers: models behind real endpoints."""

from agentkit.providers.chat_completions import ChatCompletionsModel
from agentkit.providers.gateways import GATEWAYS, Gateway
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.messages import MessagesModel
from agentkit.providers.model import ProviderModel
from agentkit.providers.registry import Registry, default_registry
from agentkit.providers.responses import ResponsesModel
from agentkit.providers.runware import Polling, RunwareModel, WebhookReceiver

__all__ = [
    "GATEWAYS",
    "ChatCompletionsModel",
    "Gateway",
    "LearnedProfiles",
    "MessagesModel",
    "Polling",
    "ProviderModel",
    "Registry",
    "ResponsesModel",
    "RunwareModel",
    "WebhookReceiver",
    "default_registry",
]
