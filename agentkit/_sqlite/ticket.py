"""What somebody who handed in work holds until it is done, and how a thread wakes those who wait, loop by loop."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import current_token

T = TypeVar("T")


class Ticket(Generic[T]):
    """Work that was handed in. `done` becomes True when it is committed, or has failed with `error`."""

    __slots__ = ("_value", "_waiters", "done", "error", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self.work = work
        self.done = False
        self.error: BaseException | None = None
        self._value: T
        self._waiters: list[tuple[Any, anyio.Event]] = []

    async def wait(self) -> T:
        """What the work returned, once it is committed. Who is cancelled while waiting changes nothing of the work.

        Raises:
            Unusable: the file refused; nothing of the work was kept.
            Exception: what the work raised; nothing of it was kept.
        """
        if not self.done:
            event = anyio.Event()
            self._waiters.append((current_token().native_token, event))
            if not self.done:  # the thread sets `done` before it looks who waits
                await event.wait()
        if self.error is not None:
            raise self.error
        return self._value

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work. It is not done before it is committed."""
        self._value = self.work(connection)

    def finish(self) -> list[tuple[Any, anyio.Event]]:
        """Mark it done; who has to be woken: a loop of asyncio or a token of trio, with an event of it."""
        self.done = True
        return self._waiters


def wake(tickets: Iterable[Ticket[Any]]) -> None:
    """Mark all done and wake who waits for them: each event loop once, however many wait in it."""
    loops: dict[Any, list[anyio.Event]] = {}
    for ticket in tickets:
        for loop, event in ticket.finish():
            loops.setdefault(loop, []).append(event)
    for loop, events in loops.items():
        soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
        try:
            soon(_set_all, events)
        except RuntimeError:  # the loop has ended, and those who waited with it
            continue


def _set_all(events: list[anyio.Event]) -> None:
    for event in events:
        event.set()
