"""Work that goes on when the request that asked for it has been answered. It ends with the server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus


class Background:
    """Runs what it is given, beside the requests, as long as `run` runs."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Takes work until it is cancelled, and cancels it then."""
        import anyio

        async with anyio.create_task_group() as group:
            self._group = group
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._group = None

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begins `work`, which must not raise.

        Raises:
            RuntimeError: no server is running.
        """
        if self._group is None:
            raise RuntimeError("there is no server that could go on with this")
        self._group.start_soon(work)
