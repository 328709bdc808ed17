"""A small receiver of webhook calls: one item a call, repeats and unknown tasks dropped.

Its URL has a random path, so only who was told it can deliver; what anybody else sends is answered and forgotten. In an
application that has a web server already, do not open it: make it with `public_url`, route that URL's POSTs to
`deliver`, and give it to the model all the same.
"""

import secrets
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import anyio.abc
import h11

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.providers.runware.decode import errors_of, items_of
from agentkit.providers.runware.parcel import Parcel

_MAX_CALL = 16 * 1024 * 1024  # bytes
_PATIENCE = 30.0  # seconds for one call to arrive


class WebhookReceiver:
    """Receives the results of tasks on `host:port` (0: a free port) while it is open as an async context.

    `public_url` is where the gateway reaches it from outside, as `https://me.example/hook`; without one the address
    that it listens on is told to the gateway. `patience` is how many seconds a result may be overdue before it is asked
    for by polling. Everything belongs to the event loop in which it was opened.

    Raises:
        ConfigurationError: `public_url` is no http or https URL, or has a query.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, public_url: str | None = None, patience: float = 30.0
    ) -> None:
        if public_url is not None and not _is_plain(public_url):
            raise ConfigurationError(f"public_url={public_url!r} is no http or https URL without a query")
        self.patience = patience
        self._host, self._port = host, port
        self._public_url = public_url
        self._token = secrets.token_urlsafe(16)
        self._parcels: dict[str, Parcel] = {}
        self._address: str | None = None
        self._listener: anyio.abc.Listener[anyio.abc.SocketStream] | None = None
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def url(self) -> str:
        """The webhookURL to give to the gateway.

        Raises:
            ConfigurationError: it neither listens nor has a public URL.
        """
        root = self._public_url or self._address
        if root is None:
            raise ConfigurationError("the receiver does not listen: open it with `async with receiver:`")
        return f"{root.rstrip('/')}/{self._token}"

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise ConfigurationError("the receiver is open already: make another one")
        try:
            listener = await anyio.create_tcp_listener(local_host=self._host, local_port=self._port)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {self._host}, port {self._port}: {error}") from error
        port: int = listener.extra(anyio.abc.SocketAttribute.local_port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._address = f"http://{host}:{port}"
        self._listener, self._tasks = listener, anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(listener.serve, self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        tasks, listener = self._tasks, self._listener
        self._address = self._tasks = self._listener = None
        if tasks is None or listener is None:
            return
        tasks.cancel_scope.cancel()
        try:
            # What the block raised is not told to the group, which would wrap it; it goes on by itself.
            await tasks.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()

    def expect(self, task: str, wanted: int) -> Parcel:
        """The parcel of a task that is about to be sent, of `wanted` items."""
        parcel = self._parcels[task] = Parcel(task, wanted)
        return parcel

    def forget(self, task: str) -> None:
        """Take nothing more for that task."""
        self._parcels.pop(task, None)

    def deliver(self, body: bytes) -> int:
        """Take one call's body; how many tasks it told something new. What is no such body counts as none."""
        try:
            value = _json.loads(body)
        except ValueError:
            return 0
        if isinstance(value, list):
            value = {"data": value}
        if not isinstance(value, dict):
            return 0
        if "data" not in value and "errors" not in value:
            value = {"data": [value]}
        parcels = [self._parcels[task] for task in dict.fromkeys(_tasks_in(value)) if task in self._parcels]
        return sum(parcel.called(value) for parcel in parcels)

    async def _connection(self, stream: anyio.abc.SocketStream) -> None:
        """One call on one connection: read it, take it, answer, close. Nothing that is sent here may end the server."""
        async with stream:
            with anyio.move_on_after(_PATIENCE):
                try:
                    await self._call(stream)
                except (h11.ProtocolError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                    return

    async def _call(self, stream: anyio.abc.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        status, body, size = 400, bytearray(), 0
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive())
            elif isinstance(event, h11.Request):
                status = self._status(event)
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > _MAX_CALL:
                    status = 413
                    break
                if status == 200:  # what a stranger sends is not kept
                    body += event.data
            else:
                break
        if status == 200:
            self.deliver(bytes(body))  # what is dropped is answered the same: a repeat would not be any better known
        answer = h11.Response(status_code=status, headers=[("content-length", "0"), ("connection", "close")])
        await stream.send((connection.send(answer) or b"") + (connection.send(h11.EndOfMessage()) or b""))

    def _status(self, request: h11.Request) -> int:
        path = request.target.partition(b"?")[0]
        if not secrets.compare_digest(path.rpartition(b"/")[2], self._token.encode()):
            return 404
        return 200 if request.method == b"POST" else 405


def _tasks_in(value: Mapping[str, Any]) -> Iterator[str]:
    """The UUIDs that a body names."""
    for entry in (*items_of(value), *errors_of(value)):
        if isinstance(entry, Mapping) and isinstance(entry.get("taskUUID"), str):
            yield entry["taskUUID"].lower()


def _is_plain(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
