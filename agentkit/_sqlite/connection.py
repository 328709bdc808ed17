"""A connection to a SQLite file: created private, in WAL mode, with the tables of today; and its errors in words."""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Synchronous = Literal["NORMAL", "FULL"]

_RETRY = 0.01  # seconds; SQLite itself does not wait when two processes switch a file to WAL at once


class Unusable(Exception):
    """The file cannot be used as it is now: full, locked, damaged, not allowed, not ours. `str()` names it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds.

    `application_id` marks the file as ours. `migrations` are steps, each a tuple of SQL statements; a file knows how
    many it has had, and gets the others when it is opened. Steps are only ever added.
    """

    application_id: int
    migrations: tuple[tuple[str, ...], ...]


def connected(path: str, schema: Schema, *, timeout: float, synchronous: Synchronous) -> sqlite3.Connection:
    """A connection without a transaction, that any thread may use, one at a time; the file is created if need be.

    Raises:
        Unusable: the file cannot be opened, is not ours, or was written by a newer version.
        sqlite3.Error: as SQLite says it; `explained` has the words.
    """
    _create(path)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _set_wal(connection, timeout)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        _migrate(connection, path, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def explained(error: BaseException, path: str) -> BaseException:
    """`Unusable`, when the error is the file's or the disk's fault; otherwise the error itself."""
    if not isinstance(error, sqlite3.Error):
        return error
    words = _WORDS.get(code(error))
    if words is None:
        return error
    explanation = Unusable(f"{path!r} {words} ({error})")
    explanation.__cause__ = error
    return explanation


def code(error: BaseException) -> int:
    """SQLite's primary result code, 0 when there is none."""
    extended = getattr(error, "sqlite_errorcode", None)
    if isinstance(extended, int):
        return extended & 0xFF
    return sqlite3.SQLITE_NOTADB if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error) else 0


_WORDS = {
    sqlite3.SQLITE_BUSY: "is locked: another process has been writing for too long; try again",
    sqlite3.SQLITE_LOCKED: "is locked: another process has been writing for too long; try again",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; make room and try again",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk refuses or has no room; nothing was kept of this write",
    sqlite3.SQLITE_READONLY: "cannot be written: the file or its directory is read-only",
    sqlite3.SQLITE_PERM: "cannot be used: access is denied",
    sqlite3.SQLITE_AUTH: "cannot be used: access is denied",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: see whether it is a file and may be read and written",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; give another path",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a copy or give another path",
    sqlite3.SQLITE_PROTOCOL: "cannot be locked; see whether it is on a network drive",
}


def _create(path: str) -> None:
    """Make the file if there is none: what it holds may be private, and SQLite gives -wal and -shm the same mode.

    A file that is there is not opened: closing it again would drop the locks that this process has on it.
    """
    if not path or path == ":memory:":
        raise Unusable(f"{path!r} is no path of a file")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise Unusable(f"{path!r} cannot be created: there is no directory {str(Path(path).parent)!r}") from error
    except OSError as error:
        raise Unusable(f"{path!r} cannot be created: {error.strerror}") from error


def _set_wal(connection: sqlite3.Connection, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_RETRY)


def _migrate(connection: sqlite3.Connection, path: str, schema: Schema) -> None:
    if _version(connection) == len(schema.migrations):
        _check(connection, path, schema)
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be doing the same
    try:
        _check(connection, path, schema)
        for number, step in enumerate(schema.migrations[_version(connection) :], _version(connection) + 1):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        connection.execute(f"PRAGMA application_id={schema.application_id}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check(connection: sqlite3.Connection, path: str, schema: Schema) -> None:
    version, known = _version(connection), len(schema.migrations)
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (things,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if mark != schema.application_id and (mark or version or things):
        raise Unusable(f"{path!r} is a SQLite database of another program; give another path")
    if version > known:
        raise Unusable(
            f"{path!r} was written by a newer version of agentkit (format {version}, this one knows {known}): upgrade"
        )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
