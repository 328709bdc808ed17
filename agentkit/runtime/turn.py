"""Answering the calls of one turn: in parallel where that is safe, one after the other where it is not.

Tasks belong to the run's owner (`run.spawn`); they never raise, they hand in what happened, and the generator waits for
it between its yields. Whatever happens, each call is answered exactly once, in call order.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from agentkit import telemetry
from agentkit.errors import ToolFailed
from agentkit.messages import TextPart, ToolCall, ToolMessage
from agentkit.runtime.events import Event, ToolFinished, ToolStarted
from agentkit.runtime.guard import REMINDER, STOPPED
from agentkit.runtime.run import Run
from agentkit.tools import CallOutcome, Offered, answered, run_call


@dataclass(frozen=True, slots=True)
class _Planned:
    """A call with its place in the answer."""

    index: int
    call: ToolCall
    reminded: bool = False


class _Inbox:
    """Where tasks hand in what happened, for the one generator that waits."""

    def __init__(self) -> None:
        self._events: list[tuple[int, Event, CallOutcome | None]] = []
        self._arrived = anyio.Event()

    def put(self, index: int, event: Event, outcome: CallOutcome | None = None) -> None:
        self._events.append((index, event, outcome))
        self._arrived.set()

    async def take(self) -> list[tuple[int, Event, CallOutcome | None]]:
        """All that has come, at least one."""
        while not self._events:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        events, self._events = self._events, []
        return events


async def answer_calls(run: Run, offered: Mapping[str, Offered]) -> AsyncGenerator[Event, None]:
    """Run the open calls and append their answers, in call order.

    Raises:
        ToolFailed: a tool with on_error="raise" raised; its siblings have finished and all answers are in the history.
    """
    outcomes: dict[int, CallOutcome] = {}
    inbox = _Inbox()
    try:
        for wave in _waves(_planned(run, offered, outcomes), offered):
            _start(run, wave, offered, inbox)
            waiting = len(wave)
            while waiting:
                for index, event, outcome in await inbox.take():
                    if outcome is not None:
                        waiting -= 1
                        outcomes[index] = outcome
                        run.answers[index] = outcome.message
                    yield event
        for index, outcome in outcomes.items():
            run.answers[index] = outcome.message
    finally:
        run.close_calls()
    _raise_failures(run, offered, [outcomes[index] for index in sorted(outcomes)])


def _planned(run: Run, offered: Mapping[str, Offered], outcomes: dict[int, CallOutcome]) -> list[_Planned]:
    """The calls that are to run; those that the guard or the limit stops are answered here."""
    planned: list[_Planned] = []
    for index, call in enumerate(run.open_calls):
        times = run.guard.seen(call)
        entry = offered.get(call.name)
        polls = entry is not None and entry.tool.options.poll
        if run.guard.stops(times) and not polls:
            outcomes[index] = answered(call, STOPPED.format(times=times), "skipped")
        else:
            planned.append(_Planned(index, call, run.guard.reminds(times) and not polls))
    allowed = run.budget.take_calls(len(planned))
    for late in planned[allowed:]:
        limit = run.spec.limits.tool_calls
        text = f"Not run: the run's limit of {limit} tool calls is reached. Answer with what you have."
        outcomes[late.index] = answered(late.call, text, "skipped")
    return planned[:allowed]


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


def _start(run: Run, wave: Sequence[_Planned], offered: Mapping[str, Offered], inbox: _Inbox) -> None:
    """Start a wave: each call on its own, but those with effects one after the other in call order."""
    bound = run.spec.parallel_tools
    limiter = anyio.CapacityLimiter(bound) if len(wave) > bound else None
    effects: list[_Planned] = []
    for item in wave:
        entry = offered.get(item.call.name)
        if entry is not None and entry.tool.options.effect in ("write", "external"):
            effects.append(item)
        else:
            run.spawn(_execute, run, [item], offered, inbox, limiter)
    if effects:
        run.spawn(_execute, run, effects, offered, inbox, limiter)


async def _execute(
    run: Run,
    items: Sequence[_Planned],
    offered: Mapping[str, Offered],
    inbox: _Inbox,
    limiter: anyio.CapacityLimiter | None,
) -> None:
    if limiter is not None:
        async with limiter:
            await _execute(run, items, offered, inbox, None)
        return
    for item in items:
        inbox.put(item.index, ToolStarted(item.call))
        started = time.monotonic()
        outcome = _weighed(
            run, offered, item, await run_call(item.call, offered, run.context(item.call), run.spec.threads)
        )
        seconds = time.monotonic() - started
        telemetry.emit(
            "info" if outcome.error is None else "error",
            "tool",
            run_id=run.run_id,
            tool=item.call.name,
            call_id=item.call.id,
            outcome=outcome.outcome,
            seconds=round(seconds, 4),
            **({} if outcome.error is None else {"error": repr(outcome.error)}),
        )
        inbox.put(
            item.index, ToolFinished(item.call, outcome.message, outcome.outcome, outcome.error, seconds), outcome
        )


def _weighed(run: Run, offered: Mapping[str, Offered], item: _Planned, outcome: CallOutcome) -> CallOutcome:
    """Count what the model has to correct, and add to the answer what it should know."""
    name = item.call.name
    if outcome.outcome in ("invalid", "retry"):
        run.failures[name] = run.failures.get(name, 0) + 1
        entry = offered.get(name)
        allowed = entry.tool.options.retries if entry is not None else 1
        if run.failures[name] > allowed:
            return _with_note(
                outcome, f"\nThat was correction {run.failures[name] - 1} of {allowed}: go on without {name}."
            )
    else:
        run.failures.pop(name, None)
    return _with_note(outcome, REMINDER) if item.reminded else outcome


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
        text = f"the tool {first.call.name} raised {type(error).__name__}: {error}"
        raise run.ended(ToolFailed, text, error=error, siblings=siblings) from error
