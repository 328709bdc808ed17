"""How a run comes to its state before its first step: anew, or where a journal says that it stood."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from agentkit import _json
from agentkit.errors import ConfigurationError, RunConflict, RunExists
from agentkit.journal import RunRow
from agentkit.messages import History
from agentkit.messages.codec import decode_message
from agentkit.runtime.approval import Decision, by_call, call_hash
from agentkit.runtime.ledger import Ledger
from agentkit.runtime.result import RunResult
from agentkit.runtime.run import Run
from agentkit.runtime.state import RunState, encoded
from agentkit.usage import Usage


async def begin(run: Run) -> None:
    """Enter a new run into its journal; one that has this id and has finished gives its recorded result.

    Raises:
        RunExists: it has not finished.
        RunConflict: it was asked something else.
        RunUnfinished: the session's last run has not finished.
        StorageError: the journal cannot be written.
    """
    ledger = run.ledger
    if ledger is None:
        return
    row = await ledger.begin()
    if row is None:
        return
    if row.input_hash != ledger.identity.input:
        raise RunConflict(
            f"the run {run.run_id!r} was asked something else: use another run_id, or ask the same", run_id=run.run_id
        )
    if row.status != "finished":
        raise RunExists(
            f"the run {run.run_id!r} has not finished: go on with agent.resume({run.run_id!r}, journal=...)",
            run_id=run.run_id,
        )
    recall(run, row)


async def go_on(run: Run, decisions: Iterable[Decision], *, changed: bool, fresh: bool = False) -> None:
    """Take over a journaled run where it stands. `changed` lets an agent that was changed since go on all the same.

    `fresh`: begin it when there is none, as nested runs do.

    Raises:
        RunConflict: somebody else is running it, or the agent is another one by now.
        UsageError: there is no such run.
        ConfigurationError: a decision is about no pending call.
    """
    ledger = _ledger(run)
    if fresh:
        found = await ledger.begin()
        if found is None:
            return
        if found.status == "finished":
            recall(run, found)
            return
    row, state = await ledger.take()
    if row.fingerprint != ledger.identity.fingerprint and not changed:
        raise RunConflict(
            f"the agent of the run {run.run_id!r} has changed since (instructions, tools or output): undo that, or "
            "resume with changed=True",
            run_id=run.run_id,
        )
    stand(run, state, decisions)


def stand(run: Run, state: RunState, decisions: Iterable[Decision]) -> None:
    """Put a run where `state` says, with what somebody has decided.

    Raises:
        ConfigurationError: a decision is about no pending call, or a call is not the one that was shown.
    """
    for index, calls in state.held.items():
        call = state.open_calls[index]
        for pending in calls:
            if pending.call_id == call.id and pending.hash != call_hash(call.name, call.arguments):
                raise ConfigurationError(f"the call {call.id!r} in the state is not the one that was shown")
    run.decisions = by_call(decisions, state.pending)
    run.restore(state)


def recall(run: Run, row: RunRow) -> None:
    """Give a run the result that was recorded of it."""
    said = _json.loads(row.result or b"null")
    if not isinstance(said, dict):
        raise ConfigurationError(f"the run {run.run_id!r} has finished without a result")
    declared = run.spec.declared
    output = said["output"]
    if declared is not None and declared.function is None:
        output = declared.value(output)
    earlier = History(decode_message(message) for message in said["earlier"])
    run.result = RunResult(
        output,
        earlier.extended(decode_message(message) for message in said["new"]),
        Usage(**said["usage"]),
        said["cost"],
        run.run_id,
        said["turns"],
        said["tool_calls"],
        said["retries"],
        said["corrections"],
        tuple(said["warnings"]),
        len(earlier),
    )


def recorded(result: RunResult[Any]) -> Mapping[str, Any]:
    """A result as JSON."""
    usage = {name: getattr(result.usage, name) for name in Usage.__dataclass_fields__ if name != "raw"}
    return {
        "output": to_jsonable_python(result.output, fallback=str),
        "earlier": encoded(result.messages[: result.earlier]),
        "new": encoded(result.new_messages),
        "usage": usage,
        "cost": result.cost,
        "turns": result.turns,
        "tool_calls": result.tool_calls,
        "retries": result.retries,
        "corrections": result.corrections,
        "warnings": list(result.warnings),
    }


def _ledger(run: Run) -> Ledger:
    if run.ledger is None:
        raise AssertionError("a run that goes on from a journal has one")
    return run.ledger
