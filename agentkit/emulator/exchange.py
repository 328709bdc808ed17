"""What the server's parts pass to each other: a request as it arrived, and what is to be sent back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it came: header names in lower case, `body` decoded (None if it is not JSON), `raw` its bytes."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)  # they hold the key
    body: Any
    raw: bytes = field(repr=False)


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
