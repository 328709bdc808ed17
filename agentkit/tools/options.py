"""What a tool declares beside its signature."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from agentkit.errors import ToolDefinitionError
from agentkit.messages import Trust

Effect: TypeAlias = Literal["read", "write", "external"]
"""`read` changes nothing; `write` changes something; `external` cannot be taken back (a mail, a payment)."""

OnError: TypeAlias = Literal["tell", "raise"]
"""What becomes of an exception: a neutral answer for the model, or the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Declarations of a tool.

    Attributes:
        effect: None runs in parallel with everything and is never run twice; `read` may be run again; `write` and
            `external` run in call order among themselves.
        retries: how often in a row the model may correct a call of this tool (bad arguments, `ToolRetry`); after that
            it is told to go on without it.
        timeout: seconds the body may take; None is no limit but the run's.
        idempotent: running it again with the same `ctx.idempotency_key` has no further effect, so that a call which a
            crash interrupted is run again.
        approval: each call waits for somebody's decision before it runs.
        sequential: runs alone: calls before it have ended, calls after it have not begun.
        strict: ask the server to hold to the parameters' schema.
        max_result: characters of the result that the model gets; the middle of a longer one is left out.
        poll: calling it again with the same arguments is how it is used, so the guard against identical calls lets it
            pass.
        trust: who wrote what it returns: `tool`, or `web` for text from the open world.
        on_error: what becomes of an exception.
        retry_on: exceptions after which the body is run again, at most twice; for `effect="read"` only.

    Raises:
        ToolDefinitionError: a value that cannot work.
    """

    effect: Effect | None = None
    retries: int = 1
    timeout: float | None = None
    idempotent: bool = False
    approval: bool = False
    sequential: bool = False
    strict: bool | None = None
    max_result: int = 50_000
    poll: bool = False
    trust: Trust = "tool"
    on_error: OnError = "tell"
    retry_on: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ToolDefinitionError(f"retries={self.retries!r}: give how often a call may be corrected, 0 or more")
        if self.timeout is not None and not self.timeout > 0:
            raise ToolDefinitionError(f"timeout={self.timeout!r}: give seconds, more than 0, or None for no limit")
        if self.max_result < 1:
            raise ToolDefinitionError(f"max_result={self.max_result!r}: give characters, 1 or more")
        if self.retry_on and self.effect != "read":
            raise ToolDefinitionError(
                "retry_on= runs the body again, which only effect='read' allows: declare it, or drop retry_on="
            )
