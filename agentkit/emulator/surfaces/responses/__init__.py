"""OpenAI's Responses endpoint, without the state: each request brings the whole conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.surfaces.event import frame
from agentkit.emulator.surfaces.node import Stated
from agentkit.emulator.surfaces.responses.output import response_of
from agentkit.emulator.surfaces.responses.request import chat_of
from agentkit.emulator.surfaces.responses.stream import frames_of

__all__ = ["Responses"]

_OWN_NAMES: Mapping[str, str] = {
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
_CHAT_NAME = re.compile(
    rf"\b(?P<name>{'|'.join(_OWN_NAMES)})\b(?:\[\d+\][\w.\[\]]*|\.json_schema)?|(?P<tool>tools\[\d+\])\.function\b"
)


class Responses:
    """`POST /v1/responses`."""

    path = "/v1/responses"

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The Chat Completions request that means the same.

        Raises:
            Invalid: the body is not what this endpoint takes.
        """
        return chat_of(body)

    def plain(self, completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as one `response` object."""
        return response_of(completion, body)

    def frames(self, completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
        """The answer as events, numbered from 0; there is no `[DONE]`."""
        return frames_of(completion, body)

    def error(self, problem: Problem, dialect: Dialect) -> tuple[int, dict[str, Any]]:
        """The status and body of an error, in the gateway's envelope, with fields named as this endpoint does."""
        return dialect.render(_renamed(problem))

    def error_frame(self, problem: Problem, dialect: Dialect, sent: int) -> bytes:
        """The event with which a stream ends that breaks off after `sent` events."""
        told = self.error(problem, dialect)[1]["error"]
        error = {name: told.get(name) for name in ("code", "message", "param")}
        return frame({"type": "error", **error, "sequence_number": sent})


def _renamed(problem: Problem) -> Problem:
    """What the gateway found wrong in the chat request, in the names of the request that came."""
    if isinstance(problem, Stated) or problem.param is None:
        return problem
    return replace(problem, message=_own(problem.message), param=_own(problem.param))


def _own(text: str) -> str:
    return _CHAT_NAME.sub(lambda found: found["tool"] or _OWN_NAMES[found["name"]], text)
