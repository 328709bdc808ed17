"""Answering the calls of one turn: in parallel where that is safe, one after the other where it is not.

Tasks belong to the run's owner (`run.spawn`); they never raise, they hand in what happened, and the generator waits for
it between its yields. Whatever happens, each call is answered exactly once, in call order.
"""

import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from agentkit import telemetry
from agentkit.errors import ToolFailed
from agentkit.messages import TextPart, ToolCall, ToolMessage
from agentkit.output import OUTPUT_TOOL
from agentkit.runtime.events import Event, ToolFinished, ToolStarted
from agentkit.runtime.guard import REMINDER, STOPPED
from agentkit.runtime.run import Run
from agentkit.tools import CallOutcome, Offered, ToolOptions, answered, run_call


@dataclass(frozen=True, slots=True)
class _Planned:
    """A call with its place in the answer."""

    index: int
    call: ToolCall
    reminded: bool = False


class _Inbox:
    """Where tasks hand in what happened, for the one generator that waits."""

    def __init__(self) -> None:
        self._events: list[ToolStarted | ToolFinished] = []
        self._arrived = anyio.Event()

    def put(self, event: ToolStarted | ToolFinished) -> None:
        self._events.append(event)
        self._arrived.set()

    def taken(self) -> list[ToolStarted | ToolFinished]:
        """All that has come."""
        events, self._events = self._events, []
        return events

    async def take(self) -> list[ToolStarted | ToolFinished]:
        """All that has come, at least one."""
        while not self._events:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self.taken()


async def answer_calls(run: Run, offered: Mapping[str, Offered]) -> AsyncGenerator[Event, None]:
    """Run the open calls and append their answers, in call order; when it is closed early, its owner appends them.

    Raises:
        ToolFailed: a tool with on_error="raise" raised; its siblings have finished and all answers are in the history.
    """
    turn = _Turn(run, offered)
    planned = _planned(turn)
    for event in turn.inbox.taken():
        yield event
    for wave in _waves(planned, offered):
        _start(turn, wave)
        waiting = len(wave)
        while waiting:
            for event in await turn.inbox.take():
                waiting -= isinstance(event, ToolFinished)
                yield event
    run.close_calls()
    _raise_failures(run, offered, [turn.outcomes[index] for index in sorted(turn.outcomes)])


class _Turn:
    """The calls of one turn, and what has become of them."""

    def __init__(self, run: Run, offered: Mapping[str, Offered]) -> None:
        self.run = run
        self.offered = offered
        self.inbox = _Inbox()
        self.outcomes: dict[int, CallOutcome] = {}
        self.failed: set[str] = set()  # tools whose calls the model has to correct

    def options(self, call: ToolCall) -> ToolOptions | None:
        """What the called tool declares; None for an unknown one."""
        entry = self.offered.get(call.name)
        return None if entry is None else entry.tool.options

    def cancelled(self, call: ToolCall) -> str:
        """What the model is told of a call that was cancelled after it began."""
        options = self.options(call)
        if options is not None and options.effect == "read":
            return "Cancelled before it finished."
        return "Cancelled before it finished; whether it took effect is unknown."

    def finished(self, index: int, outcome: CallOutcome, seconds: float = 0.0) -> None:
        """Record an outcome at once: whatever is cancelled from here on, what a tool has done is known."""
        self.outcomes[index] = outcome
        self.run.answers[index] = outcome.message
        call, error = outcome.call, outcome.error
        telemetry.emit(
            "info" if error is None else "error",
            "tool",
            run_id=self.run.run_id,
            tool=call.name,
            call_id=call.id,
            outcome=outcome.outcome,
            seconds=round(seconds, 4),
            **({} if error is None else {"error": _described(error)}),
        )
        self.inbox.put(ToolFinished(call, outcome.message, outcome.outcome, error, seconds))


def _planned(turn: _Turn) -> list[_Planned]:
    """The calls that are to run; the others are answered here."""
    run = turn.run
    planned: list[_Planned] = []
    for index, call in enumerate(run.open_calls):
        times = run.guard.seen(call)
        options = turn.options(call)
        polls = options is not None and options.poll
        refusal = _refusal(run, call, 0 if polls else times)
        if refusal is None:
            planned.append(_Planned(index, call, run.guard.reminds(times) and not polls))
        else:
            turn.finished(index, answered(call, refusal, "skipped"))
    allowed = run.budget.take_calls(len(planned))
    for late in planned[allowed:]:
        text = "Not run: the run's limit of tool calls is reached. Answer with what you have."
        turn.finished(late.index, answered(late.call, text, "skipped"))
    return planned[:allowed]


def _refusal(run: Run, call: ToolCall, times: int) -> str | None:
    """Why a call that came `times` times in a row is not run, if it is not."""
    if run.plan.tool is not None and call.name == OUTPUT_TOOL:
        return "Not taken: another tool has to be called first."
    if run.spec.tool_choice == "none":
        return "Not run: no tool may be called in this run. Answer without one."
    return STOPPED.format(times=times) if run.guard.stops(times) else None


def _waves(planned: Sequence[_Planned], offered: Mapping[str, Offered]) -> list[list[_Planned]]:
    """Calls that may run at the same time; one that is `sequential` is a wave of its own."""
    waves: list[list[_Planned]] = []
    joined = False
    for item in planned:
        entry = offered.get(item.call.name)
        alone = entry is not None and entry.tool.options.sequential
        if alone or not joined:
            waves.append([])
        waves[-1].append(item)
        joined = not alone
    return waves


def _start(turn: _Turn, wave: Sequence[_Planned]) -> None:
    """Start a wave: each call on its own, but those with effects one after the other in call order."""
    run = turn.run
    bound = run.spec.parallel_tools
    limiter = anyio.CapacityLimiter(bound) if len(wave) > bound else None
    effects: list[_Planned] = []
    for item in wave:
        options = turn.options(item.call)
        if options is not None and options.effect in ("write", "external"):
            effects.append(item)
        else:
            run.spawn(_execute, turn, [item], limiter)
    if effects:
        run.spawn(_execute, turn, effects, limiter)


async def _execute(turn: _Turn, items: Sequence[_Planned], limiter: anyio.CapacityLimiter | None) -> None:
    """Run calls one after the other."""
    if limiter is not None:
        async with limiter:
            await _execute(turn, items, None)
        return
    run = turn.run
    for item in items:
        run.answers[item.index] = answered(item.call, turn.cancelled(item.call), "cancelled").message
        turn.inbox.put(ToolStarted(item.call))
        began = time.monotonic()
        try:
            outcome = await run_call(item.call, turn.offered, run.context(item.call), run.spec.threads)
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:
                raise
            # Nobody cancelled this task: the tool awaited something that was (asyncio lets that out as a cancellation).
            outcome = answered(item.call, turn.cancelled(item.call), "cancelled")
        turn.finished(item.index, _weighed(turn, item, outcome), time.monotonic() - began)


def _weighed(turn: _Turn, item: _Planned, outcome: CallOutcome) -> CallOutcome:
    """Count what the model has to correct, and add to the answer what it should know."""
    name, failures = item.call.name, turn.run.failures
    if outcome.outcome not in ("invalid", "retry"):
        if name not in turn.failed:
            failures.pop(name, None)
        return _with_note(outcome, REMINDER) if item.reminded else outcome
    if name not in turn.failed:  # the calls of one turn were made without knowing of each other's failure
        turn.failed.add(name)
        failures[name] = failures.get(name, 0) + 1
    options = turn.options(item.call)
    allowed = 1 if options is None else options.retries
    if failures[name] <= allowed:
        return outcome
    return _with_note(outcome, f"\n{name} has failed {failures[name]} times in a row: go on without it.")


def _with_note(outcome: CallOutcome, note: str) -> CallOutcome:
    message = outcome.message
    parts = [*message.parts, TextPart(note, "system")]
    return replace(outcome, message=ToolMessage(message.call_id, message.name, parts, is_error=message.is_error))


def _raise_failures(run: Run, offered: Mapping[str, Offered], outcomes: Sequence[CallOutcome]) -> None:
    failed = [
        outcome
        for outcome in outcomes
        if outcome.error is not None and offered[outcome.call.name].tool.options.on_error == "raise"
    ]
    if failed:
        first, *others = failed
        error = first.error
        siblings = tuple(outcome.error for outcome in others if outcome.error is not None)
        text = f"the tool {first.call.name} raised {'an exception' if error is None else _described(error)}"
        raise run.ended(ToolFailed, text, error=error, siblings=siblings) from error


def _described(error: Exception) -> str:
    """`repr(error)`, of exceptions that have a broken one too."""
    try:
        return repr(error)
    except Exception:
        return type(error).__name__
