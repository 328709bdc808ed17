"""Counts tokens as the server would: what a prompt has, and how much of it this server has seen before."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentkit.tokens import estimate

_PER_MESSAGE = 3  # tokens that mark where a message begins and who speaks
_PER_IMAGE = 85  # what a low-detail image costs


@dataclass(frozen=True, slots=True)
class Prompt:
    """The size of one request in tokens; with `cached` of them an earlier one began. `digest` names its content."""

    tokens: int
    cached: int
    digest: str


class Meter:
    """Measures requests and remembers their prefixes, message by message, the last `capacity` of them.

    Not safe for threads: the server calls it from its event loop only.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[bytes, int] = OrderedDict()  # digest of a prefix -> tokens of that prefix

    def measure(self, request: Mapping[str, Any]) -> Prompt:
        """The size of `request`, and which part of it an earlier request began with."""
        head = [request["model"], request.get("tools"), request.get("response_format")]
        digest = _digest(b"", head)
        total = estimate(_encoded(head[1:])) if head[1] or head[2] else 0
        cached = 0
        for message in request["messages"]:
            digest = _digest(digest, message)
            before = self._seen.get(digest)
            if before is None:
                total += _PER_MESSAGE + _size(message)
            else:  # a digest stands for the whole prefix, so the last one that is known is the longest
                cached = total = before
            self._remember(digest, total)
        return Prompt(total, cached, digest.hex())

    def _remember(self, digest: bytes, tokens: int) -> None:
        self._seen[digest] = tokens
        self._seen.move_to_end(digest)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)


def _encoded(value: object) -> str:
    # Not agentkit._json: a request may hold NaN, and measuring never fails.
    return json.dumps(value)


def _digest(before: bytes, value: object) -> bytes:
    return hashlib.blake2b(before + _encoded(value).encode(), digest_size=16).digest()


def _size(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    images = sum(_PER_IMAGE for part in parts if part["type"] == "image_url")
    return images + sum(estimate(text) for text in _texts(message))


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        yield part.get("text") or part.get("refusal") or ""
    for call in message.get("tool_calls") or ():
        yield call["function"]["name"]
        yield call["function"]["arguments"]
