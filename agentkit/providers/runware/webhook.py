"""A small receiver of webhook calls: one item a call, repeats and unknown tasks dropped.

Its URL has a random path, so only who was told it can deliver. In an application that has a web server already, do not
start it: make it with `public_url`, route that URL to `deliver`, and give it to the model all the same.
"""

import secrets
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import anyio.abc
import h11

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.providers.runware.decode import is_finished, items_of

_MAX_CALL = 16 * 1024 * 1024  # bytes
_PATIENCE = 30.0  # seconds for one call to arrive


class Parcel:
    """What has been delivered for one task. `complete` is set when all of its items are there, or an error is."""

    def __init__(self, wanted: int) -> None:
        self.items: list[dict[str, Any]] = []
        self.errors: list[Any] = []
        self.complete = anyio.Event()
        self._wanted = wanted

    def add(self, item: dict[str, Any]) -> None:
        """Take an item, unless it is there already."""
        if item not in self.items:
            self.items.append(item)
        self._check()

    def fail(self, error: Any) -> None:
        """Take an error, unless it is there already."""
        if error not in self.errors:
            self.errors.append(error)
        self._check()

    def _check(self) -> None:
        if len(self.items) + len(self.errors) >= self._wanted:
            self.complete.set()


class WebhookReceiver:
    """Receives the results of tasks on `host:port` (0: a free port) while it is open as an async context.

    `public_url` is where the gateway reaches it from outside, as `https://me.example/hook`; without one the address
    that it listens on is told to the gateway. `patience` is how many seconds a result may be overdue before it is asked
    for by polling. Everything belongs to the event loop in which it was opened.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, public_url: str | None = None, patience: float = 30.0
    ) -> None:
        self.patience = patience
        self._host, self._port = host, port
        self._public_url = public_url
        self._token = secrets.token_urlsafe(16)
        self._parcels: dict[str, Parcel] = {}
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def url(self) -> str:
        """The webhookURL to give to the gateway.

        Raises:
            ConfigurationError: it neither listens nor has a public URL.
        """
        if self._public_url is not None:
            return f"{self._public_url.rstrip('/')}/{self._token}"
        if self._tasks is None:
            raise ConfigurationError("the receiver does not listen yet: open it with `async with receiver:`")
        return f"http://{self._host}:{self._port}/{self._token}"

    async def __aenter__(self) -> Self:
        listener = await anyio.create_tcp_listener(local_host=self._host, local_port=self._port)
        self._port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(listener.serve, self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(kind, error, traceback)

    def expect(self, task: str, wanted: int) -> Parcel:
        """The parcel of a task that is about to be sent, of `wanted` items."""
        parcel = self._parcels[task] = Parcel(wanted)
        return parcel

    def forget(self, task: str) -> None:
        """Take nothing more for that task."""
        self._parcels.pop(task, None)

    def deliver(self, body: bytes) -> int:
        """Take one call's body; how many of its items were expected. What is no such body counts as none."""
        try:
            value = _json.loads(body)
        except ValueError:
            return 0
        if isinstance(value, list):
            value = {"data": value}
        if not isinstance(value, dict):
            return 0
        taken = 0
        for item in items_of(value) or ([value] if "taskUUID" in value else []):
            parcel = self._parcels.get(str(item.get("taskUUID")))
            if parcel is not None and is_finished(item):
                parcel.add(dict(item))
                taken += 1
        errors = value.get("errors")
        for entry in errors if isinstance(errors, list) else ():
            parcel = self._parcels.get(str(entry.get("taskUUID"))) if isinstance(entry, dict) else None
            if parcel is not None:
                parcel.fail(entry)
                taken += 1
        return taken

    async def _connection(self, stream: anyio.abc.SocketStream) -> None:
        """One call on one connection: read it, take it, answer, close."""
        async with stream:
            with anyio.move_on_after(_PATIENCE):
                try:
                    await self._call(stream)
                except (h11.RemoteProtocolError, anyio.BrokenResourceError, anyio.EndOfStream):
                    return

    async def _call(self, stream: anyio.abc.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MAX_CALL:
                    return
            else:
                break
        if request is None:
            return
        status = self._status(request, bytes(body))
        answer = h11.Response(status_code=status, headers=[("content-length", "0"), ("connection", "close")])
        await stream.send((connection.send(answer) or b"") + (connection.send(h11.EndOfMessage()) or b""))

    def _status(self, request: h11.Request, body: bytes) -> int:
        path = urlsplit(request.target.decode("ascii", errors="replace")).path
        if not secrets.compare_digest(path.rpartition("/")[2].encode(), self._token.encode()):
            return 404
        if request.method != b"POST":
            return 405
        self.deliver(body)
        return 200  # also for what is dropped: a repeat would not be any better known
