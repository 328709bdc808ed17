"""The events of a run as lines on the screen."""

from typing import assert_never

from agentkit.cli.screen import Screen
from agentkit.events import (
    ArgumentsDelta,
    AttemptDiscarded,
    Event,
    OutputRejected,
    PartialOutput,
    ReasoningDelta,
    RunFinished,
    RunSuspended,
    TextDelta,
    ToolFinished,
    ToolHeld,
    ToolStarted,
    TurnFinished,
)
from agentkit.messages import ToolCall
from agentkit.telemetry import redact

_LONGEST = 160  # characters of a value on the screen


def show(event: Event, screen: Screen) -> None:
    """Writes what `event` says; deltas are silent, because the whole answer follows."""
    match event:
        case ToolStarted(call):
            screen.step(f"call {_written(call)}")
        case ToolFinished(call, message, outcome, error, seconds):
            said = f"{type(error).__name__}: {error}" if error is not None else message.text
            screen.step(
                f"{call.name} {outcome} in {seconds:.3f} s: {shortened(said)}", "dim" if outcome == "ok" else "bad"
            )
        case ToolHeld(call):
            screen.step(f"{call.name} waits for a decision", "bad")
        case AttemptDiscarded():
            screen.step(retry_line(event), "bad")
        case OutputRejected():
            screen.step(reask_line(event), "bad")
        case TurnFinished(number, finish_reason, usage):
            tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
            screen.step(f"turn {number} ended with {finish_reason}: {tokens}", "dim")
        case TextDelta() | ReasoningDelta() | ArgumentsDelta() | PartialOutput() | RunFinished() | RunSuspended():
            pass
        case _:
            assert_never(event)


def retry_line(event: AttemptDiscarded) -> str:
    """A failed attempt, and when the next one follows."""
    return f"retry {event.number} of {event.of} in {event.wait:.1f} s: {shortened(redact(str(event.error)))}"


def reask_line(event: OutputRejected) -> str:
    """An answer that was not valid, and why it is asked for again."""
    return f"re-ask {event.correction}: {shortened('; '.join(event.problems))}"


def shortened(text: str) -> str:
    """`text` on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _written(call: ToolCall) -> str:
    if call.arguments is None:
        return f"{call.name}({shortened(call.arguments_text)})"
    return f"{call.name}({', '.join(f'{name}={shortened(repr(value))}' for name, value in call.arguments.items())})"
