"""What a finished run gives."""

from dataclasses import dataclass
from typing import Generic

from typing_extensions import TypeVar

from agentkit.messages import History, Message
from agentkit.usage import Usage

Output = TypeVar("Output", default=str, covariant=True)


@dataclass(frozen=True, slots=True)
class RunResult(Generic[Output]):
    """The answer of a run, and what it took.

    Attributes:
        output: the declared output.
        messages: the whole history, valid to send: give it as `history=` to go on.
        usage: tokens and requests, nested runs included.
        cost: USD, None where a price or the usage is unknown.
        run_id: the run's id.
        turns: answers of the model.
        tool_calls: executed calls, nested runs included.
        retries: attempts that were repeated.
        corrections: re-asks for an output that was not valid.
        warnings: what had to be mended in the model's answers, in sentences.
    """

    output: Output
    messages: History
    usage: Usage
    cost: float | None
    run_id: str
    turns: int
    tool_calls: int
    retries: int
    corrections: int
    warnings: tuple[str, ...]
    earlier: int  # how many of `messages` were given

    @property
    def new_messages(self) -> tuple[Message, ...]:
        """The messages that this run added, the prompt included."""
        return self.messages[self.earlier :]
