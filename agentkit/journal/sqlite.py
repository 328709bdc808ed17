"""A journal in a SQLite file of this machine; any number of its processes may use it at once."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from anyio import NoEventLoopError
from anyio.lowlevel import current_token

from agentkit._sqlite import Database, Synchronous, Unusable
from agentkit.errors import StorageError
from agentkit.journal import refusals, tables
from agentkit.journal.line import Line
from agentkit.journal.rows import NewRun, Record, RunRow, RunStatus

T = TypeVar("T")


class SqliteJournal:
    """A `Journal` in a file, made private to its user. All journals of a file share one writer, with group commit.

    What an owner appends in one turn of the event loop is handed to the writer together.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "NORMAL",
        lease: float = 30.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is opened here.

        Args:
            path: the file; its directory must be there.
            synchronous: with NORMAL what is durable survives the end of the process, with FULL the loss of power too.
            lease: seconds after which another process may take a run that was not heard of.
            timeout: seconds to wait while another process writes.
            clock: Unix seconds; the clocks of all processes that use the file must agree.
        """
        self._database = Database(path, tables.SCHEMA, synchronous=synchronous, timeout=timeout)
        self.lease = lease
        self._clock = clock
        self._lines: dict[str, Line] = {}
        self._unsent: list[Line] = []
        self._sends_in: object = None  # the event loop that will send what is unsent

    async def begin(self, row: NewRun, records: Sequence[Record], owner: str) -> RunRow | None:
        now = self._clock()
        found, number = await self._write(
            partial(tables.begin, new=row, records=records, owner=owner, now=now, lease_until=now + self.lease)
        )
        if found is None:
            self._lines[row.run_id] = Line(number, row.run_id, owner, len(records))
        return found

    async def take(self, run_id: str, owner: str) -> RunRow:
        now = self._clock()
        row, number = await self._write(
            partial(tables.take, run_id=run_id, owner=owner, now=now, lease_until=now + self.lease)
        )
        self._lines[run_id] = Line(number, run_id, owner, row.steps)
        return row

    def append(self, run_id: str, owner: str, records: Sequence[Record]) -> None:
        line = self._lines.get(run_id)
        if line is None:
            raise refusals.not_leased(run_id)
        if line.owner != owner:
            raise refusals.lost(run_id)
        line.waiting.extend(records)
        if len(line.waiting) == len(records):  # otherwise it is about to be sent already
            self._unsent.append(line)
            self._send_soon()

    async def durable(self, run_id: str) -> None:
        line = self._lines.get(run_id)
        if line is None:
            return
        self._send(line)
        if line.sent:
            ticket = line.sent[-1][1]
            try:
                await ticket.wait()
            except Exception as error:
                raise _public(line.failure() or error) from error

    async def close(
        self, run_id: str, owner: str, status: RunStatus, records: Sequence[Record], result: bytes | None
    ) -> None:
        line = self._lines.get(run_id)
        if line is not None and line.owner != owner:
            line = None
        if line is not None:
            self._send(line)
            if line.waiting:  # something before was not kept: that is tried again first
                await self.durable(run_id)
        work = partial(
            tables.close,
            run_id=run_id,
            owner=owner,
            start=None if line is None else line.next,
            status=status,
            records=records,
            result=result,
            now=self._clock(),
        )
        try:
            await self._write(work)
        except tables.Gap as error:
            raise _public((line.failure() if line is not None else None) or error) from error
        if line is not None and self._lines.get(run_id) is line:
            del self._lines[run_id]

    async def beat(self, run_id: str, owner: str) -> None:
        await self._write(partial(tables.beat, run_id=run_id, owner=owner, lease_until=self._clock() + self.lease))

    async def load(self, run_id: str) -> tuple[RunRow, list[Record]]:
        return await self._read(partial(tables.load, run_id=run_id))

    async def runs(
        self,
        *,
        session: str | None = None,
        parent: str | None = None,
        status: RunStatus | None = None,
        limit: int = 100,
    ) -> list[RunRow]:
        given = {"session": session, "parent": parent, "status": status}
        wanted = {column: value for column, value in given.items() if value is not None}
        return await self._read(partial(tables.listed, wanted=wanted, limit=limit))

    async def session_runs(self, session: str) -> list[RunRow]:
        return await self._read(partial(tables.session_runs, session=session))

    async def fork(self, run_id: str, new_id: str, steps: int) -> None:
        await self._write(partial(tables.fork, run_id=run_id, new_id=new_id, steps=steps, now=self._clock()))

    async def discard(self, run_id: str) -> None:
        await self._write(partial(tables.discard, run_id=run_id, now=self._clock()))

    async def delete(self, run_id: str) -> None:
        await self._write(partial(tables.delete, run_id=run_id, now=self._clock()))

    async def aclose(self) -> None:
        self._send_all()
        await self._database.aclose()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except Unusable as error:
            raise _public(error) from error

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.read(work)
        except Unusable as error:
            raise _public(error) from error

    def _send(self, line: Line) -> None:
        now = self._clock()
        try:
            line.send(self._database.submit, now, now + self.lease)
        except Unusable as error:
            raise _public(error) from error

    def _send_soon(self) -> None:
        try:
            loop: Any = current_token().native_token
        except NoEventLoopError:  # a thread without one
            self._send_all()
            return
        if loop is not self._sends_in:
            self._sends_in = loop
            soon = getattr(loop, "call_soon", None) or loop.run_sync_soon
            soon(self._send_all)

    def _send_all(self) -> None:
        self._sends_in = None
        lines, self._unsent = self._unsent, []
        for line in lines:
            if line.waiting:
                self._send(line)


def _public(error: BaseException) -> BaseException:
    if isinstance(error, tables.Gap):
        return StorageError("records of the run were lost from the file: it was replaced while it was written")
    return StorageError(str(error)) if isinstance(error, Unusable) else error
