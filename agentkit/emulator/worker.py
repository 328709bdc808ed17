"""Runs a blocking function in a daemon thread of its own.

A brain is the user's code and may block for good; a daemon thread then holds up neither the other requests nor the end
of the program, as the threads of a pool would.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Returned(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


class Workers:
    """The threads that brains run in."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises. When the caller is cancelled its thread is left to itself.

        On asyncio only: the server chooses its own loop, and this is how a thread reaches it without waiting for it.
        """
        import asyncio

        loop, done = asyncio.get_running_loop(), asyncio.Event()
        outcome: list[_Returned[T] | _Raised] = []

        def work() -> None:
            try:
                outcome.append(_Returned(function()))
            except BaseException as error:  # whatever it is, it belongs to the caller and not to this thread
                outcome.append(_Raised(error))
            with self._lock:
                self._threads.discard(threading.current_thread())
            with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=work, name="agentkit-emulator-brain", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        await done.wait()
        ended = outcome[0]
        if isinstance(ended, _Raised):
            raise ended.error
        return ended.value

    def join(self, seconds: float) -> None:
        """Waits until the threads have ended, at most `seconds` for each; one that still blocks is left behind."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(seconds)
