"""CPU time of a journaled step: 1 to 3 records and a wait until they are durable, twice.

Run `python benchmarks/journal.py [rounds] [backend]`. It prints a Markdown table.
CPU is user and system, of all threads of the process. What a step costs beside its journal is not in it. The last
line is about loading a long run.
"""

import os
import sys
import tempfile
import time
from statistics import median

import anyio

from agentkit.journal import NewRun, Record, SqliteJournal

RUNS = (1, 10, 100)
LENGTHS = (10, 100, 1_000)
STEPS = 2_000  # measured in each round, over all runs
RESPONSE = (Record("messages", b'{"add":["' + b"x" * 700 + b'"]}'), Record("started", b'{"call":0}'))
RESULTS = (Record("answer", b'{"call":0,"text":"' + b"y" * 300 + b'"}'), Record("closed", b"{}"))


async def step(journal: SqliteJournal, run_id: str) -> None:
    for records in (RESPONSE, RESULTS):
        for record in records:
            journal.append(run_id, run_id, [record])
        await journal.durable(run_id)


async def steps(journal: SqliteJournal, run_id: str, count: int) -> None:
    for _ in range(count):
        await step(journal, run_id)


async def in_parallel(journal: SqliteJournal, run_ids: list[str], count: int) -> None:
    async with anyio.create_task_group() as group:
        for run_id in run_ids:
            group.start_soon(steps, journal, run_id, count)


async def measured(path: str, runs: int, length: int) -> float:
    """CPU microseconds of a step, of runs that have `length` steps already."""
    journal = SqliteJournal(path, lease=3_600.0)
    run_ids = [f"run-{number}" for number in range(runs)]
    before = [record for _ in range(length) for record in (*RESPONSE, *RESULTS)]
    for run_id in run_ids:
        new = NewRun(run_id=run_id, agent="a", model="m", fingerprint="f", input_hash="i")
        await journal.begin(new, before, run_id)
    count = max(1, STEPS // runs)
    await in_parallel(journal, run_ids, max(1, count // 20))
    started = time.process_time()
    await in_parallel(journal, run_ids, count)
    spent = time.process_time() - started
    await journal.aclose()
    return spent / (count * runs) * 1e6


async def loading(path: str, length: int) -> float:
    """CPU milliseconds of loading a run of `length` steps."""
    journal = SqliteJournal(path)
    new = NewRun(run_id="long", agent="a", model="m", fingerprint="f", input_hash="i")
    await journal.begin(new, [record for _ in range(length) for record in (*RESPONSE, *RESULTS)], "o")
    started = time.process_time()
    await journal.load("long")
    spent = time.process_time() - started
    await journal.aclose()
    return spent * 1e3


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    backend = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
    print("| runs at once | steps before | CPU us a step, median | lowest | highest |\n|---|---|---|---|---|")
    for runs in RUNS:
        for length in LENGTHS:
            taken = []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as directory:
                    taken.append(anyio.run(measured, os.path.join(directory, "runs.db"), runs, length, backend=backend))
            print(f"| {runs} | {length:,} | {median(taken):.0f} | {min(taken):.0f} | {max(taken):.0f} |", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        spent = anyio.run(loading, os.path.join(directory, "runs.db"), 1_000, backend=backend)
    print(f"\nLoading a run of 1,000 steps: {spent:.1f} ms CPU.")


if __name__ == "__main__":
    main()
