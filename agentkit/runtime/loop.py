"""The agent loop: ask, append, run tools, append, parse, finish or repair. The only one there is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentkit import telemetry
from agentkit.errors import RunEnded
from agentkit.models import ModelResponse
from agentkit.runtime.ask import ask
from agentkit.runtime.conclude import AskAgain, Concluded, finish, judge
from agentkit.runtime.events import Event, OutputRejected, RunFinished, TurnFinished
from agentkit.runtime.run import Run
from agentkit.runtime.turn import answer_calls

_TOO_LATE = "Not run: a limit of the run is reached."


async def loop(run: Run, *, stream: bool) -> AsyncGenerator[Event, None]:
    """The events of a run, up to `RunFinished` or `RunSuspended`. It opens no task group and no cancel scope.

    Raises:
        RunEnded, GatewayError, UsageError: there is no answer.
    """
    run.prepare()
    while run.result is None:  # a journal may have it
        offered = run.offered()
        async with aclosing(ask(run, offered, stream=stream)) as events:
            async for event in events:
                yield event
        verdict = None if run.in_turn else _verdict(run)
        if run.open_calls:
            async with aclosing(answer_calls(run, offered)) as answers:
                async for event in answers:
                    yield event
            if run.paused is not None:
                return
        yield _turn_finished(run)
        if isinstance(verdict, Concluded):
            verdict = await finish(run, verdict)
        if isinstance(verdict, Concluded):
            await run.finish(verdict.value)
        elif verdict is not None:
            run.append(verdict.messages)
            await run.saved()
            if verdict.problems:
                yield OutputRejected(verdict.problems, run.budget.corrections)
    yield RunFinished(run.result)


def _verdict(run: Run) -> Concluded | AskAgain | None:
    """What the model's answer means; that of a last turn is taken as it is.

    Raises:
        RunEnded, GatewayError: it is no answer, and no correction is left or would help.
    """
    last = run.budget.last
    if last is None:
        return judge(run)
    try:
        verdict = judge(run)
    except RunEnded as error:
        raise run.limit(last) from error
    if isinstance(verdict, Concluded):
        return verdict
    run.close_calls(_TOO_LATE)
    raise run.limit(last)


def _turn_finished(run: Run) -> TurnFinished:
    response = run.response
    if not isinstance(response, ModelResponse):
        raise AssertionError("a turn ends with an answer")
    telemetry.emit(
        "info",
        "turn",
        run_id=run.run_id,
        turn=run.budget.turns,
        finish_reason=response.finish_reason,
        tool_calls=len(response.message.tool_calls),
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
    )
    return TurnFinished(run.budget.turns, response.finish_reason, response.usage)
