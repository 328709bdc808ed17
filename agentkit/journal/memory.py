"""A journal that lasts as long as the process: for tests, and to see what a run writes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from agentkit.journal import refusals
from agentkit.journal.rows import NewRun, Record, RunRow, RunStatus


@dataclass(slots=True)
class _Run:
    row: RunRow
    records: list[Record] = field(default_factory=list[Record])


class MemoryJournal:
    """A `Journal` in memory. `lease` is seconds; `clock` gives Unix seconds."""

    def __init__(self, *, lease: float = 30.0, clock: Callable[[], float] = time.time) -> None:
        self.lease = lease
        self._clock = clock
        self._runs: dict[str, _Run] = {}  # in the order in which they came
        self._sessions: dict[str, list[str]] = {}
        self._leased: dict[str, str] = {}  # who has begun or taken a run here
        self._lost: set[str] = set()  # runs with records that came after the lease was lost

    async def begin(self, row: NewRun, records: Sequence[Record], owner: str) -> RunRow | None:
        found = self._runs.get(row.run_id)
        if found is not None:
            return found.row
        if row.session is not None:
            self._look_at_last(row.session)
            self._sessions.setdefault(row.session, []).append(row.run_id)
        self._runs[row.run_id] = self._new(row, records, "running", owner)
        self._lost.discard(row.run_id)
        self._leased[row.run_id] = owner
        return None

    async def take(self, run_id: str, owner: str) -> RunRow:
        run, now = self._found(run_id), self._clock()
        if run.row.status == "finished":
            raise refusals.finished(run_id)
        if run.row.owner != owner and run.row.alive(now):
            raise refusals.alive(run_id)
        self._lost.discard(run_id)
        self._leased[run_id] = owner
        run.row = replace(run.row, status="running", owner=owner, lease_until=now + self.lease, updated=now)
        return run.row

    def append(self, run_id: str, owner: str, records: Sequence[Record]) -> None:
        leased = self._leased.get(run_id)
        if leased != owner:
            raise refusals.not_leased(run_id) if leased is None else refusals.lost(run_id)
        run, now = self._runs.get(run_id), self._clock()
        if run is None or run.row.owner != owner:
            self._lost.add(run_id)
            return
        run.records.extend(records)
        run.row = replace(run.row, steps=len(run.records), updated=now, lease_until=now + self.lease)

    async def durable(self, run_id: str) -> None:
        if run_id in self._lost:
            raise refusals.lost(run_id)

    async def close(
        self, run_id: str, owner: str, status: RunStatus, records: Sequence[Record], result: bytes | None
    ) -> None:
        run, now = self._owned(run_id, owner), self._clock()
        run.records.extend(records)
        steps = len(run.records)
        run.row = replace(run.row, status=status, steps=steps, updated=now, owner=None, lease_until=None, result=result)
        self._leased.pop(run_id, None)

    async def beat(self, run_id: str, owner: str) -> None:
        run = self._owned(run_id, owner)
        run.row = replace(run.row, lease_until=self._clock() + self.lease)

    async def load(self, run_id: str) -> tuple[RunRow, list[Record]]:
        run = self._found(run_id)
        return run.row, list(run.records)

    async def runs(
        self,
        *,
        session: str | None = None,
        parent: str | None = None,
        status: RunStatus | None = None,
        limit: int = 100,
    ) -> list[RunRow]:
        rows = [
            run.row
            for run in reversed(self._runs.values())
            if session in (None, run.row.session)
            and parent in (None, run.row.parent)
            and status in (None, run.row.status)
        ]
        return rows[:limit]

    async def session_runs(self, session: str) -> list[RunRow]:
        return [self._runs[run_id].row for run_id in self._sessions.get(session, ())]

    async def fork(self, run_id: str, new_id: str, steps: int) -> None:
        source = self._found(run_id)
        if new_id in self._runs:
            raise refusals.exists(new_id)
        if not 0 <= steps <= source.row.steps:
            raise refusals.too_short(source.row, steps)
        row = source.row
        new = NewRun(
            run_id=new_id, agent=row.agent, model=row.model, fingerprint=row.fingerprint, input_hash=row.input_hash
        )
        self._runs[new_id] = self._new(new, source.records[:steps], "paused", None)

    async def discard(self, run_id: str) -> None:
        run, now = self._found(run_id), self._clock()
        if run.row.status == "finished":
            raise refusals.finished(run_id)
        if run.row.alive(now):
            raise refusals.alive(run_id)
        self._leave_session(run.row)
        run.row = replace(run.row, status="failed", session=None, owner=None, lease_until=None, updated=now)

    async def delete(self, run_id: str) -> None:
        run = self._found(run_id)
        if run.row.alive(self._clock()):
            raise refusals.alive(run_id)
        self._leave_session(run.row)
        del self._runs[run_id]

    async def aclose(self) -> None:
        return None

    def _found(self, run_id: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None:
            raise refusals.no_run(run_id)
        return run

    def _owned(self, run_id: str, owner: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None or run.row.owner != owner:
            raise refusals.lost(run_id)
        return run

    def _look_at_last(self, session: str) -> None:
        runs = self._sessions.get(session)
        if runs:
            last = self._runs[runs[-1]].row
            if last.alive(self._clock()):
                raise refusals.alive(last.run_id)
            if last.status != "finished":
                raise refusals.unfinished(last)

    def _leave_session(self, row: RunRow) -> None:
        if row.session is not None:
            self._sessions[row.session].remove(row.run_id)

    def _new(self, new: NewRun, records: Sequence[Record], status: RunStatus, owner: str | None) -> _Run:
        now = self._clock()
        row = RunRow(
            run_id=new.run_id,
            status=status,
            agent=new.agent,
            model=new.model,
            session=new.session,
            parent=new.parent,
            fingerprint=new.fingerprint,
            input_hash=new.input_hash,
            created=now,
            updated=now,
            steps=len(records),
            owner=owner,
            lease_until=None if owner is None else now + self.lease,
            result=None,
        )
        return _Run(row, list(records))
