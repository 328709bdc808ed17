"""Answering the calls of one turn: in parallel where that is safe, one after the other where it is not.

Tasks belong to the run's owner (`run.spawn`); they never raise, they hand in what happened, and the generator waits for
it between its yields. Whatever happens, each call is answered exactly once, in call order.
"""

import functools
import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from agentkit import telemetry
from agentkit.errors import ToolFailed
from agentkit.messages import TextPart, ToolCall, ToolMessage
from agentkit.output import OUTPUT_TOOL
from agentkit.runtime.events import Event, ToolEvent, ToolFinished, ToolHeld, ToolStarted
from agentkit.runtime.guard import Repeats
from agentkit.runtime.hold import gate, hold, resumed, suspended, waits
from agentkit.runtime.run import Run
from agentkit.tools import CallOutcome, Offered, ToolOptions, answered, run_call


@dataclass(frozen=True, slots=True)
class _Planned:
    """A call with its place in the answer."""

    index: int
    call: ToolCall
    reminder: str | None = None


class _Inbox:
    """Where tasks hand in what happened, for the one generator that waits."""

    def __init__(self) -> None:
        self._events: list[ToolEvent] = []
        self._arrived = anyio.Event()

    def put(self, event: ToolEvent) -> None:
        self._events.append(event)
        self._arrived.set()

    def taken(self) -> list[ToolEvent]:
        """All that has come."""
        events, self._events = self._events, []
        return events

    async def take(self) -> list[ToolEvent]:
        """All that has come, at least one."""
        while not self._events:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self.taken()


async def answer_calls(run: Run, offered: Mapping[str, Offered]) -> AsyncGenerator[Event, None]:
    """Run the open calls and append their answers, in call order; when it is closed early, its owner appends them.

    When some have to wait for somebody, the others finish, and the run is suspended with its calls open.

    Raises:
        ToolFailed: a tool with on_error="raise" raised; its siblings have finished and all answers are in the history.
    """
    turn = _Turn(run, offered)
    planned = _planned(turn)
    await run.saved()
    for event in turn.inbox.taken():
        yield event
    for wave in _waves(planned, offered):
        await _start(turn, wave)
        waiting = len(wave)
        while waiting:
            for event in await turn.inbox.take():
                waiting -= isinstance(event, ToolFinished | ToolHeld)
                yield event
    if run.held:
        yield await suspended(run)
        return
    run.close_calls()
    await run.saved()
    _raise_failures(run, offered, [turn.outcomes[index] for index in sorted(turn.outcomes)])


class _Turn:
    """The calls of one turn, and what has become of them."""

    def __init__(self, run: Run, offered: Mapping[str, Offered]) -> None:
        self.run = run
        self.offered = offered
        self.inbox = _Inbox()
        self.outcomes: dict[int, CallOutcome] = {}

    def options(self, call: ToolCall) -> ToolOptions | None:
        """What the called tool declares; None for an unknown one."""
        entry = self.offered.get(call.name)
        return None if entry is None else entry.tool.options

    def polls(self, call: ToolCall) -> bool:
        """Whether making the same call again is how its tool is used."""
        options = self.options(call)
        return options is not None and options.poll

    def cancelled(self, call: ToolCall) -> str:
        """What the model is told of a call that was cancelled after it began."""
        options = self.options(call)
        if options is not None and options.effect == "read":
            return "Cancelled before it finished."
        return "Cancelled before it finished; whether it took effect is unknown."

    def finished(self, index: int, outcome: CallOutcome, seconds: float = 0.0) -> None:
        """Record an outcome at once: whatever is cancelled from here on, what a tool has done is known."""
        self.outcomes[index] = outcome
        self.run.answer(index, outcome.message)
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

    def held(self, index: int, outcome: CallOutcome) -> None:
        """Keep a call open that waits for somebody."""
        pending = hold(self.run, index, outcome)
        telemetry.emit("info", "held", run_id=self.run.run_id, tool=outcome.call.name, call_id=outcome.call.id)
        self.inbox.put(ToolHeld(outcome.call, pending))


def _planned(turn: _Turn) -> list[_Planned]:
    """The calls that are to run; the others are answered here."""
    run = turn.run
    planned: list[_Planned] = []
    repeats = run.guard.turn(run.open_calls, [turn.polls(call) for call in run.open_calls])
    for index, call in enumerate(run.open_calls):
        if index in run.answers:  # before a crash, or before the run was paused
            continue
        options = turn.options(call)
        if run.resumed:
            if waits(run, index, call, options):
                continue
            known = resumed(run, index, call, options)
            if known is not None:
                turn.finished(index, known)
                continue
        refusal = _refusal(run, call, repeats[index])
        if refusal is None:
            planned.append(_Planned(index, call, repeats[index].reminder))
        else:
            turn.finished(index, answered(call, refusal, "skipped"))
    new = [item for item in planned if item.index not in run.counted]
    late = {item.index: item for item in new[run.budget.take_calls(len(new)) :]}
    for item in late.values():
        text = "Not run: the run's limit of tool calls is reached. Answer with what you have."
        turn.finished(item.index, answered(item.call, text, "skipped"))
    taken = [item for item in planned if item.index not in late]
    run.counted.update(item.index for item in taken)
    return taken


def _refusal(run: Run, call: ToolCall, repeats: Repeats) -> str | None:
    """Why a call is not run, if it is not."""
    if run.plan.tool is not None and call.name == OUTPUT_TOOL:
        return "Not taken: another tool has to be called first."
    if run.spec.tool_choice == "none":
        return "Not run: no tool may be called in this run. Answer without one."
    return repeats.refusal


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


async def _start(turn: _Turn, wave: Sequence[_Planned]) -> None:
    """Start a wave: each call on its own, but those with effects one after the other in call order.

    That their bodies may run is durable before they do.
    """
    run = turn.run
    bound = run.spec.parallel_tools
    limiter = anyio.CapacityLimiter(bound) if len(wave) > bound else None
    effects: list[_Planned] = []
    side_by_side: list[_Planned] = []
    for item in wave:
        options = turn.options(item.call)
        if options is not None and options.effect in ("write", "external"):
            effects.append(item)
        else:
            side_by_side.append(item)
    for item in (*side_by_side, *effects[:1]):
        _begin(turn, item)
    await run.saved()
    for item in side_by_side:
        run.spawn(_execute, turn, [item], limiter)
    if effects:
        run.spawn(_execute, turn, effects, limiter)


def _begin(turn: _Turn, item: _Planned) -> None:
    """Note that a body may run from here on; one that changes nothing may run again."""
    options = turn.options(item.call)
    turn.run.begin_call(item.index, repeatable=options is None or options.effect == "read")


async def _execute(turn: _Turn, items: Sequence[_Planned], limiter: anyio.CapacityLimiter | None) -> None:
    """Run calls one after the other."""
    if limiter is not None:
        async with limiter:
            await _execute(turn, items, None)
        return
    run = turn.run
    for place, item in enumerate(items):
        if place:
            _begin(turn, item)
            await run.saved()
        run.answers[item.index] = answered(item.call, turn.cancelled(item.call), "cancelled").message
        turn.inbox.put(ToolStarted(item.call))
        began = time.monotonic()
        try:
            outcome = await run_call(
                item.call, turn.offered, run.context(item.call), run.spec.threads, functools.partial(gate, run)
            )
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:
                raise
            # Nobody cancelled this task: the tool awaited something that was (asyncio lets that out as a cancellation).
            outcome = answered(item.call, turn.cancelled(item.call), "cancelled")
        if outcome.error is not None and run.ledger is not None and outcome.error is run.ledger.stopped:
            turn.inbox.put(ToolFinished(item.call, outcome.message, outcome.outcome, outcome.error, 0.0))
        elif outcome.outcome == "held":
            turn.held(item.index, outcome)
        else:
            turn.finished(item.index, _weighed(turn, item, outcome), time.monotonic() - began)


def _weighed(turn: _Turn, item: _Planned, outcome: CallOutcome) -> CallOutcome:
    """Count what the model has to correct, and add to the answer what it should know."""
    name, failures, corrected = item.call.name, turn.run.failures, turn.run.corrected
    if outcome.outcome not in ("invalid", "retry"):
        if name not in corrected:
            failures.pop(name, None)
        return outcome if item.reminder is None else _with_note(outcome, item.reminder)
    if name not in corrected:  # the calls of one turn were made without knowing of each other's failure
        corrected.add(name)
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
