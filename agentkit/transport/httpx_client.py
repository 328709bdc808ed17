"""httpx behind the `HttpClient` protocol.

Our own pools sit on `httpx.AsyncHTTPTransport`: redirects, cookies and authentication flows, which `httpx.AsyncClient`
adds on top, have no place in a gateway call and cost a third of a request's CPU. A client that the user gives is used
as it is.
"""

import contextlib
import math
import os
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from agentkit.errors import ConnectionFailed, GatewayError, GatewayTimeout, StreamTruncated
from agentkit.transport.http import HttpRequest
from agentkit.transport.inflate import inflated
from agentkit.transport.proxy import proxy_for

_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30.0)

_CLOCK = 0.05  # seconds by which two clocks may disagree


class HttpxClient:
    """One event loop's connections, through httpx."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._proxy = proxy
        self._verify = verify
        self._client = client
        self._transports: dict[tuple[str, str | None], httpx.AsyncHTTPTransport] = {}
        self._routes: dict[str, _Route] = {}  # one for each endpoint; finding one's proxy reads the whole environment

    async def send(self, request: HttpRequest) -> "HttpxResponse":
        if request.deadline is None or _is_kept(request.deadline):
            return await self._answered(request)
        with anyio.move_on_after(request.deadline - time.monotonic()):
            return await self._answered(request)
        raise GatewayTimeout(f"the deadline passed before {_host(request.url)} answered", retryable=False)

    async def aclose(self) -> None:
        transports, self._transports, self._routes = self._transports, {}, {}
        for transport in transports.values():
            await transport.aclose()

    async def _answered(self, request: HttpRequest) -> "HttpxResponse":
        connection = _Connection()
        try:
            return await self._send(request, connection)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            # Some servers close a kept-alive connection without a word. A request that met such a connection was never
            # answered; it goes out once more on a fresh one, and that is no attempt of the caller's.
            if connection.fresh or self._client is not None:
                raise _translated(error, request.url) from error
        except httpx.HTTPError as error:
            raise _translated(error, request.url) from error
        except httpx.InvalidURL as error:
            raise ConnectionFailed(
                f"{request.url!r} is not a URL that can be reached: {error}", retryable=False
            ) from error
        try:
            return await self._send(request, _Connection(), fresh_only=True)
        except httpx.HTTPError as error:
            raise _translated(error, request.url) from error

    async def _send(
        self, request: HttpRequest, connection: "_Connection", *, fresh_only: bool = False
    ) -> "HttpxResponse":
        timeout = {
            "connect": request.connect_timeout,
            "read": request.timeout,
            "write": request.timeout,
            "pool": request.timeout,
        }
        headers = [*request.headers]
        if fresh_only:
            headers.append(("connection", "close"))
        extensions: dict[str, Any] = {"timeout": timeout, "trace": connection.trace}
        route = self._routes.get(request.url) or self._new_route(request.url)
        outgoing = httpx.Request(
            request.method, route.url, headers=headers, content=request.body, extensions=extensions
        )
        outgoing.stream = _Body(request.body)
        if self._client is not None:
            return HttpxResponse(request, await self._client.send(outgoing, stream=True))
        if not fresh_only:
            return HttpxResponse(request, await self._transport(route).handle_async_request(outgoing))
        transport = self._new_transport(route.url.scheme, route.proxy)
        try:
            return HttpxResponse(request, await transport.handle_async_request(outgoing), owned=transport)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await transport.aclose()
            raise

    def _new_route(self, url: str) -> "_Route":
        route = self._routes[url] = _Route(httpx.URL(url), proxy_for(url, self._proxy))
        return route

    def _transport(self, route: "_Route") -> httpx.AsyncHTTPTransport:
        key = (route.url.scheme, route.proxy)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = self._new_transport(*key)
        return transport

    def _new_transport(self, scheme: str, proxy: str | None) -> httpx.AsyncHTTPTransport:
        # Loading certificate authorities takes 20 ms of CPU; plain http has no use for them.
        verify = self._verify if scheme == "https" or (proxy or "").startswith("https") else False
        context = verify if isinstance(verify, ssl.SSLContext) else _ssl_context(verify)
        return httpx.AsyncHTTPTransport(verify=context, limits=_LIMITS, proxy=proxy)


class HttpxResponse:
    """An httpx response behind the `HttpResponse` protocol."""

    def __init__(
        self, request: HttpRequest, response: httpx.Response, owned: httpx.AsyncHTTPTransport | None = None
    ) -> None:
        self._request = request
        self._response = response
        self._owned = owned

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """See `HttpResponse.chunks`: past the layers that httpx has for decoding, which open a whole piece at once."""
        stream, encoding = self._response.stream, self._response.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "deflate") or not isinstance(stream, httpx.AsyncByteStream):
            return self._chunks(self._response.aiter_bytes())
        chunks = self._chunks(aiter(stream))
        return inflated(chunks, encoding) if encoding in ("gzip", "deflate") else chunks

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        except httpx.HTTPError:
            pass  # the connection was already gone
        finally:
            if self._owned is not None:
                await self._owned.aclose()

    async def _chunks(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        deadline, ended = self._request.deadline or math.inf, False
        # Until `late` the read timeout comes before the deadline; after it, each wait needs a scope of its own.
        late = math.inf if _is_kept(deadline) else deadline - self._request.timeout
        try:
            if time.monotonic() < late:
                async for piece in pieces:
                    yield piece
                    if time.monotonic() > late:
                        break
                else:
                    ended = True
            while not ended:
                last = await _next_in_time(pieces, deadline)
                if last is None:
                    ended = True
                else:
                    yield last
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.DecodingError) as error:
            raise StreamTruncated(f"the connection broke in the middle of the answer: {error}") from error
        except httpx.TimeoutException as error:
            raise GatewayTimeout(
                "nothing more of the answer came in time; settings.timeout= sets the longest wait"
            ) from error
        finally:
            if not ended:
                await self._unwind(pieces)

    async def _unwind(self, pieces: AsyncIterator[bytes]) -> None:
        """End a body that was not read to its end.

        httpx reads through five generators inside each other, and closing the outermost leaves the others to the
        garbage collector, which trio warns of. Reading on from a closed connection ends them all.
        """
        with anyio.CancelScope(shield=True):
            await self.aclose()
            with contextlib.suppress(httpx.HTTPError, httpx.StreamError):
                async for _ in pieces:
                    pass


def _is_kept(deadline: float) -> bool:
    """Whether a scope around the caller ends by then anyhow, as that of a run does."""
    left = anyio.current_effective_deadline() - anyio.current_time()
    return left <= deadline - time.monotonic() + _CLOCK


async def _next_in_time(pieces: AsyncIterator[bytes], deadline: float) -> bytes | None:
    """The next piece, None at the end."""
    with anyio.move_on_after(deadline - time.monotonic()):
        return await anext(pieces, None)
    raise GatewayTimeout("the deadline passed in the middle of the answer", retryable=False)


@dataclass(frozen=True, slots=True)
class _Route:
    """A parsed URL and the proxy that leads there."""

    url: httpx.URL
    proxy: str | None


class _Connection:
    """Learns whether a request went out on a connection that was opened for it."""

    __slots__ = ("fresh",)

    def __init__(self) -> None:
        self.fresh = False

    async def trace(self, name: str, _info: object) -> None:
        if name == "connection.connect_tcp.started":
            self.fresh = True


def _ssl_context(verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    return httpx.create_ssl_context(verify=verify, trust_env=True)


def _translated(error: httpx.HTTPError, url: str) -> GatewayError:
    host = _host(url)
    if isinstance(error, httpx.ConnectTimeout):
        return GatewayTimeout(f"cannot connect to {host} in time")
    if isinstance(error, httpx.TimeoutException):
        return GatewayTimeout(f"{host} did not answer in time; settings.timeout= sets the longest wait")
    if isinstance(error, httpx.ConnectError):
        return ConnectionFailed(f"cannot connect to {host}: {_reason(error)}")
    if isinstance(error, httpx.UnsupportedProtocol):
        return ConnectionFailed(f"{urlsplit(url).scheme}://{host} is not an http or https URL", retryable=False)
    if isinstance(error, httpx.RemoteProtocolError) and not str(error).startswith("Server disconnected"):
        return ConnectionFailed(f"{host} answered something that is not HTTP: {error}")
    return ConnectionFailed(f"{host} closed the connection before it answered: {str(error) or type(error).__name__}")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: httpx.ConnectError) -> str:
    """The cause in words that are the same on every event loop: cannot resolve, refused, unreachable, a certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"cannot resolve the name ({cause.strerror})"
        if isinstance(cause, ssl.SSLError):
            return str(cause.strerror or cause)
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        deeper = cause.__cause__ or cause.__context__
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else deeper
    return str(error) or type(error).__name__


class _Body(httpx.AsyncByteStream):
    """A request's body; httpx's own is read through a generator, which a cancelled write leaves behind."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._body)


class _Once:
    """One piece, then nothing."""

    def __init__(self, piece: bytes) -> None:
        self._pieces = [piece]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()
