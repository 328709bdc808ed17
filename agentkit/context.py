"""What a tool, an instruction function or a policy is told of the run it serves."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

Deps = TypeVar("Deps", default=None, covariant=True)


class Scope(Protocol):
    """The run behind a context: what a nested run hooks into. Implemented by the runtime."""

    @property
    def run_id(self) -> str: ...

    @property
    def depth(self) -> int:
        """0 for a run that the user started, 1 for an agent that it runs as a tool, and so on."""
        ...

    @property
    def budget(self) -> Any:
        """Where nested runs reserve from; opaque to everyone but the runtime."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext(Generic[Deps]):
    """Given as the first argument to tools and functions that ask for it.

    `deps` is what the caller passed to the run. Inside a tool, `tool_name` and `call_id` name the call, `attempt`
    counts its corrections from 1, and `idempotency_key` stays the same however often the call's body is run.
    """

    deps: Deps
    scope: Scope
    tool_name: str = ""
    call_id: str = ""
    attempt: int = 1

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.scope.run_id

    @property
    def idempotency_key(self) -> str:
        """The same for each execution of this call, so that an outside system can drop a repeat."""
        return f"{self.scope.run_id}/{self.call_id}"
