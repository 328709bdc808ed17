"""The tables of a journal, and what is done to them: functions of a connection, each run inside of one transaction.

A record names the one before it, and a run its last: so all records go to the end of one table, however many runs are
written at once, and adding one costs the same however many there are. `runs.steps` says how many a run has: an append
names the count that it expects, which is how a record can neither be missing nor be there twice.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentkit._sqlite import Schema
from agentkit.journal import refusals
from agentkit.journal.rows import NewRun, Record, RunRow, RunStatus

SCHEMA = Schema(
    application_id=0x41474B4A,  # "AGKJ"
    migrations=(
        (
            """CREATE TABLE runs (
                number INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
                agent TEXT NOT NULL, model TEXT NOT NULL, session TEXT, position INTEGER, parent TEXT,
                fingerprint TEXT NOT NULL, input_hash TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
                steps INTEGER NOT NULL, last INTEGER, owner TEXT, lease_until REAL, result BLOB
            )""",
            "CREATE UNIQUE INDEX runs_of_session ON runs (session, position) WHERE session IS NOT NULL",
            "CREATE INDEX runs_of_parent ON runs (parent) WHERE parent IS NOT NULL",
            "CREATE TABLE records (place INTEGER PRIMARY KEY, before INTEGER, kind TEXT NOT NULL, data BLOB NOT NULL)",
        ),
    ),
)

_COLUMNS = (
    "run_id, status, agent, model, session, parent, fingerprint, input_hash, created, updated, steps, owner, "
    "lease_until, result"
)
_FIRST = (
    "INSERT INTO records (before, kind, data) SELECT last, ?, ? FROM runs WHERE number=? AND owner IS ? AND steps=?"
)
_NEXT = "INSERT INTO records (place, before, kind, data) VALUES (?, ?, ?, ?)"
_KEPT = "UPDATE runs SET last=?, steps=?, updated=?, lease_until=? WHERE number=?"
_CHAIN = """WITH RECURSIVE chain (place, before, kind, data) AS (
    SELECT place, before, kind, data FROM records WHERE place = (SELECT last FROM runs WHERE number=?)
    UNION ALL
    SELECT r.place, r.before, r.kind, r.data FROM chain JOIN records AS r ON r.place = chain.before
)"""


class Gap(Exception):
    """An append before this one was not kept, so this one cannot be."""


@dataclass(frozen=True, slots=True)
class Append:
    """Records that go behind the first `start` of a run, if its lease is still `owner`'s; doing it twice is once."""

    number: int
    run_id: str
    owner: str
    start: int
    records: Sequence[Record]
    now: float
    lease_until: float

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Raises RunConflict when the lease is lost, Gap when the run does not have `start` records."""
        if _add(connection, self.number, self.owner, self.start, self.records, self.now, self.lease_until):
            return
        owned = connection.execute(
            "SELECT steps FROM runs WHERE number=? AND owner=?", (self.number, self.owner)
        ).fetchone()
        if owned is None:
            raise refusals.lost(self.run_id)
        if _records(connection, self.number)[self.start : self.start + len(self.records)] != list(self.records):
            raise Gap


def begin(
    connection: sqlite3.Connection, new: NewRun, records: Sequence[Record], owner: str, now: float, lease_until: float
) -> tuple[RunRow | None, int]:
    """The row that is there already, or None and the number of the new run."""
    found = _row(connection, new.run_id)
    if found is not None:
        return found[0], found[1]
    position = None
    if new.session is not None:
        position = _next_position(connection, new.session, now)
    return None, _create(connection, new, records, "running", owner, now, lease_until, position)


def take(connection: sqlite3.Connection, run_id: str, owner: str, now: float, lease_until: float) -> tuple[RunRow, int]:
    """The row as it is then, and its number."""
    row, number = found(connection, run_id)
    if row.status == "finished":
        raise refusals.finished(run_id)
    if row.owner != owner and row.alive(now):
        raise refusals.alive(run_id)
    connection.execute(
        "UPDATE runs SET status='running', owner=?, lease_until=?, updated=? WHERE number=?",
        (owner, lease_until, now, number),
    )
    return found(connection, run_id)


def beat(connection: sqlite3.Connection, run_id: str, owner: str, lease_until: float) -> None:
    changed = connection.execute(
        "UPDATE runs SET lease_until=? WHERE run_id=? AND owner=?", (lease_until, run_id, owner)
    ).rowcount
    if changed != 1:
        raise refusals.lost(run_id)


def close(
    connection: sqlite3.Connection,
    run_id: str,
    owner: str,
    start: int | None,
    status: RunStatus,
    records: Sequence[Record],
    result: bytes | None,
    now: float,
) -> None:
    """`start` is how many records there should be; None when the caller does not know."""
    run = connection.execute("SELECT number, steps FROM runs WHERE run_id=? AND owner=?", (run_id, owner)).fetchone()
    if run is None:
        raise refusals.lost(run_id)
    number, steps = run
    if start not in (None, steps):
        raise Gap
    _add(connection, number, owner, steps, records, now, None)
    connection.execute(
        "UPDATE runs SET status=?, updated=?, owner=NULL, lease_until=NULL, result=? WHERE number=?",
        (status, now, result, number),
    )


def fork(connection: sqlite3.Connection, run_id: str, new_id: str, steps: int, now: float) -> None:
    row, number = found(connection, run_id)
    if _row(connection, new_id) is not None:
        raise refusals.exists(new_id)
    if not 0 <= steps <= row.steps:
        raise refusals.too_short(row, steps)
    new = NewRun(
        run_id=new_id, agent=row.agent, model=row.model, fingerprint=row.fingerprint, input_hash=row.input_hash
    )
    _create(connection, new, _records(connection, number)[:steps], "paused", None, now, None, None)


def discard(connection: sqlite3.Connection, run_id: str, now: float) -> None:
    row, number = found(connection, run_id)
    if row.status == "finished":
        raise refusals.finished(run_id)
    if row.alive(now):
        raise refusals.alive(run_id)
    connection.execute(
        "UPDATE runs SET status='failed', session=NULL, position=NULL, owner=NULL, lease_until=NULL, updated=? "
        "WHERE number=?",
        (now, number),
    )


def delete(connection: sqlite3.Connection, run_id: str, now: float) -> None:
    row, number = found(connection, run_id)
    if row.alive(now):
        raise refusals.alive(run_id)
    connection.execute(f"{_CHAIN} DELETE FROM records WHERE place IN (SELECT place FROM chain)", (number,))
    connection.execute("DELETE FROM runs WHERE number=?", (number,))


def load(connection: sqlite3.Connection, run_id: str) -> tuple[RunRow, list[Record]]:
    row, number = found(connection, run_id)
    return row, _records(connection, number)


def listed(connection: sqlite3.Connection, wanted: dict[str, str], limit: int) -> list[RunRow]:
    """The newest first; `wanted` is column and value."""
    where = " AND ".join(f"{column}=?" for column in wanted) or "TRUE"
    query = f"SELECT {_COLUMNS} FROM runs WHERE {where} ORDER BY number DESC LIMIT ?"
    return [_as_row(values) for values in connection.execute(query, (*wanted.values(), limit))]


def session_runs(connection: sqlite3.Connection, session: str) -> list[RunRow]:
    query = f"SELECT {_COLUMNS} FROM runs WHERE session=? ORDER BY position"
    return [_as_row(values) for values in connection.execute(query, (session,))]


def found(connection: sqlite3.Connection, run_id: str) -> tuple[RunRow, int]:
    """A run's row and number, or a UsageError."""
    run = _row(connection, run_id)
    if run is None:
        raise refusals.no_run(run_id)
    return run


def _row(connection: sqlite3.Connection, run_id: str) -> tuple[RunRow, int] | None:
    values = connection.execute(f"SELECT {_COLUMNS}, number FROM runs WHERE run_id=?", (run_id,)).fetchone()
    return None if values is None else (_as_row(values[:-1]), values[-1])


def _as_row(values: Sequence[Any]) -> RunRow:
    run_id, status, agent, model, session, parent, fingerprint, input_hash, *rest = values
    created, updated, steps, owner, lease_until, result = rest
    return RunRow(
        run_id=run_id,
        status=status,
        agent=agent,
        model=model,
        session=session,
        parent=parent,
        fingerprint=fingerprint,
        input_hash=input_hash,
        created=created,
        updated=updated,
        steps=steps,
        owner=owner,
        lease_until=lease_until,
        result=result,
    )


def _records(connection: sqlite3.Connection, number: int) -> list[Record]:
    last_first = connection.execute(f"{_CHAIN} SELECT kind, data FROM chain", (number,))
    return [Record(kind, data) for kind, data in last_first][::-1]


def _next_position(connection: sqlite3.Connection, session: str, now: float) -> int:
    query = f"SELECT {_COLUMNS}, position FROM runs WHERE session=? ORDER BY position DESC LIMIT 1"
    values = connection.execute(query, (session,)).fetchone()
    if values is None:
        return 0
    last = _as_row(values[:-1])
    if last.status != "finished":
        raise refusals.alive(last.run_id) if last.alive(now) else refusals.unfinished(last)
    position: int = values[-1]
    return position + 1


def _create(
    connection: sqlite3.Connection,
    new: NewRun,
    records: Sequence[Record],
    status: RunStatus,
    owner: str | None,
    now: float,
    lease_until: float | None,
    position: int | None,
) -> int:
    number = connection.execute(
        f"INSERT INTO runs ({_COLUMNS}, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
        (
            *(new.run_id, status, new.agent, new.model, new.session, new.parent, new.fingerprint, new.input_hash),
            *(now, now, 0, owner, lease_until, position),
        ),
    ).lastrowid
    if number is None:
        raise sqlite3.InternalError("an inserted row has no number")
    _add(connection, number, owner, 0, records, now, lease_until)
    return number


def _add(
    connection: sqlite3.Connection,
    number: int,
    owner: str | None,
    start: int,
    records: Sequence[Record],
    now: float,
    lease_until: float | None,
) -> bool:
    """Put records behind the first `start` of a run; False, and nothing is done, if it is not as it should be."""
    if not records:
        return True
    first = connection.execute(_FIRST, (records[0].kind, records[0].data, number, owner, start))
    if first.rowcount != 1:
        return False
    place = first.lastrowid or 0
    if len(records) > 1:
        more = enumerate(records[1:], place)
        connection.executemany(_NEXT, [(before + 1, before, record.kind, record.data) for before, record in more])
    connection.execute(_KEPT, (place + len(records) - 1, start + len(records), now, lease_until, number))
    return True
