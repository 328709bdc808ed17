"""The journal under several processes, and under SIGKILL."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest

from agentkit.journal import Record, SqliteJournal

_WRITER = """
import json, os, sys, anyio
from agentkit.journal import NewRun, Record, SqliteJournal

path, name, runs, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

async def run(journal, run_id):
    new = NewRun(run_id=run_id, agent="a", model="m", fingerprint="f", input_hash="i")
    await journal.begin(new, [], name)
    for number in range(0, count, 3):
        for place in range(number, number + 3):
            journal.append(run_id, name, [Record("messages", json.dumps([run_id, place, "x" * 400]).encode())])
        await journal.durable(run_id)
        os.write(1, f"{run_id} {number + 3}\\n".encode())

async def main():
    journal = SqliteJournal(path)
    async with anyio.create_task_group() as group:
        for number in range(runs):
            group.start_soon(run, journal, f"{name}-{number}")
    await journal.aclose()

anyio.run(main)
"""

_TURNS = """
import sys, anyio
from agentkit.errors import RunConflict, RunUnfinished
from agentkit.journal import NewRun, SqliteJournal

path, name, turns = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def main():
    journal = SqliteJournal(path)
    done = refused = 0
    while done < turns:
        run_id = f"{name}-{done}"
        new = NewRun(run_id=run_id, agent="a", model="m", session="s", fingerprint="f", input_hash="i")
        try:
            await journal.begin(new, [], run_id)
        except RunConflict:
            refused += 1
            continue
        if any(row.status == "running" and row.run_id != run_id for row in await journal.session_runs("s")):
            raise SystemExit("two turns at once")
        await journal.close(run_id, run_id, "finished", [], None)
        done += 1
    await journal.aclose()

anyio.run(main)
"""


def _start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _places(run_id: str, records: list[Record]) -> list[int]:
    """The places that the records were given, after a look at whose they are."""
    decoded = [json.loads(record.data) for record in records]
    assert {found for found, _, _ in decoded} <= {run_id}
    return [place for _, place, _ in decoded]


async def _kept(path: Path) -> dict[str, list[int]]:
    journal = SqliteJournal(path)
    rows = await journal.runs(limit=1_000)
    loaded = {row.run_id: await journal.load(row.run_id) for row in rows}
    await journal.aclose()
    assert {run_id: row.steps for run_id, (row, _) in loaded.items()} == {
        run_id: len(records) for run_id, (_, records) in loaded.items()
    }
    return {run_id: _places(run_id, records) for run_id, (_, records) in loaded.items()}


def _killed_after(path: Path, lines: int) -> dict[str, int]:
    """A writer that is killed when it has printed `lines`; how many records it saw durable, by run."""
    with _start(_WRITER, path, "w", 8, 30_000) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.read().splitlines(keepends=True)
    durable: dict[str, int] = {}
    for line in printed:
        if line.endswith(b"\n"):
            run_id, count = line.split()
            durable[run_id.decode()] = int(count)
    return durable


@pytest.mark.parametrize("seed", range(8))
def test_what_was_durable_before_a_sigkill_is_there_in_order_without_gap_or_repetition(path: Path, seed: int) -> None:
    durable = _killed_after(path, random.Random(seed).randrange(1, 2_000))
    kept = anyio.run(_kept, path)
    assert durable.keys() <= kept.keys()
    for run_id, places in kept.items():
        assert places == list(range(len(places)))
        assert len(places) >= durable.get(run_id, 0)
        assert len(places) % 3 == 0  # what is appended together is kept together


def test_three_processes_write_into_one_file_at_once(path: Path) -> None:
    writers = [_start(_WRITER, path, name, 5, 150) for name in "abc"]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.read()
        assert writer.wait(60) == 0
        writer.stdout.close()
    kept = anyio.run(_kept, path)
    assert kept == {f"{name}-{number}": list(range(150)) for name in "abc" for number in range(5)}


def test_two_processes_never_run_two_turns_of_a_session_at_once(path: Path) -> None:
    speakers = [_start(_TURNS, path, name, 40) for name in "ab"]
    for speaker in speakers:
        assert speaker.wait(60) == 0
        assert speaker.stdout is not None
        speaker.stdout.close()

    async def turns() -> list[str]:
        journal = SqliteJournal(path)
        rows = await journal.session_runs("s")
        await journal.aclose()
        return [row.run_id for row in rows]

    assert Counter(run_id.split("-")[0] for run_id in anyio.run(turns)) == {"a": 40, "b": 40}


def test_a_run_that_was_killed_is_taken_up_by_another_process(path: Path) -> None:
    _killed_after(path, 10)

    async def go_on() -> None:
        journal = SqliteJournal(path, clock=lambda: 4e9)  # long after every lease
        row, records = await journal.load("w-0")
        places = len(records)
        assert (row.status, row.owner) == ("running", "w")
        await journal.take("w-0", "next")
        journal.append("w-0", "next", [Record("messages", json.dumps(["w-0", places, ""]).encode())])
        await journal.close("w-0", "next", "finished", [], b"{}")
        assert _places("w-0", (await journal.load("w-0"))[1]) == list(range(places + 1))
        await journal.aclose()

    anyio.run(go_on)
