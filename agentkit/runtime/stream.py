"""The owner of a run: holds its task group and its wall time, and hands out the events of its loop."""

import functools
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Generic, Self

import anyio
from anyio.abc import TaskGroup

from agentkit import telemetry
from agentkit.errors import AgentkitError, GatewayError, RunConflict, RunNotFinished, StorageError
from agentkit.messages import History
from agentkit.runtime.events import Event
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
        self._scopes = AsyncExitStack()
        self._wall = anyio.CancelScope()
        self._entered = False
        self._lost: RunConflict | None = None

    @property
    def run_id(self) -> str:
        return self._run.run_id

    @property
    def result(self) -> RunResult[Output]:
        """The result.

        Raises:
            RunNotFinished: the events have not been taken to their end.
            RunPaused: calls wait for a decision.
        """
        if self._run.paused is not None:
            raise self._run.paused
        if self._run.result is None:
            raise RunNotFinished("the run has not finished: take its events to the end before you ask for the result")
        return self._run.result

    @property
    def partial(self) -> History:
        """The history so far; valid to send once the block has been left. What a paused run waits for is not in it."""
        if self._run.result is not None:  # a journal may have had it, and the run nothing but that
            return self._run.result.messages
        return self._run.history if self._run.paused is None else self._run.paused.history

    @property
    def usage(self) -> Usage:
        """What has been used so far."""
        return self._run.budget.usage

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if not self._entered:
            raise RunNotFinished("enter the stream first: async with agent.stream(...) as run")
        try:
            event = await anext(self._loop)
        except GatewayError as error:
            error.history = self._run.history
            raise
        if self._run.result is not None:  # what the block does with the answer is not the run's time
            self._wall.deadline = math.inf
        return event

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RunNotFinished("a stream is entered once: call agent.stream(...) again for another run")
        self._entered = True
        if self._run.enter is not None:
            try:
                await self._run.enter(self._run)
            except BaseException:
                await self._close(untouched=True)
                raise
        self._wall.deadline = self._run.begin(anyio.current_time())
        tasks = anyio.create_task_group()
        self._run.spawn = tasks.start_soon
        self._scopes.enter_context(self._wall)
        await self._scopes.enter_async_context(tasks)
        self._scopes.callback(self._stop, tasks)
        if self._run.ledger is not None and self._run.result is None:
            tasks.start_soon(self._run.ledger.keep_alive, functools.partial(self._lose, tasks))
        self._scopes.push_async_callback(self._loop.aclose)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """End the tasks, then answer what they left open.

        A cancellation has to pass through the scopes that asked for it. Any other exception of the body goes around
        them, or it would come out in a group.
        """
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        try:
            caught = await self._scopes.__aexit__(*((kind, error, traceback) if cancelled else (None, None, None)))
        except BaseExceptionGroup as group:  # Ctrl-C or SystemExit inside a tool
            raise _innermost(group) from None
        finally:
            untouched = self._run.unjudged
            if self._run.paused is None:
                self._run.close_calls()
            self._report(error)
            await self._close(untouched=untouched)
        if self._lost is not None:
            raise self._lost
        if self._wall.cancelled_caught and cancelled and self._run.result is None:
            raise self._run.limit(self._run.out_of_time()) from None
        return bool(cancelled and caught)

    def _stop(self, tasks: TaskGroup) -> None:
        """Cancel what is under way; a run with its result has nothing, and a cancellation is not cheap."""
        if self._run.result is None or self._run.ledger is not None:
            tasks.cancel_scope.cancel()

    def _lose(self, tasks: TaskGroup, error: RunConflict) -> None:
        """Stop at once: another process goes on with this run."""
        self._lost = error
        tasks.cancel_scope.cancel()

    async def _close(self, *, untouched: bool) -> None:
        """Leave the journal as it is to be found: what was done is kept, and somebody else may go on."""
        ledger = self._run.ledger
        if ledger is None or self._run.result is not None or self._lost is not None:
            return
        with anyio.CancelScope(shield=True):
            try:
                await ledger.leave(untouched=untouched)
            except (StorageError, RunConflict) as error:  # the run has its own reason to end
                telemetry.emit("error", "failure", run_id=self._run.run_id, text=str(error))

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


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def run_to_end(run: Run) -> RunResult[Any]:
    """The result of a run that nobody watches.

    Raises:
        RunEnded, GatewayError, UsageError: there is no answer.
    """
    async with RunStream[Any](run, stream=False) as stream:
        async for _ in stream:
            pass
    return stream.result
