"""Who answers behind the embedded gateway, and what an answer is.

A brain sees one decoded Chat Completions request and gives one `Reply` (what the model says; the gateway makes the wire
out of it) or one `Raw` (the bytes themselves). It knows nothing of HTTP, streaming, keys or dialects.

Implemented by `Script` here, `Recording`, `DemoBrain`, and any callable of the user's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable


def _json_content() -> dict[str, str]:
    return {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a reply.

    `arguments` given as a mapping is encoded to JSON; given as a string it goes out as it stands, so a test can send
    arguments that are not JSON. Without `id` the gateway makes one that is unique within the conversation.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict[str, Any])
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: text, tool calls, reasoning or a refusal.

    Without `finish_reason` it is `tool_calls` when there are calls, else `stop`. Without `usage` the gateway estimates
    it; a given one goes out as it stands.
    """

    text: str | None = None
    calls: tuple[Call, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", tuple(self.calls))  # a list is what people write


@dataclass(frozen=True, slots=True)
class Raw:
    """A response sent verbatim: one socket write for each of `chunks`, in order.

    Without a `content-length` or `transfer-encoding` header the body goes out chunked, one HTTP chunk for each of
    `chunks`. With `close` the connection is closed after the last one without ending the body, as a server that dies
    would do.
    """

    chunks: tuple[bytes, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=_json_content)
    close: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunks", tuple(self.chunks))


class NoReply(LookupError):
    """Raised by a brain that has no answer to this request; its text becomes the message of the 500."""


@runtime_checkable
class Brain(Protocol):
    """Answers requests.

    Called from several threads at once, one for each request in flight, and without a lock around it: a brain that
    keeps state guards it itself. It may block; the other requests go on.
    """

    def reply(self, request: Mapping[str, Any], /) -> Reply | Raw:
        """The answer to `request`, the decoded JSON body of a Chat Completions call that passed the gateway's checks.

        Raises:
            NoReply: the brain has no answer; the client gets a 500 with the exception's text. Any other exception
                gives a 500 that names only the exception's type.
        """
        ...


Answerer: TypeAlias = Callable[[Mapping[str, Any]], Reply | Raw]
"""A plain function that is accepted wherever a brain is: decoded request in, answer out."""

Step: TypeAlias = Reply | Raw | Answerer
"""One step of a `Script`: a fixed answer, or a function of the request that gives it."""


class Script:
    """A brain that gives the answers it was told, one for each request, in order of arrival.

    When the steps run out the client gets a 500 that says so. `unused` is how many steps are left.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """Takes the steps in the order in which they are to be answered.

        Raises:
            TypeError: a step is neither an answer nor callable.
        """
        for step in steps:
            if not (isinstance(step, (Reply, Raw)) or callable(step)):
                raise TypeError(f"a step of a script is a Reply, a Raw or a function of the request, not {step!r}")
        self._steps = tuple(steps)
        self._next = 0
        self._lock = threading.Lock()

    @property
    def unused(self) -> int:
        """How many steps have not been asked for yet."""
        with self._lock:
            return len(self._steps) - self._next

    def reply(self, request: Mapping[str, Any], /) -> Reply | Raw:
        """The next step's answer.

        Raises:
            NoReply: all steps have been used.
        """
        with self._lock:
            number = self._next
            if number >= len(self._steps):
                raise NoReply(f"the script has {len(self._steps)} steps and this request would be one more")
            self._next += 1
        step = self._steps[number]
        return step if isinstance(step, (Reply, Raw)) else step(request)


@dataclass(frozen=True, slots=True)
class FunctionBrain:
    """A plain function as a brain."""

    function: Answerer = field(repr=False)

    def reply(self, request: Mapping[str, Any], /) -> Reply | Raw:
        """What the function answers; what it raises is raised."""
        return self.function(request)


def as_brain(given: Brain | Answerer | Sequence[Step]) -> Brain:
    """`given` as a brain: a sequence becomes a `Script`, a plain function is wrapped.

    Raises:
        TypeError: `given` is none of these.
    """
    if isinstance(given, Sequence):
        return Script(given)
    if isinstance(given, Brain):
        return given
    if callable(given):
        return FunctionBrain(given)
    raise TypeError(f"brain must have reply(request), be a function or a sequence of replies, not {given!r}")
