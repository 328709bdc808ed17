"""One SQLite file of a process: group commit, isolation of work, and what happens when the file refuses."""

import os
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit._sqlite import Database, Schema, Unusable

_SCHEMA = Schema(7, (("CREATE TABLE things (name TEXT PRIMARY KEY)",),))
_WAIT = 5.0  # seconds, so that a failing test ends


def _add(name: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO things VALUES (?)", (name,))

    return work


def _names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY rowid")]


@pytest.fixture
def started() -> Callable[[], list[str]]:
    """The names of our threads that have started since; other tests leave some that end by themselves."""
    before = set(threading.enumerate())

    def names() -> list[str]:
        new = set(threading.enumerate()) - before
        return sorted(thread.name for thread in new if thread.name.startswith("agentkit-"))

    return names


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


class _Gate:
    """Work that holds the writer until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _connection: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.opened.wait(_WAIT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(path, _SCHEMA, timeout=0.1)
    yield database
    await database.aclose()


@pytest.mark.anyio
async def test_what_is_written_can_be_read_and_is_there_when_the_file_is_opened_again(path: Path) -> None:
    first = Database(path, _SCHEMA)
    await first.write(_add("a"))
    assert await first.read(_names) == ["a"]
    await first.aclose()

    second = Database(path, _SCHEMA)
    assert await second.read(_names) == ["a"]
    await second.aclose()


def test_nothing_is_opened_and_no_thread_starts_before_the_first_work(
    path: Path, started: Callable[[], list[str]]
) -> None:
    Database(path, _SCHEMA)
    assert not path.exists()
    assert started() == []


@pytest.mark.anyio
async def test_all_work_that_comes_during_a_commit_is_committed_together(database: Database) -> None:
    statements: list[str] = []
    await database.write(lambda connection: connection.set_trace_callback(statements.append))
    gate = _Gate()
    held = database.submit(gate)
    assert gate.entered.wait(_WAIT)
    statements.clear()
    tickets = [database.submit(_add(str(number))) for number in range(200)]
    gate.opened.set()
    with anyio.fail_after(_WAIT):
        await held.wait()
        for ticket in tickets:
            await ticket.wait()
    assert statements.count("COMMIT") == 2  # the gate's, and one for all the others
    assert await database.read(_names) == [str(number) for number in range(200)]


@pytest.mark.anyio
async def test_work_that_fails_takes_nothing_of_its_neighbours_with_it(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        _add("half")(connection)
        raise LookupError("no")

    gate = _Gate()
    database.submit(gate)
    assert gate.entered.wait(_WAIT)
    before, failing, doubled, after = [database.submit(work) for work in (_add("a"), half, _add("a"), _add("b"))]
    gate.opened.set()
    with anyio.fail_after(_WAIT):
        await before.wait()
        with pytest.raises(LookupError, match="no"):
            await failing.wait()
        with pytest.raises(sqlite3.IntegrityError):
            await doubled.wait()
        await after.wait()
    assert await database.read(_names) == ["a", "b"]


@pytest.mark.anyio
async def test_who_is_cancelled_while_waiting_neither_loses_nor_repeats_the_write(database: Database) -> None:
    gate = _Gate()
    database.submit(gate)
    assert gate.entered.wait(_WAIT)
    with anyio.fail_after(_WAIT), anyio.CancelScope() as scope:
        scope.cancel()
        await database.write(_add("a"))
    assert scope.cancelled_caught
    gate.opened.set()
    with anyio.fail_after(_WAIT):
        await database.write(_add("b"))
    assert await database.read(_names) == ["a", "b"]


@pytest.mark.anyio
async def test_databases_of_one_file_share_a_writer_that_ends_with_the_last(
    path: Path, tmp_path: Path, started: Callable[[], list[str]]
) -> None:
    (tmp_path / "link.db").symlink_to(path)
    first, second = Database(path, _SCHEMA), Database(tmp_path / "link.db", _SCHEMA)
    await first.write(_add("a"))
    await second.write(_add("b"))
    await first.read(_names)
    assert started() == ["agentkit-reader", "agentkit-writer"]
    await first.aclose()
    assert await second.read(_names) == ["a", "b"]
    await second.aclose()
    assert started() == []
    assert sorted(os.listdir(tmp_path)) == ["link.db", "things.db"]


@pytest.mark.anyio
async def test_closing_waits_for_all_that_was_handed_in(path: Path) -> None:
    database = Database(path, _SCHEMA)
    for number in range(50):
        database.submit(_add(str(number)))
    await database.aclose()
    with sqlite3.connect(path) as connection:
        assert len(_names(connection)) == 50
    connection.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
@pytest.mark.anyio
async def test_the_files_are_their_users_alone(path: Path, database: Database) -> None:
    before = os.umask(0)
    try:
        await database.write(_add("a"))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"things.db": 0o600, "things.db-wal": 0o600, "things.db-shm": 0o600}


@pytest.mark.anyio
async def test_a_file_that_is_locked_refuses_and_works_again_afterwards(path: Path, database: Database) -> None:
    await database.write(_add("a"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unusable, match=r"things\.db' is locked"):
        await database.write(_add("b"))
    other.execute("ROLLBACK")
    other.close()
    await database.write(_add("c"))
    assert await database.read(_names) == ["a", "c"]


@pytest.mark.anyio
async def test_a_full_disk_refuses_what_does_not_fit_and_works_again_afterwards(database: Database) -> None:
    def limit(pages: int) -> Callable[[sqlite3.Connection], Any]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone()

    await database.write(_add("a"))
    await database.write(limit(1))
    with pytest.raises(Unusable, match=r"things\.db' cannot grow: the disk is full"):
        await database.write(_add("b" * 100_000))
    await database.write(limit(1_000_000))
    await database.write(_add("c"))
    assert await database.read(_names) == ["a", "c"]


async def _refusal(path: Path) -> str:
    database = Database(path, _SCHEMA, timeout=0.1)
    with pytest.raises(Unusable) as caught:
        await database.write(_add("a"))
    await database.aclose()
    return str(caught.value)


@pytest.mark.anyio
async def test_a_file_that_is_no_database_is_refused_by_name_and_left_alone(path: Path) -> None:
    letter = b"not a database, but a letter to grandmother " * 100
    _put(path, letter)
    assert "things.db' is not a SQLite database" in await _refusal(path)
    assert _content(path) == letter


@pytest.mark.anyio
async def test_a_damaged_file_is_refused_by_name(path: Path, database: Database) -> None:
    for number in range(2_000):
        database.submit(_add(f"{number:0100}"))
    await database.aclose()
    content = bytearray(_content(path))
    content[4_096:] = b"\x55" * (len(content) - 4_096)
    _put(path, bytes(content))
    assert "things.db' is damaged" in await _refusal(path)


@pytest.mark.anyio
async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert f"there is no directory {str(tmp_path / 'no')!r}" in await _refusal(tmp_path / "no" / "things.db")


@pytest.mark.anyio
async def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened" in await _refusal(tmp_path)


@pytest.mark.anyio
async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    newer = Database(path, Schema(7, (*_SCHEMA.migrations, ("CREATE TABLE more (x)",))))
    await newer.write(_add("a"))
    await newer.aclose()
    assert "newer version of agentkit (format 2, this one knows 1)" in await _refusal(path)


@pytest.mark.anyio
async def test_a_file_of_an_older_version_gets_the_steps_that_it_lacks(path: Path) -> None:
    older = Database(path, _SCHEMA)
    await older.write(_add("a"))
    await older.aclose()
    newer = Database(path, Schema(7, (*_SCHEMA.migrations, ("ALTER TABLE things ADD COLUMN size INT",))))
    assert await newer.read(lambda c: c.execute("SELECT name, size FROM things").fetchall()) == [("a", None)]
    await newer.aclose()


@pytest.mark.anyio
async def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name)")
    other.close()
    assert "is a SQLite database of another program" in await _refusal(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("customers",)]
    other.close()


_FORK = """
import os, sys, anyio
from agentkit._sqlite import Database, Schema

schema = Schema(7, (("CREATE TABLE things (name TEXT PRIMARY KEY)",),))

async def add(database, name, times):
    for number in range(times):
        await database.write(lambda c: c.execute("INSERT INTO things VALUES (?)", (f"{name}{number}",)))

database = Database(sys.argv[1], schema)
anyio.run(add, database, "before", 20)
for number in range(50):
    database.submit(lambda c, n=number: c.execute("INSERT INTO things VALUES (?)", (f"queued{n}",)))
child = os.fork()
anyio.run(add, database, "child" if child == 0 else "parent", 100)
anyio.run(database.aclose)
if child == 0:
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.anyio
async def test_a_forked_child_writes_with_a_thread_of_its_own(path: Path, database: Database) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _FORK, str(path)]
    with anyio.fail_after(60):
        done = await anyio.run_process(command, check=False)
    assert (done.stdout, done.stderr) == (b"0\n", b"")
    names = await database.read(_names)
    assert sorted(names) == sorted(
        [f"before{n}" for n in range(20)]
        + [f"queued{n}" for n in range(50)]
        + [f"{who}{n}" for who in ("child", "parent") for n in range(100)]
    )
