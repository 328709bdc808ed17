"""What a run writes into its journal, and when it waits for it.

Above: `Run`, which notes each change of its state here, and the loop, which waits before each step. Below: the journal,
which keeps records without knowing what is in them. A run without a journal has no ledger and pays nothing.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from pydantic_core import to_jsonable_python

from agentkit import _json, telemetry
from agentkit.errors import RunConflict, StorageError, UsageError
from agentkit.journal import Journal, NewRun, Record, RunRow, RunStatus
from agentkit.runtime.identity import Identity
from agentkit.runtime.result import RunResult
from agentkit.runtime.state import RunState, encoded, folded
from agentkit.usage import Usage


class Ledger:
    """A run's lines in a journal. Lines are written in order; `saved` waits until all are durable."""

    def __init__(
        self, journal: Journal, run_id: str, identity: Identity, *, session: str | None, parent: str | None
    ) -> None:
        self.journal = journal
        self.run_id = run_id
        self.identity = identity
        self.session = session
        self.owner = uuid.uuid4().hex
        self._parent = parent
        self._noted: list[Record] = []
        self._last: list[Record] = []  # goes with the run's result, or before the next line
        self._begun = False
        self._before: RunStatus = "failed"  # the status that a run goes back to when nothing is done with it
        self._closing = False
        self.stopped: StorageError | RunConflict | None = None  # why the run cannot be kept any longer

    def note(self, kind: str, **data: Any) -> None:
        """Write a line; it is not durable yet."""
        records, self._last = [*self._last, Record(kind, _json.dumps(data))], []
        if not self._begun:
            self._noted.extend(records)
            return
        try:
            self.journal.append(self.run_id, self.owner, records)
        except UsageError as error:  # whoever waits for the line is told
            self.stopped = RunConflict(str(error), run_id=self.run_id)

    def note_last(self, kind: str, **data: Any) -> None:
        """Write a line together with the run's result; a run that has none, and no line after it, has not had it."""
        self._last = [Record(kind, _json.dumps(data))]

    async def begin(self) -> RunRow | None:
        """Enter the run with what was noted so far; the row of the run that has this id already, if there is one.

        Raises:
            RunUnfinished, RunConflict: the session's last run stands in the way.
            StorageError: the journal cannot be written.
        """
        identity = self.identity
        row = NewRun(
            run_id=self.run_id,
            agent=identity.agent,
            model=identity.model,
            session=self.session,
            parent=self._parent,
            fingerprint=identity.fingerprint,
            input_hash=identity.input,
        )
        found: RunRow | None = None
        with anyio.CancelScope(shield=True):  # a lease that nobody knows of would last until it expires
            found = await self.journal.begin(row, self._noted, self.owner)
            if found is None:
                self._begun, self._noted = True, []
        return found

    async def take(self, before: RunStatus) -> tuple[RunRow, RunState]:
        """Take over an unfinished run that is `before` by now; its row and its state.

        Raises:
            RunConflict: somebody else is running it.
            UsageError: there is no such run.
        """
        with anyio.CancelScope(shield=True):
            await self.journal.take(self.run_id, self.owner)
            self._begun, self._noted = True, []
        self._before = "failed" if before == "running" else before
        row, records = await self.journal.load(self.run_id)
        return row, folded((record.kind, _json.loads(record.data)) for record in records)

    async def saved(self) -> None:
        """Return when every line is durable.

        Raises:
            StorageError: one could not be written.
            RunConflict: another process has taken the run.
        """
        if self.stopped is not None:
            raise self.stopped
        try:
            await self.journal.durable(self.run_id)
        except (StorageError, RunConflict) as error:
            self.stopped = error
            raise

    async def keep_alive(self, lost: Callable[[RunConflict], object]) -> None:
        """Renew the lease until cancelled; `lost` is told when somebody else has taken the run."""
        while True:
            await anyio.sleep(self.journal.lease / 3)
            try:
                await self.journal.beat(self.run_id, self.owner)
            except RunConflict as error:
                if not self._closing:  # a run that has ended holds no lease
                    lost(error)
                return
            except StorageError as error:  # the next one may succeed; a step that has to be kept says so itself
                telemetry.emit("warning", "warning", run_id=self.run_id, text=str(error))

    async def close(self, status: RunStatus, result: RunResult[Any] | None = None) -> None:
        """The last line, and the end of the lease; durable on return."""
        if not self._begun:
            return
        encoded = None if result is None else _json.dumps(recorded(result, whole=self.session is None))
        records = self._last if status == "finished" else []
        self._closing = True
        try:
            await self.journal.close(self.run_id, self.owner, status, records, encoded)
            self._begun = False
        finally:
            self._closing = not self._begun

    async def leave(self, *, untouched: bool) -> None:
        """End the lease of a run that is not finished; one that nothing was done with is what it was before."""
        await self.close(self._before if untouched else "failed")


def recorded(result: RunResult[Any], *, whole: bool) -> Mapping[str, Any]:
    """A result as JSON; the earlier messages of a session's run stand in the runs before it."""
    usage = {name: getattr(result.usage, name) for name in Usage.__dataclass_fields__ if name != "raw"}
    return {
        "output": to_jsonable_python(result.output, fallback=str),
        "earlier": encoded(result.messages[: result.earlier]) if whole else [],
        "new": encoded(result.new_messages),
        "usage": usage,
        "cost": result.cost,
        "turns": result.turns,
        "tool_calls": result.tool_calls,
        "retries": result.retries,
        "corrections": result.corrections,
        "warnings": list(result.warnings),
    }
