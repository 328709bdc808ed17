"""The journal in a file: group commit, threads, two journals on one file, and a file that refuses."""

import json
import os
import sqlite3
import sys
import threading
from pathlib import Path

import anyio
import pytest

from agentkit.errors import RunConflict, StorageError
from agentkit.journal import NewRun, Record, SqliteJournal

_WAIT = 5.0


def _new(run_id: str, session: str | None = None) -> NewRun:
    return NewRun(run_id=run_id, agent="a", model="m", session=session, fingerprint="f", input_hash="i")


def _record(number: int, size: int = 0) -> Record:
    return Record("messages", json.dumps({"n": number, "text": "x" * size}).encode())


def _numbers(records: list[Record]) -> list[int]:
    return [json.loads(record.data)["n"] for record in records]


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


class _Locked:
    """Another connection that holds the file's write lock."""

    def __init__(self, path: Path) -> None:
        self._other = sqlite3.connect(path, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


@pytest.mark.anyio
async def test_200_runs_at_once_each_keep_their_own_records(path: Path) -> None:
    journal = SqliteJournal(path)

    async def run(name: str) -> None:
        await journal.begin(_new(name), [], name)
        for number in range(0, 20, 2):
            journal.append(name, name, [_record(number)])
            journal.append(name, name, [_record(number + 1)])
            await journal.durable(name)
        await journal.close(name, name, "finished", [_record(20)], None)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(run, f"run-{number}")
    rows = await journal.runs(limit=1_000)
    assert {(row.status, row.steps) for row in rows} == {("finished", 21)}
    for row in rows:
        assert _numbers((await journal.load(row.run_id))[1]) == list(range(21))
    await journal.aclose()


@pytest.mark.anyio
async def test_what_is_appended_without_a_wait_is_written_all_the_same(path: Path) -> None:
    journal, other = SqliteJournal(path), SqliteJournal(path)
    await journal.begin(_new("a"), [], "me")
    journal.append("a", "me", [_record(0)])
    with anyio.fail_after(_WAIT):
        while not (await other.load("a"))[1]:
            await anyio.lowlevel.checkpoint()
    await journal.aclose()
    await other.aclose()


@pytest.mark.anyio
async def test_no_thread_is_left_behind(path: Path) -> None:
    before = set(threading.enumerate())
    journal = SqliteJournal(path)
    await journal.begin(_new("a"), [], "me")
    journal.append("a", "me", [_record(0)])
    await journal.load("a")
    await journal.aclose()
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if thread.name.startswith("agentkit")] == []
    journal = SqliteJournal(path)
    assert _numbers((await journal.load("a"))[1]) == [0]
    await journal.aclose()


@pytest.mark.anyio
async def test_a_wait_that_is_cancelled_neither_loses_nor_repeats_a_record(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.begin(_new("a"), [], "me")
    for number in range(20):
        journal.append("a", "me", [_record(number)])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.durable("a")
        assert scope.cancelled_caught
    journal.append("a", "me", [_record(20)])
    with anyio.fail_after(_WAIT):
        await journal.durable("a")
    assert _numbers((await journal.load("a"))[1]) == list(range(21))
    await journal.aclose()


@pytest.mark.anyio
async def test_another_process_that_took_the_run_stops_who_had_it(path: Path) -> None:
    now = [1_000.0]
    ours, theirs = (SqliteJournal(path, lease=30, clock=lambda: now[0]) for _ in range(2))
    await ours.begin(_new("a"), [_record(0)], "me")
    now[0] += 30
    await theirs.take("a", "you")
    theirs.append("a", "you", [_record(1)])
    await theirs.durable("a")
    ours.append("a", "me", [_record(2)])
    for _ in range(2):
        with pytest.raises(RunConflict):
            await ours.durable("a")
    with pytest.raises(RunConflict):
        await ours.close("a", "me", "finished", [], None)
    assert _numbers((await ours.load("a"))[1]) == [0, 1]
    await ours.aclose()
    await theirs.aclose()


@pytest.mark.anyio
async def test_what_a_locked_file_refuses_is_written_by_the_next_wait(path: Path) -> None:
    journal = SqliteJournal(path, timeout=0.05)
    await journal.begin(_new("a"), [], "me")
    locked = _Locked(path)
    journal.append("a", "me", [_record(0)])
    with pytest.raises(StorageError, match=r"runs\.db' is locked"):
        await journal.durable("a")
    journal.append("a", "me", [_record(1)])
    with pytest.raises(StorageError, match=r"runs\.db' is locked"):
        await journal.durable("a")
    with pytest.raises(StorageError, match=r"runs\.db' is locked"):
        await journal.close("a", "me", "finished", [_record(3)], None)
    locked.release()
    journal.append("a", "me", [_record(2)])
    await journal.close("a", "me", "finished", [_record(3)], None)
    assert _numbers((await journal.load("a"))[1]) == [0, 1, 2, 3]
    await journal.aclose()


@pytest.mark.anyio
async def test_a_damaged_file_and_a_missing_directory_are_storage_errors(path: Path) -> None:
    _put(path, b"\x00\x01 no database" * 1_000)
    for bad in (path, path.parent / "no" / "runs.db"):
        journal = SqliteJournal(bad)
        for attempt in (journal.begin(_new("a"), [], "me"), journal.runs()):
            with pytest.raises(StorageError, match=r"runs\.db'"):
                await attempt
        await journal.aclose()


_FULL = """
import json, resource, sys, anyio
from agentkit.errors import StorageError
from agentkit.journal import NewRun, Record, SqliteJournal

async def main():
    journal = SqliteJournal(sys.argv[1])
    new = NewRun(run_id="a", agent="a", model="m", fingerprint="f", input_hash="i")
    await journal.begin(new, [], "me")
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        for number in range(1_000):
            journal.append("a", "me", [Record("messages", json.dumps({"n": number, "text": "x" * 5_000}).encode())])
            await journal.durable("a")
            kept += 1
    except StorageError as error:
        print(json.dumps([kept, str(error)]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.durable("a")
    await journal.aclose()

anyio.run(main)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of a file's size are POSIX's")
@pytest.mark.anyio
async def test_a_disk_that_fills_up_loses_nothing_and_takes_the_rest_when_there_is_room(path: Path) -> None:
    with anyio.fail_after(60):
        done = await anyio.run_process([sys.executable, "-c", _FULL, str(path)], check=False)
    assert done.stderr == b""
    kept, words = json.loads(done.stdout)
    assert kept > 20
    assert "runs.db' cannot be read or written" in words
    journal = SqliteJournal(path)
    assert _numbers((await journal.load("a"))[1]) == list(range(kept + 1))
    await journal.aclose()
