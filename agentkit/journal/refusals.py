"""What a journal says when it refuses; the same words whatever it is kept in."""

from agentkit.errors import RunConflict, RunExists, RunUnfinished, UsageError
from agentkit.journal.rows import RunRow


def no_run(run_id: str) -> UsageError:
    return UsageError(f"there is no run {run_id!r} in this journal")


def finished(run_id: str) -> UsageError:
    return UsageError(f"run {run_id!r} is finished: there is nothing to go on with")


def not_leased(run_id: str) -> UsageError:
    return UsageError(f"run {run_id!r} was neither begun nor taken here by this owner: take it first")


def too_short(row: RunRow, steps: int) -> UsageError:
    return UsageError(f"run {row.run_id!r} has {row.steps} records: a fork takes 0 to {row.steps} of them, not {steps}")


def exists(run_id: str) -> RunExists:
    return RunExists(f"there is a run {run_id!r} already: take another id", run_id=run_id)


def alive(run_id: str) -> RunConflict:
    return RunConflict(
        f"run {run_id!r} is running elsewhere: wait for its end, or until its lease expires", run_id=run_id
    )


def lost(run_id: str) -> RunConflict:
    return RunConflict(
        f"run {run_id!r} is no longer ours: another owner has taken it, or it was ended or deleted", run_id=run_id
    )


def unfinished(row: RunRow) -> RunUnfinished:
    return RunUnfinished(
        f"the last run of session {row.session!r}, {row.run_id!r}, is {row.status} and not finished: "
        "resume it or discard it first",
        run_id=row.run_id,
    )
