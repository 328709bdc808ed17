"""What the server's parts pass to each other: a request as it arrived, and what is to be sent back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.emulator.dialects import Problem


@dataclass(frozen=True, slots=True, repr=False)
class RecordedRequest:
    """One request as it came: header names in lower case, `body` decoded (None if it is not JSON), `raw` its bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    raw: bytes

    def __repr__(self) -> str:
        # The headers hold the key, and so does the body of a task that says who asks.
        tasks = self.body if isinstance(self.body, list) else ()
        secret = any(isinstance(task, dict) and "apiKey" in task for task in tasks)
        body = "[...]" if secret else repr(self.body)
        return f"RecordedRequest(method={self.method!r}, path={self.path!r}, body={body})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to write: one socket write for each of `chunks`, `pause` seconds before each.

    Without a `content-length` among the headers the body goes out chunked. With `cut` the connection is closed after
    the last chunk without ending the body. `verbatim` says that no header may be added.
    """

    status: int
    headers: Mapping[str, str]
    chunks: tuple[bytes, ...]
    pause: float = 0.0
    cut: bool = False
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """No response: the connection is closed at once, or with `hang` stays open and silent until the server stops."""

    hang: bool


Outcome: TypeAlias = Answer | Silence
"""What becomes of a request."""


class Refused(Exception):
    """A request that is answered with an error, and `headers` besides the usual ones.

    `answer` is the status and the body where they are not to be in the surface's own words.
    """

    def __init__(
        self,
        problem: Problem,
        headers: Mapping[str, str] | None = None,
        *,
        answer: tuple[int, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.headers = headers or {}
        self.answer = answer
