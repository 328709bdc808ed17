"""The server: a listening socket on loopback, in a thread and an event loop of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentkit.emulator.gateway import Gateway

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from anyio import CancelScope
    from anyio.abc import SocketStream, TaskStatus

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Running:
    port: int
    cancel: Callable[[], None]  # from any thread


class Server:
    """One running server. Made by `start`; `stop` ends it and every connection to it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self._gateway = gateway
        self._wanted = port
        self._accepted = 0
        self._running: Future[_Running] = Future()
        self._thread = threading.Thread(target=self._run, name="agentkit-emulator", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._running.result().port

    @property
    def connections(self) -> int:
        """How many connections it has accepted."""
        return self._accepted

    def start(self) -> None:
        """Returns when it accepts connections.

        Raises:
            OSError: the port cannot be had.
        """
        self._thread.start()
        self._running.result()

    def stop(self) -> None:
        """Returns when every connection is closed and the thread has ended."""
        self._running.result().cancel()
        self._thread.join()
        self._gateway.join()

    def wait(self) -> None:
        """Returns when the server has stopped; can be interrupted by Ctrl-C on every platform."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def _run(self) -> None:
        import anyio

        try:
            anyio.run(self._main, backend="asyncio")
        except BaseException as error:
            if self._running.done():
                raise
            self._running.set_exception(error)

    async def _main(self) -> None:
        import asyncio

        import anyio
        from anyio.abc import SocketAttribute

        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=self._wanted)
        loop = asyncio.get_running_loop()
        async with listener, anyio.create_task_group() as group:
            await group.start(self._background)
            port = listener.extra(SocketAttribute.local_port)
            self._running.set_result(_Running(port, lambda: _soon(loop, group.cancel_scope)))
            await listener.serve(self._serve)

    async def _background(self, *, task_status: TaskStatus[None]) -> None:
        await self._gateway.background(task_status=task_status)

    async def _serve(self, stream: SocketStream) -> None:
        import anyio

        from agentkit.emulator.connection import Connection

        self._accepted += 1
        try:
            await Connection(stream, self._gateway).serve()
        except Exception as error:  # one connection's bug must not end the others; the client sees it closed
            logging.getLogger("agentkit").debug("the emulator closed a connection: %r", error)
        finally:
            # Shielded: when the server stops the socket must be closed all the same. Closing does not wait.
            with anyio.CancelScope(shield=True):
                await stream.aclose()


def _soon(loop: AbstractEventLoop, scope: CancelScope) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(scope.cancel)
