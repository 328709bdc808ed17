"""What a run needs of a journal. The runtime calls it; users may write their own."""

from collections.abc import Sequence
from typing import Protocol

from agentkit.journal.rows import NewRun, Record, RunRow, RunStatus


class Journal(Protocol):
    """Runs and their records. Any coroutine may use it; one run is written by one owner at a time.

    An owner is a string that no other run of this or another process uses. Its lease ends by `close`, or by itself when
    neither `append` nor `beat` has renewed it in time; only then may another owner take the run. Every method but
    `append` may raise `StorageError`: nothing of that call was kept then, and it may be called again.
    """

    @property
    def lease(self) -> float:
        """Seconds that a lease lasts after it was renewed."""
        ...

    async def begin(self, row: NewRun, records: Sequence[Record], owner: str) -> RunRow | None:
        """Create a run with its first records, running and leased to `owner`; None. A run of that id is left as it is,
        and its row returned. A session's run goes to its end, in the same transaction that looks at its last.

        Raises:
            RunConflict: the session's last run is alive.
            RunUnfinished: the session's last run is not finished, and nobody is at it.
        """
        ...

    async def take(self, run_id: str, owner: str) -> RunRow:
        """Lease an unfinished run to go on with it; its row, running.

        Raises:
            RunConflict: another owner's lease has not expired.
            UsageError: there is no such run, or it is finished.
        """
        ...

    def append(self, run_id: str, owner: str, records: Sequence[Record]) -> None:
        """Add records, in order; returns at once, `durable` says when they are kept. Renews the lease.

        Raises:
            UsageError: `owner` has neither begun nor taken the run here.
        """
        ...

    async def durable(self, run_id: str) -> None:
        """Return when all that was appended here to the run is kept. What could not be kept waits for the next call.

        Raises:
            RunConflict: another owner has taken the run, or it was deleted; nothing of ours was kept since.
            StorageError: it could not be kept.
        """
        ...

    async def close(
        self, run_id: str, owner: str, status: RunStatus, records: Sequence[Record], result: bytes | None
    ) -> None:
        """The last records, the status and the end of the lease, all or nothing; kept on return.

        Raises:
            RunConflict: another owner has taken the run.
        """
        ...

    async def beat(self, run_id: str, owner: str) -> None:
        """Renew the lease.

        Raises:
            RunConflict: another owner has taken the run.
        """
        ...

    async def load(self, run_id: str) -> tuple[RunRow, list[Record]]:
        """A run and all its records, in order.

        Raises:
            UsageError: there is no such run.
        """
        ...

    async def runs(
        self,
        *,
        session: str | None = None,
        parent: str | None = None,
        status: RunStatus | None = None,
        limit: int = 100,
    ) -> list[RunRow]:
        """The newest runs, newest first: all, or those that have what is given."""
        ...

    async def session_runs(self, session: str) -> list[RunRow]:
        """The runs of a session, oldest first; empty for a session that has none."""
        ...

    async def fork(self, run_id: str, new_id: str, steps: int) -> None:
        """A new run with the first `steps` records of another: paused, without lease, session and parent.

        Raises:
            RunExists: there is a run `new_id`.
            UsageError: there is no run `run_id`, or it has fewer records.
        """
        ...

    async def discard(self, run_id: str) -> None:
        """Mark an unfinished run as failed and take it out of its session.

        Raises:
            RunConflict: somebody is at it.
            UsageError: there is no such run, or it is finished.
        """
        ...

    async def delete(self, run_id: str) -> None:
        """Forget a run and its records.

        Raises:
            RunConflict: somebody is at it.
            UsageError: there is no such run.
        """
        ...

    async def aclose(self) -> None:
        """Return when all that was appended is kept, or has failed, and let go of the file."""
        ...
