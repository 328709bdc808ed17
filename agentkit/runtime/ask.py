"""One question to the model: build the request, check the limits before every attempt, record the answer."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import assert_never

from agentkit import telemetry
from agentkit.errors import BadRequest, ContextOverflow, GatewayError, GatewayTimeout
from agentkit.models import (
    ArgumentsDelta,
    AttemptDiscarded,
    AttemptStarting,
    ModelRequest,
    ReasoningDelta,
    ResponseCompleted,
    TextDelta,
)
from agentkit.output import OUTPUT_TOOL
from agentkit.runtime.events import Event, PartialOutput
from agentkit.runtime.fit import fit, fit_after
from agentkit.runtime.limits import LimitReached, Reservation
from agentkit.runtime.run import Run
from agentkit.tokens import estimate
from agentkit.tools import Offered
from agentkit.usage import Usage

_CLOCK = 0.02  # seconds by which two clocks may disagree on whether the run's time is over


async def ask(run: Run, offered: dict[str, Offered], *, stream: bool) -> AsyncGenerator[Event, None]:
    """Send the history, yield what comes, leave the answer in `run`.

    A server that refuses the way in which the output was asked for is asked once more in the next way; that costs a
    request and no correction.

    A resumed run may have an answer that nobody has looked at yet; then nothing is asked.

    Raises:
        LimitExceeded: before an attempt that does not fit; it was not sent.
        GatewayError: no attempt succeeded.
    """
    if run.unjudged:
        run.unjudged = False
        return
    run.begin_turn()
    await fit(run)
    fitted = False
    while True:
        try:
            async with aclosing(_ask(run, offered, stream=stream)) as events:
                async for event in events:
                    yield event
            return
        except LimitReached as reached:
            run.last_turn(reached)
            continue
        except BadRequest as error:
            mended = error.learned if error.learned is not None and run.replan() else None
            if isinstance(error, ContextOverflow) and not fitted:
                fitted = True
                mended = "the history was compacted" if await fit_after(run, error) else None
            if mended is None:
                telemetry.emit("error", "failure", run_id=run.run_id, model=run.spec.model.name, text=str(error))
                raise
            if error.learned is not None:
                run.warnings.append(error.learned)
            discarded = AttemptDiscarded(error, Usage(requests=1), error.billed, 1, 0, 0.0, mended)
        yield discarded


async def _ask(run: Run, offered: dict[str, Offered], *, stream: bool) -> AsyncGenerator[Event, None]:
    request = _request(run, offered)
    attempt = _Attempt(run)
    try:
        async with aclosing(run.spec.model.events(request, stream=stream)) as events:
            async for event in events:
                match event:
                    case AttemptStarting(max_tokens=bound):
                        attempt.start(bound)
                    case AttemptDiscarded(billed=billed, mended=mended):
                        attempt.discard(billed=billed)
                        run.retries += mended is None
                        yield event
                    case ResponseCompleted(response):
                        attempt.settle(response.usage)
                        run.take(response)
                    case _:
                        yield event
                        partial = attempt.take(event)
                        if partial is not None:
                            yield partial
    except GatewayTimeout as error:
        if run.deadline is not None and time.monotonic() > run.deadline - _CLOCK:
            raise run.out_of_time() from error
        raise
    except BadRequest as error:
        attempt.discard(billed=error.billed)
        raise
    except GatewayError as error:
        attempt.discard(billed=error.billed)
        telemetry.emit("error", "failure", run_id=run.run_id, model=run.spec.model.name, text=str(error))
        raise
    finally:
        attempt.discard(billed=None)  # one that was cancelled may have been billed


class _Attempt:
    """The attempt that is under way: what is held for it, and what has been given out of its answer."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._price = run.spec.model.profile.price
        self._wrapped = run.spec.declared is not None and run.spec.declared.wrapped
        self._held: Reservation | None = None
        self._text: list[str] = []
        self._calls: dict[int, list[str]] = {}

    def start(self, bound: int | None) -> None:
        """Hold what it may use; `bound` is the request's own limit on the output.

        Raises:
            LimitReached: it does not fit.
        """
        run = self._run
        self._held = run.budget.reserve(run.input_tokens(), run.output_tokens(bound), self._price)

    def settle(self, usage: Usage) -> None:
        if self._held is not None:
            self._run.budget.settle(self._held, usage, self._price)
            self._held = None

    def discard(self, *, billed: bool | None) -> None:
        """Count what failed, and forget its deltas; nothing when nothing is held."""
        if self._held is not None:
            pieces = [*self._text, *(piece for call in self._calls.values() for piece in call)]
            self._run.budget.discard(self._held, estimate("".join(pieces)), billed=billed)
            self._held = None
        self._text, self._calls = [], {}

    def take(self, delta: TextDelta | ReasoningDelta | ArgumentsDelta) -> PartialOutput | None:
        """Take a delta, and say what there is of the declared output if it is part of that."""
        match delta:
            case TextDelta(text):
                self._text.append(text)
                if self._run.plan.mode is not None and self._run.plan.tool is None:
                    return PartialOutput(self._text, len(self._text), self._wrapped)
            case ArgumentsDelta(index, name, text):
                pieces = self._calls.setdefault(index, [])
                pieces.append(text)
                if self._run.plan.tool is not None and name == OUTPUT_TOOL:
                    return PartialOutput(pieces, len(pieces), self._wrapped)
            case ReasoningDelta():
                pass
            case _:
                assert_never(delta)
        return None


def _request(run: Run, offered: dict[str, Offered]) -> ModelRequest:
    choice = _tool_choice(run)
    tools = run.definitions(offered, choice)
    return ModelRequest(
        run.history,
        tools=tools,
        tool_choice=choice if tools else None,
        instructions=run.instructions,
        response_format=run.plan.response_format,
        settings=run.settings,
        deadline=run.deadline,
    )


def _tool_choice(run: Run) -> str | None:
    """The caller's choice for the first turn (and while it is being corrected), then the server's default.

    `none` holds for the whole run. A run that may call nothing but the output tool must call it.
    """
    choice = run.spec.tool_choice if run.budget.last is None else "none"
    if run.plan.tool is not None and (choice == "none" or not run.spec.toolset.tools):
        return OUTPUT_TOOL
    if (
        choice == "none"
        or run.budget.turns == run.first_turn
        or (run.choice_corrected and run.budget.turns == run.first_turn + 1)
    ):
        return choice
    return "auto"
