"""Anthropic's Messages endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import Dialect, Kind, Problem
from agentkit.emulator.surfaces.event import frame
from agentkit.emulator.surfaces.messages.answer import message_of
from agentkit.emulator.surfaces.messages.request import chat_of
from agentkit.emulator.surfaces.messages.stream import frames_of
from agentkit.emulator.surfaces.node import Stated

__all__ = ["Messages"]

_ERRORS: Mapping[Kind, tuple[int, str]] = MappingProxyType(
    {
        "invalid_request": (400, "invalid_request_error"),
        "unsupported_parameter": (400, "invalid_request_error"),
        "unprocessable": (422, "invalid_request_error"),
        "too_large": (413, "request_too_large"),
        "context_overflow": (400, "invalid_request_error"),
        "unauthorized": (401, "authentication_error"),
        "payment_required": (402, "billing_error"),
        "rate_limited": (429, "rate_limit_error"),
        "quota": (402, "billing_error"),
        "model_not_found": (404, "not_found_error"),
        "not_found": (404, "not_found_error"),
        "wrong_method": (405, "invalid_request_error"),
        "server_error": (500, "api_error"),
        "overloaded": (529, "overloaded_error"),
    }
)
_CHAT_NAME = re.compile(r"\bmax_completion_tokens\b")


class Messages:
    """`POST /v1/messages`."""

    path = "/v1/messages"

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The Chat Completions request that means the same.

        Raises:
            Invalid: the body is not what this endpoint takes.
        """
        return chat_of(body)

    def plain(self, completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as one `message` object."""
        return message_of(completion, body)

    def frames(self, completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
        """The answer as events, from `message_start` to `message_stop`."""
        return frames_of(completion, body)

    def error(self, problem: Problem, dialect: Dialect) -> tuple[int, dict[str, Any]]:
        """The status and body of an error: Anthropic's, whatever the gateway; the place is part of the message."""
        status, kind = _ERRORS[problem.kind]
        message = problem.message if isinstance(problem, Stated) else _CHAT_NAME.sub("max_tokens", problem.message)
        return status, {"type": "error", "error": {"type": kind, "message": message}}

    def error_frame(self, problem: Problem, dialect: Dialect, sent: int) -> bytes:
        """The event with which a stream ends that breaks off, wherever it does."""
        return frame(self.error(problem, dialect)[1])
