"""The agent loop: ask, append, run tools, append, parse, finish or repair. The only one there is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentkit import telemetry
from agentkit.models import ModelResponse
from agentkit.runtime.ask import ask
from agentkit.runtime.conclude import AskAgain, Concluded, conclude, conclude_call, output_call, refuse_failed
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
        refuse_failed(run)
        verdict: Concluded | AskAgain | None = None
        final = output_call(run)
        if final is not None:
            verdict = conclude_call(run, final)
        elif run.open_calls:
            async with aclosing(answer_calls(run, offered)) as answers:
                async for event in answers:
                    yield event
        else:
            verdict = conclude(run)
        yield _turn_finished(run)
        if isinstance(verdict, Concluded):
            output = await _output(run, verdict)
            yield RunFinished(run.finish(output))
            return
        if verdict is not None:
            run.append(verdict.messages)
            if verdict.problems:
                yield OutputRejected(verdict.problems, run.budget.corrections)


async def _output(run: Run, verdict: Concluded) -> object:
    """The value, or what the caller's output function makes of it."""
    declared = run.spec.declared
    if declared is None or declared.function is None or declared.body is None:
        return verdict.value
    args, kwargs = verdict.value
    if declared.function.takes_context:
        args = [run.context(), *args]
    returned = declared.body(*args, **kwargs)
    return await returned if declared.function.is_async else returned


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
