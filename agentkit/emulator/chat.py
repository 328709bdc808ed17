"""`/v1/chat/completions` as a surface: nothing to translate, but for ModelStream's flat form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentkit.emulator.completion import Completion, data_frame
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.flat import from_flat


class Chat:
    """The Chat Completions endpoint of one gateway."""

    path = "/v1/chat/completions"

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body itself, or what its flat form stands for.

        Raises:
            Invalid: a flat form that says what it cannot say.
        """
        if self._dialect.flat_form and "prompt" in body:
            return from_flat(body)
        return dict(body)

    def plain(self, completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as one `chat.completion`."""
        return self._numbered(completion, body).body()

    def frames(self, completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
        """The answer as `chat.completion.chunk`s, `[DONE]` last."""
        include_usage = bool(body.get("stream_options", {}).get("include_usage"))
        return self._numbered(completion, body).frames(include_usage=include_usage)

    def error(self, problem: Problem, dialect: Dialect) -> tuple[int, dict[str, Any]]:
        """The status and body of an error, in the gateway's own words."""
        return dialect.render(problem)

    def error_frame(self, problem: Problem, dialect: Dialect, sent: int) -> bytes:
        """The error's body as an event like any other."""
        return data_frame(self.error(problem, dialect)[1])

    def _numbered(self, completion: Completion, body: Mapping[str, Any]) -> Completion:
        """With ids that name the function and count the calls of the conversation, where the gateway makes such."""
        if not self._dialect.named_call_ids:
            return completion
        before = sum(len(message.get("tool_calls") or ()) for message in body.get("messages", ()))
        calls = enumerate(completion.reply.calls, before)
        return replace(
            completion, call_ids=tuple(call.id or f"functions.{call.name}:{number}" for number, call in calls)
        )
