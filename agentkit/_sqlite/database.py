"""A file as its users see it, and the workers of this process: one that writes and one that reads for each file."""

import os
import sqlite3
import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import anyio

from agentkit._sqlite.connection import Schema, Synchronous, Unusable
from agentkit._sqlite.ticket import Ticket
from agentkit._sqlite.worker import Worker

T = TypeVar("T")


class Database:
    """One SQLite file. All objects of a file share its threads, which start with the first work and end with `aclose`.

    Work is a function of a connection, all of it kept or nothing, inside of a transaction that others may share. It
    must not begin, commit or roll back, and is run once more when a neighbour fails. The threads are daemons: work that
    nobody has seen committed may be lost at the end of the process. A fork waits for the current commit; the child
    starts threads of its own.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Schema,
        *,
        synchronous: Synchronous = "NORMAL",
        timeout: float = 5.0,
    ) -> None:
        """`timeout` is how many seconds another process may hold the file's lock. Nothing is opened here.

        With NORMAL what was committed survives the end of the process, with FULL also the loss of power.
        """
        self.path = os.fspath(path)
        self._schema = schema
        self._synchronous: Synchronous = synchronous
        self._timeout = timeout
        self._shared: _File | None = None

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Ticket[T]:
        """Hand in work that writes; returns at once. Work is done in the order in which it is handed in."""
        return self._file().writer.submit(work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work returned, once it is committed. A cancelled caller changes nothing of the work.

        Raises:
            Unusable: the file refused; nothing of the work was kept.
        """
        return await self.submit(work).wait()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work read: everything that was committed before, of one moment.

        Raises:
            Unusable: the file refused.
        """
        return await self._file().reader().submit(work).wait()

    async def aclose(self) -> None:
        """Return when all that was handed in is done; the threads end with the last user of the file.

        The object can be used again afterwards, which opens the file anew.
        """
        file, self._shared = self._shared, None
        if file is None or file.pid != os.getpid():
            return
        with anyio.CancelScope(shield=True):
            workers = _files().left(file)
            for worker in workers:
                await worker.close().wait()
                worker.join()
            if not workers:
                await file.writer.submit(_nothing).wait()

    def _file(self) -> "_File":
        file = self._shared
        if file is None or file.pid != os.getpid():
            file = self._shared = _files().entered(self.path, self._schema, self._synchronous, self._timeout)
        return file


class _File:
    """The workers of one file, and how many use them."""

    def __init__(self, path: str, schema: Schema, synchronous: Synchronous, timeout: float) -> None:
        self.path = path
        self.pid = os.getpid()
        self.users = 0
        self._timeout = timeout
        self._lock = threading.Lock()
        self._reader: Worker | None = None
        self.writer = Worker(path, schema, timeout=timeout, synchronous=synchronous, writes=True)

    def reader(self) -> Worker:
        with self._lock:
            if self._reader is None:
                self._reader = Worker(
                    self.path, self.writer.schema, timeout=self._timeout, synchronous="NORMAL", writes=False
                )
            return self._reader

    def workers(self) -> list[Worker]:
        with self._lock:
            return [self.writer] if self._reader is None else [self._reader, self.writer]


class _Files:
    """The files that are open in this process, by their real path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._paused: list[Worker] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forget)

    def entered(self, path: str, schema: Schema, synchronous: Synchronous, timeout: float) -> _File:
        real = os.path.normcase(os.path.realpath(path))
        with self._lock:
            file = self._files.get(real)
            if file is None:
                file = self._files[real] = _File(real, schema, synchronous, timeout)
            elif file.writer.schema != schema:
                raise Unusable(f"{path!r} is open in this process as a file of another kind")
            file.users += 1
        file.writer.require(synchronous)
        return file

    def left(self, file: _File) -> list[Worker]:
        """The workers to be closed: none while others use the file."""
        with self._lock:
            file.users -= 1
            if file.users:
                return []
            del self._files[file.path]
        return file.workers()

    def _before_fork(self) -> None:
        # SQLite's locks are the process's: a child that inherits a connection believes that it holds them.
        self._lock.acquire()
        self._paused = [worker for file in self._files.values() for worker in file.workers()]
        for worker in self._paused:
            worker.pause()

    def _after_fork(self) -> None:
        for worker in self._paused:
            worker.go_on()
        self._paused = []
        self._lock.release()

    def _forget(self) -> None:
        self._files, self._paused, self._lock = {}, [], threading.Lock()


@cache
def _files() -> _Files:
    """This process's; not made before a file is opened."""
    return _Files()


def _nothing(_connection: sqlite3.Connection) -> None:
    return None
