"""Threads for sync tools: daemons of our own, so that one that hangs never delays the end of the process."""

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

import anyio
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, current_token

from agentkit import telemetry


class DaemonThreads:
    """Runs sync functions off the event loop, at most `limit` at once in the process; the rest wait their turn.

    A call that is cancelled while its function runs is abandoned: the thread keeps its place until the function ends,
    and its late result is dropped with a log record.
    """

    def __init__(self, limit: int = 32, *, idle: float = 2.0) -> None:
        """`idle` is how many seconds a thread waits for more work before it ends."""
        self._limit = limit
        self._idle_seconds = idle
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0  # threads without a job
        self._pending = 0  # jobs without a thread

    async def run(self, function: Callable[[], Any], *, name: str = "") -> tuple[Any, BaseException | None]:
        """What `function` returned, or the exception it raised; contextvars are the caller's, copied."""
        job = _Job(function, name, contextvars.copy_context(), current_token())
        self._submit(job)
        try:
            await job.done.wait()
        finally:
            job.abandoned = not job.finished
        return job.value, job.error

    def _submit(self, job: "_Job") -> None:
        with self._lock:
            self._jobs.put(job)
            self._pending += 1
            if self._pending <= self._idle or self._threads >= self._limit:
                return
            self._threads += 1
            self._idle += 1
        threading.Thread(target=self._work, daemon=True, name="agentkit-tool").start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle_seconds)
            except queue.Empty:
                with self._lock:
                    if not self._jobs.empty():
                        continue
                    self._threads -= 1
                    self._idle -= 1
                    return
            with self._lock:
                self._pending -= 1
                self._idle -= 1
            job.run()
            del job  # what the tool returned is the caller's, not this thread's
            with self._lock:
                self._idle += 1


class _Job:
    __slots__ = ("abandoned", "context", "done", "error", "finished", "function", "name", "token", "value")

    def __init__(
        self, function: Callable[[], Any], name: str, context: contextvars.Context, token: EventLoopToken
    ) -> None:
        self.function = function
        self.name = name
        self.context = context
        self.token = token
        self.done = anyio.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.finished = False
        self.abandoned = False

    def run(self) -> None:
        if self.abandoned:  # cancelled before its turn: it never ran
            return
        try:
            self.value = self.context.run(self.function)
        except BaseException as error:  # also SystemExit: it belongs to the call, not to this thread
            self.error = error
        self.finished = True
        if self.abandoned:
            telemetry.emit("warning", "tool", tool=self.name, outcome="late result dropped")
            return
        try:
            from_thread.run_sync(self.done.set, token=self.token)
        except RuntimeError:  # the event loop has ended
            telemetry.emit("warning", "tool", tool=self.name, outcome="late result dropped")
