"""A daemon thread with a connection of its own: one writes, in group commits; one reads."""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from agentkit._sqlite.connection import Schema, Synchronous, Unusable, code, connected, explained
from agentkit._sqlite.ticket import Ticket, wake

T = TypeVar("T")

_HARMLESS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})


class Worker:
    """Does work on one connection, in the order in which it is handed in.

    All that has come in while a commit ran is committed together. A failure of the file fails what was in that commit
    and nothing else: the thread goes on, with a new connection where the old one may be in doubt.
    """

    def __init__(self, path: str, schema: Schema, *, timeout: float, synchronous: Synchronous, writes: bool) -> None:
        self.schema = schema
        self._path = path
        self._timeout = timeout
        self._synchronous: Synchronous = synchronous
        self._set: Synchronous | None = None  # what the connection has
        self._writes = writes
        self._queue: queue.SimpleQueue[Ticket[Any] | None] = queue.SimpleQueue()
        self._handing_in = threading.Lock()
        self._in_use = threading.Lock()  # held while the connection works
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._last: Ticket[None] = Ticket(_nothing)
        name = "agentkit-writer" if writes else "agentkit-reader"
        self._thread = threading.Thread(target=self._serve, daemon=True, name=name)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Ticket[T]:
        """Hand in work; returns at once.

        Raises:
            Unusable: the worker was closed.
        """
        ticket = Ticket(work)
        with self._handing_in:
            if self._closed:
                raise Unusable(f"{self._path!r} was closed while it was written")
            self._queue.put(ticket)
        return ticket

    def require(self, synchronous: Synchronous) -> None:
        """FULL from the next commit on, if one of the users wants it."""
        if synchronous == "FULL":
            self._synchronous = "FULL"

    def close(self) -> Ticket[None]:
        """Take no more work; the ticket is done when all that was handed in is, and the connection is closed."""
        with self._handing_in:
            self._closed = True
            self._queue.put(None)
        return self._last

    def join(self) -> None:
        """Wait for the end of the thread; call it when the ticket of `close` is done, then it takes no time."""
        self._thread.join()

    def pause(self) -> None:
        """Wait for the current commit, close the connection and start no other: a fork must not find either."""
        self._in_use.acquire()
        self._disconnect()

    def go_on(self) -> None:
        self._in_use.release()

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            came = [self._queue.get()]
            while not self._queue.empty():
                came.append(self._queue.get())
            stopping = came[-1] is None
            batch = [ticket for ticket in came if ticket is not None]
            if batch:
                with self._in_use:
                    self._do(batch)
                wake(batch)
            del came, batch  # what the work held on to is not this thread's
        with self._in_use:
            self._disconnect()
        self._last.run(_NO_CONNECTION)
        wake((self._last,))

    def _do(self, batch: Sequence[Ticket[Any]]) -> None:
        try:
            connection = self._connected()
            if self._writes:
                _commit(connection, batch, self._path)
            else:
                _read(connection, batch, self._path)
        except Exception as error:
            for ticket in batch:
                if ticket.error is None:
                    ticket.error = Unusable(str(error)) if isinstance(error, Unusable) else explained(error, self._path)
            self._recover(error)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._set = self._synchronous
            self._connection = connected(self._path, self.schema, timeout=self._timeout, synchronous=self._set)
            if not self._writes:
                self._connection.execute("PRAGMA query_only=ON")
        elif self._set != self._synchronous:
            self._set = self._synchronous
            self._connection.execute(f"PRAGMA synchronous={self._set}")
        return self._connection

    def _recover(self, error: Exception) -> None:
        if code(error) not in _HARMLESS:
            self._disconnect()
        elif self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _commit(connection: sqlite3.Connection, batch: Sequence[Ticket[Any]], path: str) -> None:
    """Savepoints cost about as much as the work of a journal, so they are left out until something fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for ticket in batch:
            ticket.run(connection)
    except BaseException:  # also SystemExit: it belongs to the work, not to this thread
        if connection.in_transaction:  # else SQLite has rolled it back itself
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        _run_apart(connection, batch, path)
    connection.execute("COMMIT")


def _run_apart(connection: sqlite3.Connection, batch: Sequence[Ticket[Any]], path: str) -> None:
    for ticket in batch:
        try:
            connection.execute("SAVEPOINT work")
            ticket.run(connection)
            connection.execute("RELEASE work")
        except BaseException as error:
            if not connection.in_transaction:
                raise
            ticket.error = explained(error, path)
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")


def _read(connection: sqlite3.Connection, batch: Sequence[Ticket[Any]], path: str) -> None:
    for ticket in batch:
        connection.execute("BEGIN")  # all that one work reads is of one moment
        try:
            ticket.run(connection)
        except BaseException as error:
            ticket.error = explained(error, path)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _nothing(_connection: sqlite3.Connection) -> None:
    return None


_NO_CONNECTION: Any = None
