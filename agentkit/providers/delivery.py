"""How a request reaches an endpoint, and its answer the caller.

Above: `ProviderModel`, which makes the attempts and decides what follows a failed one. Below: the transport. A
`Delivery` is one way to the answer; `HttpDelivery` is that of one request and its response, and the default.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import anyio

from agentkit import telemetry
from agentkit.errors import BadRequest, GatewayError, GatewayTimeout, StreamTruncated
from agentkit.models import ModelRequest, ModelResponse, Profile, ResponseCompleted, ResponseEvent
from agentkit.providers.attempt import Attempt
from agentkit.providers.endpoint import Endpoint, Headers
from agentkit.providers.errors import error_from_response, kept_headers
from agentkit.providers.wire import Decoder, Delta, Wire
from agentkit.transport import HttpRequest, HttpResponse, ServerSentEvent, ServerSentEvents, Transport, read

_PATIENCE = 0.5  # seconds for the end of a body after its last event
_SSE_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:")


class Delivery(Protocol):
    """One way to an answer."""

    def wire(self, profile: Profile) -> Wire:
        """The wire that the attempts are made with: the same one for the same profile."""
        ...

    def deliver(self, attempt: Attempt) -> AsyncGenerator[ResponseEvent, None]:
        """The answer to an attempt: its deltas if it is to stream, then `ResponseCompleted`.

        Raises:
            GatewayError: there is no answer.
        """
        ...


class Line:
    """What all requests to an endpoint share: its connections, its secret, and how its refusals are read.

    `name` is the model's in the log. Entered for as long as a request is under way; `active` counts those.
    """

    def __init__(self, name: str, endpoint: Endpoint, transport: Transport, declared: Profile) -> None:
        self.name = name
        self.active = 0
        self._endpoint = endpoint
        self._transport = transport
        self._declared = declared

    @property
    def secret(self) -> str:
        """The key in use, which no error may show."""
        return self._endpoint.secret

    def __enter__(self) -> None:
        self.active += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.active -= 1

    def outgoing(self, path: str, request: ModelRequest, body: bytes, headers: Headers) -> HttpRequest:
        """A body on its way to `path` below the base URL; `request` says how long it may take.

        Raises:
            GatewayTimeout: its deadline is over.
        """
        timeout, connect_timeout = request.settings.timeout or 300.0, 10.0
        if request.deadline is not None:
            left = request.deadline - time.monotonic()
            if left <= 0:
                raise GatewayTimeout("the deadline passed before the request was sent", retryable=False, billed=False)
            timeout, connect_timeout = min(timeout, left), min(connect_timeout, left)
        return HttpRequest(
            self._endpoint.base_url + path,
            headers,
            body,
            timeout=timeout,
            connect_timeout=connect_timeout,
            deadline=request.deadline,
        )

    async def send(self, outgoing: HttpRequest) -> HttpResponse:
        """The response to a request, which is to be closed.

        Raises:
            GatewayError: it could not be had, or is none of success.
        """
        response = await self._transport.send(outgoing)
        if response.status < 300:
            return response
        try:
            raise await self._refusal(response)
        finally:
            await response.aclose()

    def completed(self, answer: ModelResponse, attempt: Attempt, started: float) -> ResponseCompleted:
        """The last event: the answer, with what the attempt has to tell before its own warnings; the log hears of both.

        `started` is a time of `time.monotonic()`.
        """
        telemetry.emit(
            "info",
            "response",
            model=self.name,
            finish_reason=answer.finish_reason,
            input_tokens=answer.usage.input_tokens,
            output_tokens=answer.usage.output_tokens,
            cached_tokens=answer.usage.cached_tokens,
            seconds=round(time.monotonic() - started, 4),
        )
        if attempt.told:
            answer = replace(answer, warnings=(*attempt.told, *answer.warnings))
        for warning in answer.warnings:
            telemetry.emit("warning", "warning", model=self.name, text=warning)
        return ResponseCompleted(answer)

    async def _refusal(self, response: HttpResponse) -> GatewayError:
        body = await read(response)
        gateway = self._declared.gateway
        if response.status < 400:
            target = response.headers.get("location", "elsewhere")
            return BadRequest(
                f"{gateway} redirects to {target}: check base_url={self._endpoint.base_url!r}", status=response.status
            )
        error = error_from_response(response.status, response.headers, body, gateway=gateway, secret=self.secret)
        error.billed = self._declared.failures_billed
        return error


class LatestWire:
    """Gives the wire for a profile, and keeps it until another profile is known."""

    def __init__(self, make: Callable[[Profile], Wire]) -> None:
        self._make = make
        self._latest: tuple[Profile, Wire] | None = None

    def __call__(self, profile: Profile) -> Wire:
        if self._latest is None or self._latest[0] is not profile:
            self._latest = (profile, self._make(profile))
        return self._latest[1]


class HttpDelivery:
    """One request on the wire, from its bytes to its answer."""

    def __init__(self, line: Line, wire: Callable[[Profile], Wire]) -> None:
        self._line = line
        self._wire = wire

    def wire(self, profile: Profile) -> Wire:
        """See `Delivery.wire`."""
        return self._wire(profile)

    async def deliver(self, attempt: Attempt) -> AsyncGenerator[ResponseEvent, None]:
        """See `Delivery.deliver`."""
        started, line, wire = time.monotonic(), self._line, attempt.wire
        outgoing = line.outgoing(wire.path, attempt.request, attempt.body, attempt.headers)
        telemetry.emit("debug", "request", model=line.name, bytes=len(attempt.body), stream=attempt.stream)
        with line:
            response = await line.send(outgoing)
            try:
                decoder = wire.decoder(attempt.request, kept_headers(response.headers), secret=line.secret)
                if attempt.stream and "text/event-stream" in response.headers.get("content-type", "text/event-stream"):
                    async with aclosing(_streamed(response, decoder)) as deltas:
                        async for delta in deltas:
                            yield delta
                    answer = decoder.close()
                else:
                    answer = _whole(await read(response), decoder)
            finally:
                await response.aclose()
        yield line.completed(answer, attempt, started)


async def _streamed(response: HttpResponse, decoder: Decoder) -> AsyncGenerator[Delta, None]:
    parser = ServerSentEvents()
    try:
        async with aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                for event in parser.feed(chunk):
                    for delta in decoder.feed(event):
                        yield delta
                if decoder.done:
                    await _drain(chunks)
                    break
        for delta in _deltas(parser.close(), decoder):
            yield delta
    except GatewayError as error:
        # Some servers break the connection, or fall silent, after the last word; the answer is complete then.
        silent = isinstance(error, (StreamTruncated, GatewayTimeout)) and error.body is None
        if not (decoder.ended and silent):
            error.partial = error.partial or decoder.partial()
            raise
    for delta in decoder.flush():
        yield delta


def _deltas(events: Iterable[ServerSentEvent], decoder: Decoder) -> Iterator[Delta]:
    for event in events:
        yield from decoder.feed(event)


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read to the body's end, so that the connection can be used again; a server that does not end it is left."""
    with anyio.move_on_after(_PATIENCE):
        async for _ in chunks:
            pass


def _whole(body: bytes, decoder: Decoder) -> ModelResponse:
    """A body read to its end: JSON, or the events of a server that streams although it was not asked."""
    if not body.lstrip().startswith(_SSE_STARTS):
        return decoder.plain(body)
    parser = ServerSentEvents()
    for event in [*parser.feed(body), *parser.close()]:
        decoder.feed(event)
    return decoder.close()
