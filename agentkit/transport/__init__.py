"""Bytes to a gateway and back: connections, event streams, waits between attempts."""

from agentkit.transport.http import MAX_BODY, HttpClient, HttpRequest, HttpResponse, read
from agentkit.transport.proxy import is_loopback, proxy_for
from agentkit.transport.retry import RetryPolicy
from agentkit.transport.sse import ServerSentEvent, ServerSentEvents
from agentkit.transport.transport import Transport

__all__ = [
    "MAX_BODY",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "RetryPolicy",
    "ServerSentEvent",
    "ServerSentEvents",
    "Transport",
    "is_loopback",
    "proxy_for",
    "read",
]
