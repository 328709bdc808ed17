"""The agent loop: ask, append, run tools, append, parse, finish or repair. The only one there is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentkit import telemetry
from agentkit.models import ModelResponse
from agentkit.runtime.ask import ask
from agentkit.runtime.conclude import Concluded, finish, judge
from agentkit.runtime.events import Event, OutputRejected, RunFinished, TurnFinished
from agentkit.runtime.limits import LimitReached
from agentkit.runtime.run import Run
from agentkit.runtime.turn import answer_calls


async def loop(run: Run, *, stream: bool) -> AsyncGenerator[Event, None]:
    """The events of a run, up to `RunFinished`. It opens no task group and no cancel scope; its owner does.

    Raises:
        RunEnded, GatewayError, UsageError: there is no answer.
    """
    run.prepare()
    while True:
        try:
            run.budget.begin_turn()
            offered = run.offered()
            async with aclosing(ask(run, offered, stream=stream)) as events:
                async for event in events:
                    yield event
        except LimitReached as reached:
            raise run.limit(reached) from reached
        verdict = judge(run)
        if run.open_calls:
            async with aclosing(answer_calls(run, offered)) as answers:
                async for event in answers:
                    yield event
        yield _turn_finished(run)
        if isinstance(verdict, Concluded):
            verdict = await finish(run, verdict)
        if isinstance(verdict, Concluded):
            yield RunFinished(run.finish(verdict.value))
            return
        if verdict is not None:
            run.append(verdict.messages)
            if verdict.problems:
                yield OutputRejected(verdict.problems, run.budget.corrections)


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
