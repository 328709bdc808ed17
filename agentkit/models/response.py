"""What a model answers, whole or as it comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from agentkit.errors import GatewayError
from agentkit.messages import AssistantMessage
from agentkit.usage import Usage

FinishReason: TypeAlias = Literal["stop", "tool_calls", "length", "content_filter", "refusal", "other"]

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """An answer.

    `model` is the id that the server says answered. `raw` is the decoded body of a plain answer; of a streamed one, the
    fields of its chunks other than the choices. `headers` are the rate-limit, quota and request-id headers, lower-case.
    `warnings` says in sentences what the adapter had to mend. `logprobs` are the server's objects, in token order.
    """

    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage
    model: str = ""
    id: str = ""
    raw: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    warnings: tuple[str, ...] = ()
    logprobs: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptStarting:
    """A request is about to be sent; closing the generator here sends nothing. The first has `number` 1.

    `max_tokens` is the bound on the output that the request carries, None when it carries none.
    """

    number: int
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the visible text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """The next piece of a call's arguments, for display: the whole call comes with the response.

    `index` counts the calls of this answer from 0; `name` is empty until the server has sent it.
    """

    index: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class AttemptDiscarded:
    """An attempt failed and another follows after `wait` seconds. All deltas since its `AttemptStarting` are void.

    `billed` is None where the gateway does not document whether it charges for it; `of` is how many retries there can
    be. `mended` says what the next attempt does otherwise, when the server refused a parameter; it is then no retry.
    """

    error: GatewayError
    usage: Usage
    billed: bool | None
    number: int
    of: int
    wait: float
    mended: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseCompleted:
    """The whole answer; the last event."""

    response: ModelResponse


ResponseEvent: TypeAlias = (
    AttemptStarting | TextDelta | ReasoningDelta | ArgumentsDelta | AttemptDiscarded | ResponseCompleted
)
