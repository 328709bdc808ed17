"""One question to the model: build the request, check the limits before every attempt, record the answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentkit import telemetry
from agentkit.errors import GatewayError, GatewayTimeout
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
from agentkit.runtime.limits import LimitReached, Reservation
from agentkit.runtime.run import Run
from agentkit.tokens import estimate
from agentkit.tools import Offered


async def ask(run: Run, offered: dict[str, Offered], *, stream: bool) -> AsyncGenerator[Event, None]:
    """Send the history, yield what comes, leave the answer in `run`.

    Raises:
        LimitReached: before an attempt that does not fit; it was not sent.
        GatewayError: no attempt succeeded.
    """
    request = _request(run, offered)
    price = run.spec.model.profile.price
    reservation: Reservation | None = None
    shown: list[str] = []
    try:
        async with aclosing(run.spec.model.events(request, stream=stream)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        shown.append(text)
                        yield event
                        if run.plan.response_format is not None:
                            yield PartialOutput("".join(shown))
                    case ReasoningDelta() | ArgumentsDelta():
                        yield event
                    case AttemptStarting():
                        reservation = run.budget.reserve(run.input_tokens(), run.output_tokens(), price)
                    case AttemptDiscarded(billed=billed):
                        if reservation is not None:
                            run.budget.discard(reservation, estimate("".join(shown)), billed=billed)
                        reservation = None
                        shown = []
                        run.retries += 1
                        yield event
                    case ResponseCompleted(response):
                        if reservation is not None:
                            run.budget.settle(reservation, response.usage, price)
                        reservation = None
                        run.take(response)
    except GatewayTimeout as error:
        if run.deadline is not None and run.spec.limits.seconds is not None and not error.retryable:
            raise LimitReached("seconds", f"the run has had its {run.spec.limits.seconds:g} s") from error
        raise
    except GatewayError as error:
        telemetry.emit("error", "request failed", run_id=run.run_id, model=run.spec.model.name, text=str(error))
        raise
    finally:
        if reservation is not None:  # an attempt that failed or was cancelled may have been billed
            run.budget.discard(reservation, estimate("".join(shown)), billed=None)


def _request(run: Run, offered: dict[str, Offered]) -> ModelRequest:
    tools = run.definitions(offered)
    return ModelRequest(
        run.history,
        tools=tools,
        tool_choice=_tool_choice(run) if tools else None,
        instructions=run.instructions,
        response_format=run.plan.response_format,
        settings=run.spec.settings,
        deadline=run.deadline,
    )


def _tool_choice(run: Run) -> str | None:
    """The caller's choice for the first turn (and while it is being corrected), then the server's default.

    `none` holds for the whole run. A run whose only tool is the output must call it.
    """
    if run.spec.tool_choice == "none":
        return "none"
    if run.plan.tool is not None and not run.spec.toolset.tools:
        return OUTPUT_TOOL
    if run.budget.turns == 1 or (run.choice_corrected and run.budget.turns == 2):
        return run.spec.tool_choice
    return "auto"
