"""How a run comes to its state before its first step: anew, or where a journal or a paused run says that it stood."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from agentkit import _json
from agentkit.errors import ConfigurationError, RunConflict, RunExists
from agentkit.messages import History, Message
from agentkit.messages.codec import decode_message
from agentkit.runtime.approval import Decision, by_call, call_hash
from agentkit.runtime.identity import fingerprint
from agentkit.runtime.limits import Budget
from agentkit.runtime.result import RunResult
from agentkit.runtime.run import Run
from agentkit.runtime.state import RunState, folded, restore_budget
from agentkit.usage import Usage

if TYPE_CHECKING:
    from agentkit.journal import Journal, RunRow
    from agentkit.runtime.ledger import Ledger


_MOST_NESTED = 100_000  # runs that one run has started
_LOOKS = 30  # in the time of a lease, whether it has ended


async def begin(run: Run) -> None:
    """Enter a new run into its journal; one that has this id and has finished gives its recorded result.

    Raises:
        RunExists: it has not finished.
        RunConflict: it was asked something else, or the session's last run is under way.
        RunUnfinished: the session's last run has not finished.
        StorageError: the journal cannot be written.
    """
    ledger = _ledger(run)
    row = await ledger.begin()
    if row is None or row.session == ledger.session:
        await _follow(run, ledger.session)  # once the turn is ours: nobody can put one before it now
    if row is None:
        return
    if row.input_hash != ledger.identity.input or row.session != ledger.session:
        raise RunConflict(
            f"the run {run.run_id!r} was asked something else: use another run_id, or ask the same", run_id=run.run_id
        )
    if row.status != "finished":
        raise RunExists(
            f"the run {run.run_id!r} has not finished: go on with agent.resume({run.run_id!r}, journal=...)",
            run_id=run.run_id,
        )
    recall(run, row)


async def go_on(run: Run, decisions: Iterable[Decision], *, changed: bool) -> None:
    """Take over a journaled run where it stands. `changed` lets an agent that was changed since go on all the same.

    Raises:
        RunConflict: somebody else is running it, or the agent is another one by now.
        UsageError: there is no such run.
        ConfigurationError: a decision is about no pending call.
    """
    ledger = _ledger(run)
    row, _ = await ledger.journal.load(run.run_id)
    ledger.session = row.session
    if row.status == "finished":
        await _follow(run, row.session)
        recall(run, row)
        return
    if row.fingerprint != ledger.identity.fingerprint and not changed:
        raise _changed(run)
    row, state = await ledger.take(row.status)
    if row.session is not None and not state.whole:
        before = await session_history(ledger.journal, row.session, until=run.run_id)
        state.history, state.earlier = [*before, *state.history], len(before)
    stand(run, state, decisions)
    await _count_answered(run)


async def _count_answered(run: Run) -> None:
    """Count what the nested runs of answered open calls have spent: the run's own counters are from before them."""
    journal = _ledger(run).journal
    answered = {f"{run.run_id}/{call.id}" for index, call in enumerate(run.open_calls) if index in run.answers}
    nested = await journal.runs(parent=run.run_id, limit=_MOST_NESTED) if answered else []
    for row in nested:
        if row.run_id in answered:
            _, records = await journal.load(row.run_id)
            state = folded((record.kind, _json.loads(record.data)) for record in records)
            spent = Budget(run.spec.limits)
            restore_budget(spent, state.counters["budget"])
            run.budget.charge(spent)


async def go_on_nested(run: Run, decisions: Iterable[Decision], *, changed: bool) -> None:
    """Begin a nested run, or take it over; what it has spent counts above as well.

    Whoever has the run around it may have it: a lease that is left of a process that was killed is waited for.

    Raises:
        RunConflict, StorageError, ConfigurationError: see `go_on`.
    """
    ledger = _ledger(run)
    if await ledger.begin() is None:
        return
    while True:
        try:
            await go_on(run, decisions, changed=changed)
            break
        except RunConflict:
            row, _ = await ledger.journal.load(run.run_id)
            if row.owner is None or (row.fingerprint != ledger.identity.fingerprint and not changed):
                raise
            await anyio.sleep(ledger.journal.lease / _LOOKS)
    run.budget.charge_above()


def stand(run: Run, state: RunState, decisions: Iterable[Decision]) -> None:
    """Put a run where `state` says, with what somebody has decided.

    Raises:
        ConfigurationError: a decision is about no pending call, or a call is not the one that was shown.
    """
    _check_shown(state, whole=run.ledger is None)
    run.decisions = by_call(decisions, state.pending)
    run.restore(state)


def _check_shown(state: RunState, *, whole: bool) -> None:
    """Nothing, if what would run is what was shown; `whole` says that nested runs are in the state, not in a journal.

    Raises:
        ConfigurationError: it is not.
    """
    for index, calls in state.held.items():
        if index >= len(state.open_calls):
            raise ConfigurationError(f"the state waits for a call that it does not have: number {index}")
        call = state.open_calls[index]
        shown = [(pending.call_id, call_hash(pending.tool, pending.arguments)) for pending in calls]
        waiting = [(call.id, call_hash(call.name, call.arguments))]
        if call.id in state.children:
            child = RunState.from_json(state.children[call.id])
            _check_shown(child, whole=whole)
            waiting = [(f"{call.id}/{pending.call_id}", pending.hash) for pending in child.pending]
        elif not whole and all(pending.call_id.startswith(f"{call.id}/") for pending in calls):
            waiting = shown
        if not shown == waiting == [(pending.call_id, pending.hash) for pending in calls]:
            raise ConfigurationError(f"the call {call.id!r} in the state is not the one that was shown")


def stand_where_paused(run: Run, value: Mapping[str, Any], decisions: Iterable[Decision], *, changed: bool) -> None:
    """Put a run where `RunPaused.state` says.

    Raises:
        RunConflict: the agent is another one by now.
        ConfigurationError: see `stand`, or the value is no such state, or its run is in a journal.
    """
    if value.get("journaled"):
        raise ConfigurationError(
            f"the run {run.run_id!r} is in a journal: give journal=, so that what is done now is kept there"
        )
    if value.get("fingerprint") != fingerprint(run.spec) and not changed and "fingerprint" in value:
        raise _changed(run)
    stand(run, RunState.from_json(value), decisions)


def inside(decisions: Iterable[Decision], call_id: str) -> list[Decision]:
    """The decisions about the calls of the nested run that a call has started, as that run knows them."""
    start = f"{call_id}/"
    return [
        replace(decision, call_id=decision.call_id.removeprefix(start))
        for decision in decisions
        if decision.call_id.startswith(start)
    ]


async def _follow(run: Run, session: str | None) -> None:
    """Put the turns of its session before a run that is one of them."""
    if session is not None:
        run.rebase(await session_history(_ledger(run).journal, session, until=run.run_id))


async def session_history(journal: "Journal", session: str, *, until: str | None = None) -> History:
    """The messages of a session's finished runs, oldest first, up to the run `until`."""
    messages: list[Message] = []
    for row in await journal.session_runs(session):
        if row.run_id == until:
            break
        if row.status == "finished" and row.result is not None:
            messages.extend(map(decode_message, _json.loads(row.result)["new"]))
    return History(messages)


def recall(run: Run, row: "RunRow") -> None:
    """Give a run the result that was recorded of it."""
    said = _json.loads(row.result or b"null")
    if not isinstance(said, dict):
        raise ConfigurationError(f"the run {run.run_id!r} has finished without a result")
    declared = run.spec.declared
    output = said["output"]
    if declared is not None and declared.function is None:
        output = declared.value(output)
    earlier = History([decode_message(message) for message in said["earlier"]])
    if row.session is not None:
        earlier = run.history.prefix(run.earlier)
    run.budget.usage = usage = Usage(**said["usage"])
    run.budget.cost, run.budget.counted_cost = said["cost"], said["cost"] or 0.0
    run.budget.counted_tokens, run.budget.requests = usage.total_tokens, usage.requests
    run.budget.turns, run.budget.tool_calls = said["turns"], said["tool_calls"]
    run.result = RunResult(
        output,
        earlier.extended([decode_message(message) for message in said["new"]]),
        usage,
        said["cost"],
        run.run_id,
        said["turns"],
        said["tool_calls"],
        said["retries"],
        said["corrections"],
        tuple(said["warnings"]),
        len(earlier),
    )


def _changed(run: Run) -> RunConflict:
    return RunConflict(
        f"the agent of the run {run.run_id!r} has changed since (instructions, tools or output): undo that, or "
        "resume with changed=True",
        run_id=run.run_id,
    )


def _ledger(run: Run) -> "Ledger":
    if run.ledger is None:
        raise AssertionError("a run that is in a journal has a ledger")
    return run.ledger
