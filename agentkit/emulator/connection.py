"""One client's connection: bytes to requests, outcomes to bytes. HTTP/1.1 by h11; knows nothing of what is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import anyio
import h11

from agentkit.emulator.dialects import Problem
from agentkit.emulator.exchange import Answer, Outcome, Refused, Silence
from agentkit.emulator.gateway import Gateway

if TYPE_CHECKING:
    from anyio.abc import ByteStream

MAX_BODY = 64 * 1024 * 1024  # bytes
_LAST = {"connection": "close"}
_READ = 64 * 1024  # bytes
_DRAIN = 5.0  # seconds that a client gets to stop sending a body that is too large


@dataclass(frozen=True, slots=True)
class _Incoming:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Serves the requests of one connection, one after the other, until either side closes it."""

    def __init__(self, stream: ByteStream, gateway: Gateway) -> None:
        self._stream = stream
        self._gateway = gateway
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Returns when the connection is done for; a client that goes away is no error."""
        try:
            while await self._one():
                self._http.start_next_cycle()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the client has gone
        except h11.LocalProtocolError:
            pass  # a raw answer that is not HTTP; all that can be done is to close

    async def _one(self) -> bool:
        """Serves one request; whether another may follow."""
        try:
            incoming = await self._receive()
        except Refused as refused:
            await self._write(self._gateway.refusal(refused))
            await self._drain()
            return False
        except h11.RemoteProtocolError as error:
            await self._write(self._gateway.refusal(Refused(Problem(f"this is not HTTP/1.1: {error}"), _LAST)))
            return False
        if incoming is None:
            return False
        outcome = await self._unless_gone(
            lambda: self._gateway.respond(incoming.method, incoming.target, incoming.headers, incoming.body)
        )
        match outcome:
            case Silence():
                return False
            case Answer():
                await self._write(outcome)
                return not outcome.cut and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
            case _:
                assert_never(outcome)

    async def _receive(self) -> _Incoming | None:
        """The next request with its whole body; None when the client has closed.

        Raises:
            Refused: the body is too large.
        """
        request, body, announced, arrived = None, [], 0, 0
        while True:
            event = self._http.next_event()
            match event:
                case h11.NEED_DATA:
                    if self._http.they_are_waiting_for_100_continue:
                        await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                    self._http.receive_data(await self._read())
                case h11.Request():
                    request = event
                    announced = int(dict(event.headers).get(b"content-length", b"0"))
                case h11.Data():
                    body.append(bytes(event.data))
                    arrived += len(event.data)
                case h11.EndOfMessage() if request is not None:
                    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
                    return _Incoming(request.method.decode(), request.target.decode("latin-1"), headers, b"".join(body))
                case _:
                    return None
            if max(announced, arrived) > MAX_BODY:
                problem = Problem(f"the request body is larger than {MAX_BODY} bytes", kind="too_large")
                raise Refused(problem, _LAST)

    async def _read(self) -> bytes:
        try:
            return await self._stream.receive(_READ)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return b""  # h11's word for the end, whichever way the client has left

    async def _unless_gone(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """What `work` gives, or silence when the client goes away before it has.

        A silence that hangs is waited out here too, so that the client's leaving ends it.
        """
        outcome: Outcome = Silence(hang=False)

        async def watch() -> None:
            while data := await self._read():
                self._http.receive_data(data)  # the next request, sent early
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            given = await work()
            if isinstance(given, Silence) and given.hang:
                await anyio.sleep_forever()
            outcome = given
            group.cancel_scope.cancel()
        return outcome

    async def _write(self, answer: Answer) -> None:
        headers = {"server": "agentkit-emulator", **answer.headers} if not answer.verbatim else dict(answer.headers)
        if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
            headers["transfer-encoding"] = "chunked"
        await self._send(h11.Response(status_code=answer.status, headers=list(headers.items())))
        for chunk in answer.chunks:
            if answer.pause:
                await anyio.sleep(answer.pause)
            await self._send(h11.Data(data=chunk))
        if not answer.cut:
            await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            await self._stream.send(data)

    async def _drain(self) -> None:
        """Reads what the client still sends: closing now would make its system drop our answer unread."""
        with anyio.move_on_after(_DRAIN):
            while await self._read():
                pass
