"""The owner of a run: holds its task group and its wall time, and hands out the events of its loop."""

import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Generic, Self

import anyio
from anyio.abc import TaskGroup

from agentkit import telemetry
from agentkit.errors import AgentkitError, RunNotFinished
from agentkit.messages import History
from agentkit.runtime.events import Event
from agentkit.runtime.limits import LimitReached
from agentkit.runtime.loop import loop
from agentkit.runtime.result import Output, RunResult
from agentkit.runtime.run import Run
from agentkit.usage import Usage


class RunStream(Generic[Output]):
    """A run that is being watched: an async context manager, and an async iterator of its events.

    Leaving the block early cancels what is under way and answers the open calls as cancelled; `partial` has the history
    then.
    """

    def __init__(self, run: Run, *, stream: bool = True) -> None:
        self._run = run
        self._loop = loop(run, stream=stream)
        self._tasks: TaskGroup | None = None
        self._wall: anyio.CancelScope | None = None

    @property
    def run_id(self) -> str:
        return self._run.run_id

    @property
    def result(self) -> RunResult[Output]:
        """The result.

        Raises:
            RunNotFinished: the events have not been taken to their end.
        """
        if self._run.result is None:
            raise RunNotFinished("the run has not finished: take its events to the end before you ask for the result")
        return self._run.result

    @property
    def partial(self) -> History:
        """The history so far; valid to send once the block has been left."""
        return self._run.history

    @property
    def usage(self) -> Usage:
        """What has been used so far."""
        return self._run.budget.usage

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._tasks is None:
            raise RunNotFinished("enter the stream first: async with agent.stream(...) as run")
        return await anext(self._loop)

    async def __aenter__(self) -> Self:
        seconds = self._run.spec.limits.seconds
        if seconds is not None:
            self._wall = anyio.CancelScope(deadline=anyio.current_time() + seconds)
            self._wall.__enter__()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._run.spawn = self._tasks.start_soon
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        tasks = self._tasks
        if tasks is None:
            return None
        try:
            await self._loop.aclose()
        finally:
            tasks.cancel_scope.cancel()
            # A cancellation has to pass through the group; an exception of the body must not, or it would come out
            # wrapped.
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            passed = (kind, error, traceback) if cancelled else (None, None, None)
            swallowed = await tasks.__aexit__(*passed)
            self._run.close_calls()
            self._report(error)
        if self._wall is not None:
            stopped = self._wall.__exit__(*(passed if not swallowed else (None, None, None)))
            if self._wall.cancelled_caught or (stopped and cancelled):
                seconds = self._run.spec.limits.seconds
                raise self._run.limit(LimitReached("seconds", f"the run has had its {seconds:g} s")) from None
        return None

    def _report(self, error: BaseException | None) -> None:
        run = self._run
        outcome = "finished" if run.result is not None else "left" if error is None else type(error).__name__
        telemetry.emit(
            "error" if isinstance(error, AgentkitError) else "info",
            "run",
            run_id=run.run_id,
            model=run.spec.model.name,
            outcome=outcome,
            turns=run.budget.turns,
            tool_calls=run.budget.tool_calls,
            input_tokens=run.budget.usage.input_tokens,
            output_tokens=run.budget.usage.output_tokens,
            cost=run.budget.cost,
            seconds=round(time.monotonic() - run.started, 4),
        )


async def run_to_end(run: Run) -> RunResult[Any]:
    """The result of a run that nobody watches.

    Raises:
        RunEnded, GatewayError, UsageError: there is no answer.
    """
    async with RunStream[Any](run, stream=False) as stream:
        async for _ in stream:
            pass
    return stream.result
