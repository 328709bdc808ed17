"""The daemon threads in which sync tools run."""

import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import anyio
import pytest

from agentkit import Agent, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.tools import DaemonThreads

_WAIT = 5.0  # seconds, so that a failing test ends


@pytest.mark.anyio
async def test_what_a_function_returns_or_raises_is_handed_back() -> None:
    threads, error = DaemonThreads(), LookupError("no")

    def fail() -> None:
        raise error

    assert await threads.run(lambda: 3) == (3, None)
    assert await threads.run(fail) == (None, error)


@pytest.mark.anyio
async def test_the_callers_context_is_copied() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("caller")

    def read_and_set() -> str:
        before = variable.get()
        variable.set("tool")
        return before

    assert await DaemonThreads().run(read_and_set) == ("caller", None)
    assert variable.get() == "caller"


@pytest.mark.anyio
async def test_all_run_at_once_up_to_the_limit_and_never_more() -> None:
    threads, release = DaemonThreads(3), threading.Event()
    running, most = 0, 0
    lock, full = threading.Lock(), threading.Semaphore(0)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.release()
        release.wait(_WAIT)
        with lock:
            running -= 1

    with anyio.fail_after(_WAIT):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(threads.run, work)
            for _ in range(3):  # three are inside before one is let go
                await anyio.to_thread.run_sync(full.acquire, True, _WAIT)
            assert running == 3
            release.set()
    assert (most, running) == (3, 0)


@pytest.mark.anyio
async def test_a_thread_is_used_again() -> None:
    threads = DaemonThreads(32)
    names = {(await threads.run(threading.get_ident))[0] for _ in range(30)}
    assert len(names) < 15  # the last one may not be back yet when the next job comes


async def _abandoned(threads: DaemonThreads, work: Callable[[], object], began: threading.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: threads.run(work, name="slow"))
        await anyio.to_thread.run_sync(began.wait, _WAIT)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_an_abandoned_function_keeps_its_place_and_its_late_result_is_dropped_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads = DaemonThreads(1)
    began, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def slow() -> str:
        began.set()
        release.wait(_WAIT)
        ran.append("slow")
        return "late"

    with caplog.at_level(logging.WARNING, "agentkit"), anyio.fail_after(_WAIT):
        await _abandoned(threads, slow, began)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, lambda: ran.append("next"))
            await anyio.wait_all_tasks_blocked()
            assert ran == []  # the abandoned one still holds the only place
            release.set()
    assert ran == ["slow", "next"]
    assert [(record.message, vars(record)["tool"], vars(record)["outcome"]) for record in caplog.records] == [
        ("tool", "slow", "late result dropped")
    ]


@pytest.mark.anyio
async def test_a_job_that_is_cancelled_before_its_turn_never_runs() -> None:
    threads = DaemonThreads(1)
    began, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def slow() -> None:
        began.set()
        release.wait(_WAIT)

    with anyio.fail_after(_WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, slow)
            await anyio.to_thread.run_sync(began.wait, _WAIT)
            async with anyio.create_task_group() as queued:
                queued.start_soon(threads.run, lambda: ran.append("queued"))
                await anyio.wait_all_tasks_blocked()
                queued.cancel_scope.cancel()
            release.set()
        await threads.run(lambda: ran.append("after"))
    assert ran == ["after"]


@pytest.mark.anyio
async def test_a_thread_without_work_ends_and_another_is_made_when_there_is_some() -> None:
    threads = DaemonThreads(1, idle=0.001)
    for _ in range(3):
        with anyio.fail_after(_WAIT):
            worker, error = await threads.run(threading.current_thread)
            await anyio.to_thread.run_sync(worker.join, _WAIT)
        assert (error, worker.is_alive(), worker.daemon) == (None, False, True)


def test_a_result_that_comes_after_the_loop_has_ended_is_dropped_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads = DaemonThreads(1, idle=0.001)
    began, release = threading.Event(), threading.Event()
    workers: list[threading.Thread] = []

    def slow() -> None:
        workers.append(threading.current_thread())
        began.set()
        release.wait(_WAIT)

    with caplog.at_level(logging.WARNING, "agentkit"):
        anyio.run(_abandoned, threads, slow, began)
        release.set()
        workers[0].join(_WAIT)
    assert not workers[0].is_alive()
    assert [vars(record)["outcome"] for record in caplog.records] == ["late result dropped"]


_HANGING = """
import threading, anyio
from agentkit.tools import DaemonThreads

async def main():
    began = threading.Event()
    def hang():
        began.set()
        threading.Event().wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(DaemonThreads().run, hang)
        await anyio.to_thread.run_sync(began.wait)
        tasks.cancel_scope.cancel()

anyio.run(main)
print("ended")
"""


def test_a_tool_that_hangs_does_not_delay_the_end_of_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _HANGING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


@pytest.mark.anyio
async def test_the_sync_tools_of_one_turn_all_run_before_one_returns() -> None:
    together = threading.Barrier(8, timeout=_WAIT)

    @tool
    def meet(number: int) -> int:
        together.wait()
        return number

    calls = tuple(Call("meet", {"number": number}) for number in range(8))
    with Emulator([Reply(calls=calls), Reply(text="done")]) as gateway, anyio.fail_after(_WAIT):
        result = await Agent(gateway.model(), tools=[meet]).run("go")
    assert [message.text for message in result.messages[2:-1]] == [str(number) for number in range(8)]
