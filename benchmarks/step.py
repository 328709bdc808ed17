"""CPU time of agentkit beside a hand-written httpx loop, in one process, in interleaved rounds.

Run `python benchmarks/step.py [rounds]`; it prints a Markdown table. README.md beside this file says how to read it.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol
from urllib.request import ProxyHandler, build_opener

from hand_written import HandWritten
from with_agentkit import WithAgentkit

HERE = Path(__file__).parent
LENGTHS = (10, 1_000, 3_000)


class Contestant(Protocol):
    name: str

    async def history(self, length: int) -> object: ...
    def talk(self, length: int) -> None: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """`method` of a contestant, done `times` times in each round; one operation sends `requests` requests."""

    title: str
    method: str
    times: int
    requests: int
    length: int | None = None


JOBS = (
    Job("one turn", "turn", 60, 1),
    Job("agent, 10 steps with 1 tool call each", "steps", 8, 11),
    Job("agent, 100 steps with 1 tool call each", "long", 1, 101),
    Job("one step, 100 parallel tool calls", "parallel", 12, 2),
    Job("stream of 2,000 deltas", "stream", 4, 1),
    Job("structured output, 20 nested fields", "structured", 60, 1),
    *(Job(f"one request at history {length:,}", "history", 60, 1, length) for length in LENGTHS),
)


@contextmanager
def scripted_server() -> Iterator[str]:
    """The base URL of a server in a process of its own, so that its CPU time is not counted."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the server has no pipes")
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


async def measured(contestant: Contestant, job: Job) -> tuple[float, object]:
    """CPU microseconds (user and system) per operation, and what the last operation returned."""
    operation: Callable[..., Awaitable[object]] = getattr(contestant, job.method)
    arguments: tuple[int, ...] = ()
    if job.length is not None:
        contestant.talk(job.length)
        arguments = (job.length,)
    result = await operation(*arguments)  # not counted: connects, and meets the history for the first time
    gc.collect()
    started = time.process_time()
    for _ in range(job.times):
        result = await operation(*arguments)
    return (time.process_time() - started) / job.times * 1e6, result


async def rounds_of(contestants: tuple[Contestant, ...], count: int) -> dict[str, list[tuple[float, ...]]]:
    """For each job and round, what each contestant took. Who goes first alternates."""
    taken: dict[str, list[tuple[float, ...]]] = {job.title: [] for job in JOBS}
    for number in range(count):
        for job in JOBS:
            order = contestants if number % 2 else contestants[::-1]
            results = {contestant.name: await measured(contestant, job) for contestant in order}
            answers = [results[contestant.name][1] for contestant in contestants]
            if answers[0] != answers[1]:
                raise SystemExit(f"{job.title}: the contestants returned different things: {answers}")
            taken[job.title].append(tuple(results[contestant.name][0] for contestant in contestants))
        print(f"round {number + 1} of {count}", file=sys.stderr)
    return taken


def check_work(seen: dict[str, int], count: int) -> None:
    """The server saw the same requests, with as many messages and tool results, from each contestant."""
    shares: dict[str, dict[str, int]] = {}
    for key, value in seen.items():
        contestant, _, what = key.partition("/")
        shares.setdefault(contestant, {})[what] = value
    if shares[HandWritten.name] != shares[WithAgentkit.name]:
        raise SystemExit(f"a contestant skipped work: {json.dumps(shares, indent=2)}")
    for method in {job.method for job in JOBS}:
        wanted = sum((job.times + 1) * job.requests * count for job in JOBS if job.method == method)
        if shares[WithAgentkit.name][f"{method}/requests"] != wanted:
            raise SystemExit(f"{method}: {wanted} requests were to be made: {shares[WithAgentkit.name]}")


def import_cpu(statement: str) -> float:
    """CPU milliseconds of `statement` in a fresh interpreter, the interpreter's own start not counted."""
    program = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return float(output) * 1e3


def heavy_modules() -> list[str]:
    """Which of the modules that an import of agentkit must not load it loads all the same."""
    program = "import sys, agentkit; print(*({'httpx', 'jsonschema', 'structlog', 'rich', 'click'} & {*sys.modules}))"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return sorted(output.split())


def print_jobs(taken: dict[str, list[tuple[float, ...]]]) -> None:
    print("| job | requests | httpx by hand, us | agentkit, us | ratio (median of rounds) | lowest | highest |")
    print("|---|---|---|---|---|---|---|")
    for job in JOBS:
        rounds = taken[job.title]
        ratios = sorted(agentkit / raw for raw, agentkit in rounds)
        raw, agentkit = (median(column) for column in zip(*rounds, strict=True))
        print(
            f"| {job.title} | {job.requests} | {raw:,.0f} | {agentkit:,.0f} | **{median(ratios):.2f}** "
            f"| {ratios[0]:.2f} | {ratios[-1]:.2f} |"
        )


def print_slopes(taken: dict[str, list[tuple[float, ...]]]) -> None:
    short, *_, long = (taken[f"one request at history {length:,}"] for length in LENGTHS)
    span = LENGTHS[-1] - LENGTHS[0]
    steps, run = taken[JOBS[1].title], taken[JOBS[2].title]
    print()
    print("| | httpx by hand | agentkit |")
    print("|---|---|---|")
    slopes = [median((b[i] - a[i]) / span for a, b in zip(short, long, strict=True)) for i in (0, 1)]
    print(f"| CPU per message of history per request, us | {slopes[0]:.3f} | **{slopes[1]:.3f}** |")
    growth = [median((b[i] / 101) / (a[i] / 11) for a, b in zip(steps, run, strict=True)) for i in (0, 1)]
    print(f"| a request of the 100-step agent / one of the 10-step agent | {growth[0]:.2f} | **{growth[1]:.2f}** |")


def print_imports(count: int) -> None:
    statements = ("import httpx", "import pydantic", "import agentkit")
    rounds = [[import_cpu(statement) for statement in statements] for _ in range(count)]
    print()
    print("| | CPU ms (median of fresh interpreters) |")
    print("|---|---|")
    for statement, column in zip(statements, zip(*rounds, strict=True), strict=True):
        print(f"| `{statement}` | {median(column):.0f} |")
    print(f"\nHeavy modules loaded by `import agentkit`: {', '.join(heavy_modules()) or 'none'}.")


async def measure(base: str, count: int) -> dict[str, list[tuple[float, ...]]]:
    hand_written, with_agentkit = HandWritten(base), WithAgentkit(base)
    taken = await rounds_of((hand_written, with_agentkit), count)
    await hand_written.aclose()
    await with_agentkit.aclose()
    return taken


def main(count: int) -> None:
    with scripted_server() as base:
        taken = asyncio.run(measure(base, count))
        with build_opener(ProxyHandler({})).open(f"{base}/seen") as response:
            seen: dict[str, int] = json.load(response)
    check_work(seen, count)
    print_jobs(taken)
    print_slopes(taken)
    print_imports(count)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
