"""One way of asking the gateway: an endpoint whose requests are translated to Chat Completions, and whose answers back.

Above: `Gateway`, which checks the translated request, asks the brain and counts tokens. Below: nothing; a surface is
pure. `Chat` is the one that translates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import Dialect, Problem


class Invalid(Exception):
    """A request that its surface does not take; `problem` says why, in the surface's own field names."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Surface(Protocol):
    """An endpoint whose requests each have one answer."""

    @property
    def path(self) -> str:
        """Where it is, as in `/v1/responses`."""
        ...

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The Chat Completions request that means the same.

        Raises:
            Invalid: the body is not what this surface takes.
        """
        ...

    def plain(self, completion: Completion, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `body` as one JSON object."""
        ...

    def frames(self, completion: Completion, body: Mapping[str, Any]) -> list[bytes]:
        """The answer to `body` as the frames of an event stream, one element for each event."""
        ...

    def error(self, problem: Problem, dialect: Dialect) -> tuple[int, dict[str, Any]]:
        """The status and the whole body of an error."""
        ...

    def error_frame(self, problem: Problem, dialect: Dialect, sent: int) -> bytes:
        """The event with which a stream ends that breaks off after `sent` events."""
        ...
