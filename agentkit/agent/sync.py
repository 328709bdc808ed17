"""Running a coroutine from code that is not async."""

import contextvars
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, current_token

from agentkit.errors import UsageError

T = TypeVar("T")


def run_sync(function: Callable[[], Awaitable[T]]) -> T:
    """What `await function()` gives, in an event loop of its own, which in a notebook runs in a thread of its own.

    Raises:
        UsageError: an event loop is running in this thread, and it is no notebook's.
    """
    if not _in_event_loop():
        return anyio.run(function)
    if not _in_notebook():
        raise UsageError(
            "an event loop is already running in this thread: await agent.run(...) instead of run_sync(...)"
        )
    return _in_thread(function)


def _in_event_loop() -> bool:
    try:
        current_token()
    except RuntimeError:
        return False
    return True


def _in_notebook() -> bool:
    """Whether an IPython kernel runs this: its cells have a running loop that they cannot await from sync code."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _in_thread(function: Callable[[], Awaitable[T]]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    running: list[tuple[anyio.CancelScope, EventLoopToken]] = []
    ended = threading.Event()
    context = contextvars.copy_context()

    async def cancellable() -> None:
        with anyio.CancelScope() as scope:
            running.append((scope, current_token()))
            results.append(await function())

    def work() -> None:
        try:
            context.run(anyio.run, cancellable)
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, name="agentkit-run-sync", daemon=True).start()
    try:
        ended.wait()
    except KeyboardInterrupt:  # the cell was interrupted: the run must not go on behind its back
        if running and not ended.is_set():
            scope, token = running[0]
            from_thread.run_sync(scope.cancel, token=token)
        ended.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
