"""Runware's native task API: `textInference` tasks, answered at once, as a stream, by polling or by webhook."""

from agentkit.providers.runware.delivery import Polling
from agentkit.providers.runware.model import RunwareModel
from agentkit.providers.runware.webhook import WebhookReceiver

__all__ = ["Polling", "RunwareModel", "WebhookReceiver"]
