"""Providers: models behind real endpoints.

Chat Completions is at hand at once; the other wires are imported when they are asked for.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agentkit.providers.chat_completions import ChatCompletionsModel
from agentkit.providers.gateways import GATEWAYS, Gateway
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.model import ProviderModel
from agentkit.providers.registry import Registry, default_registry

if TYPE_CHECKING:
    from agentkit.providers.messages import MessagesModel
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

_LATER: Mapping[str, str] = MappingProxyType(
    {
        "MessagesModel": "agentkit.providers.messages",
        "Polling": "agentkit.providers.runware",
        "ResponsesModel": "agentkit.providers.responses",
        "RunwareModel": "agentkit.providers.runware",
        "WebhookReceiver": "agentkit.providers.runware",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
