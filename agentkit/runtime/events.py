"""What a run tells while it goes: a closed union, in the order in which things happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit import _json
from agentkit.errors import RunPaused
from agentkit.messages import ToolCall, ToolMessage
from agentkit.models import ArgumentsDelta, AttemptDiscarded, FinishReason, ReasoningDelta, TextDelta
from agentkit.runtime.approval import PendingCall
from agentkit.runtime.result import RunResult
from agentkit.tools import Outcome
from agentkit.usage import Usage


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The body of a call is about to run."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call has its answer. `error` is the exception that the model is not told of; `seconds` is wall time."""

    call: ToolCall
    message: ToolMessage
    outcome: Outcome
    error: Exception | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ToolHeld:
    """A call waits for somebody outside of the run; the run pauses when its siblings have finished."""

    call: ToolCall
    pending: tuple[PendingCall, ...]


ToolEvent: TypeAlias = ToolStarted | ToolFinished | ToolHeld


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PartialOutput:
    """More of a structured output has come. Joined and parsed when asked for, so that an unread one costs nothing.

    `pieces` may grow after this event; the first `count` of them are its own. `wrapped` says that the output is the
    property `value` of what is sent.
    """

    pieces: Sequence[str]
    count: int
    wrapped: bool = False

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self.pieces[: self.count])

    @property
    def value(self) -> Any:
        """The text so far as unvalidated JSON; None while nothing can be read of it."""
        decoded = _json.partial(self.text)
        return decoded.get("value") if self.wrapped and isinstance(decoded, dict) else decoded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartialOutput) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"PartialOutput({self.text!r})"


@dataclass(frozen=True, slots=True)
class OutputRejected:
    """The output was not valid, and the model is asked again; deltas of the answer are void."""

    problems: tuple[str, ...]
    correction: int


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """An answer of the model has come and its calls have been answered. `number` counts from 1."""

    number: int
    finish_reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has its answer; the last event."""

    result: RunResult[Any]


@dataclass(frozen=True, slots=True)
class RunSuspended:
    """Calls wait for decisions; the last event. `paused` is what `result` raises, and what `resume` needs."""

    paused: RunPaused

    @property
    def pending(self) -> tuple[PendingCall, ...]:
        """What waits for a decision."""
        return self.paused.pending


Event: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ArgumentsDelta
    | AttemptDiscarded
    | PartialOutput
    | ToolStarted
    | ToolFinished
    | ToolHeld
    | OutputRejected
    | TurnFinished
    | RunFinished
    | RunSuspended
)
