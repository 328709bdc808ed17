"""A model behind a Chat Completions endpoint: encode, send, decode, and repeat what may be repeated."""

import ssl
import time
import warnings
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import anyio

from agentkit import telemetry
from agentkit.errors import BadRequest, ConfigurationError, GatewayError, GatewayTimeout, StreamTruncated
from agentkit.models import (
    AttemptDiscarded,
    AttemptStarting,
    ModelRequest,
    ModelResponse,
    ModelSettings,
    Profile,
    Respond,
    ResponseCompleted,
    ResponseEvent,
)
from agentkit.providers.chat_completions.decode import Decoder, Delta
from agentkit.providers.chat_completions.encode import Encoder
from agentkit.providers.checks import check_request
from agentkit.providers.errors import error_from_response, kept_headers
from agentkit.providers.gateways import Gateway, gateway_named
from agentkit.providers.keys import resolve_key
from agentkit.transport import (
    HttpRequest,
    HttpResponse,
    RetryPolicy,
    ServerSentEvent,
    ServerSentEvents,
    Transport,
    read,
)
from agentkit.usage import Usage

if TYPE_CHECKING:
    import httpx

_PATIENCE = 0.5  # seconds for the end of a body after its last event
_SSE_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:")


class ChatCompletionsModel(Respond):
    """A model id at an OpenAI-compatible endpoint.

    `base_url` is what comes before `/chat/completions`; it may be left out with `gateway`, the name of a preset, whose
    key variable, limits and prices then hold as well. `profile` says otherwise what the model accepts. `settings` hold
    for each request unless it has its own. `transport` shares connections with other models, and stays the caller's to
    close; `http_client`, `proxy` and `verify` are ways to make one.

    Making one does no I/O and reads no environment: the key is looked up at the first request.

    Raises:
        ConfigurationError: neither a base URL nor a known gateway, or a URL that is none.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        gateway: str | Gateway | None = None,
        profile: Profile | None = None,
        settings: ModelSettings | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        transport: Transport | None = None,
        http_client: "httpx.AsyncClient | None" = None,
        proxy: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
    ) -> None:
        preset = gateway_named(gateway) if isinstance(gateway, str) else gateway
        if preset is None and base_url is None:
            raise ConfigurationError(f"model {model!r} needs base_url=, or gateway= with the name of a known one")
        url = base_url if base_url is not None else preset.base_url if preset is not None else ""
        if "@" in url.partition("://")[2].partition("/")[0]:  # not shown: it may be a secret
            raise ConfigurationError(
                "base_url= holds a user or password, which is not sent: leave it out, and pass headers= or http_client="
            )
        if not _is_http(url):
            raise ConfigurationError(f"base_url={url!r} is not an http or https URL, such as 'https://host/v1'")
        self.model = model
        self.base_url = url.rstrip("/")
        self._gateway = preset
        self._given_key = api_key
        self._key: str | None = None
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._extra_headers = dict(headers or {})
        self._profile = profile or (preset.profile_of(model) if preset else Profile(gateway=_host(url)))
        self._settings = settings or ModelSettings()
        self._retry = retry or RetryPolicy()
        self._shared = transport is not None
        self._transport = transport or Transport(http_client=http_client, proxy=proxy, verify=verify)
        self._encoder = Encoder(model, self._profile)
        self._warned = False
        self._entered = 0
        self._active = 0

    @property
    def name(self) -> str:
        """Gateway (or host) and model id, as in `toapis:gpt-5-4-mini-official`."""
        return f"{self._gateway.name if self._gateway else self._profile.gateway}:{self.model}"

    @property
    def profile(self) -> Profile:
        return self._profile

    async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        """See `Model.events`. Attempts follow the retry policy; once a delta was given, only if it says so."""
        settings = self._settings.merged(request.settings)
        if settings is not request.settings:
            request = _with_settings(request, settings)
        check_request(request, self._profile, self.model)
        self._warn(settings)
        body = self._encoder.body(request, stream=stream)
        headers = self._request_headers()
        number = 1
        while True:
            yield AttemptStarting(number, settings.max_tokens)
            shown = False
            try:
                async with aclosing(self._attempt(request, body, headers, stream=stream)) as attempt:
                    async for event in attempt:
                        shown = True
                        yield event
                return
            except GatewayError as error:
                wait = self._wait(error, number, request.deadline, shown=shown)
                if wait is None:
                    raise
                discarded = self._discarded(error, number, wait)
            yield discarded
            await anyio.sleep(wait)
            number += 1

    async def __aenter__(self) -> Self:
        self._entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        if self._entered == 0 and self._active == 0 and not self._shared:
            await self._transport.aclose()

    def __repr__(self) -> str:
        return f"ChatCompletionsModel({self.model!r}, base_url={self.base_url!r})"

    async def _attempt(
        self, request: ModelRequest, body: bytes, headers: tuple[tuple[str, str], ...], *, stream: bool
    ) -> AsyncGenerator[ResponseEvent, None]:
        """One request on the wire, from its bytes to its answer."""
        started = time.monotonic()
        outgoing = self._outgoing(request, body, headers)
        telemetry.emit("debug", "request", model=self.name, bytes=len(body), stream=stream)
        self._active += 1
        response: HttpResponse | None = None
        try:
            response = await self._transport.send(outgoing)
            if response.status >= 300:
                raise await self._refusal(response)
            names = [tool.name for tool in request.tools]
            decoder = Decoder(self._profile, names, kept_headers(response.headers), secret=self._key or "")
            if stream and "text/event-stream" in response.headers.get("content-type", "text/event-stream"):
                async with aclosing(self._streamed(response, decoder, request.deadline)) as deltas:
                    async for delta in deltas:
                        yield delta
                completed = decoder.close()
            else:
                completed = _whole(await _read(response, request.deadline), decoder)
        finally:
            self._active -= 1
            if response is not None:
                await response.aclose()
        telemetry.emit(
            "info",
            "response",
            model=self.name,
            finish_reason=completed.finish_reason,
            input_tokens=completed.usage.input_tokens,
            output_tokens=completed.usage.output_tokens,
            cached_tokens=completed.usage.cached_tokens,
            seconds=round(time.monotonic() - started, 4),
        )
        for warning in completed.warnings:
            telemetry.emit("warning", "warning", model=self.name, text=warning)
        yield ResponseCompleted(completed)

    async def _streamed(
        self, response: HttpResponse, decoder: Decoder, deadline: float | None
    ) -> AsyncGenerator[ResponseEvent, None]:
        parser = ServerSentEvents()
        try:
            async with aclosing(response.chunks()) as chunks:
                async for chunk in chunks:
                    for delta in _deltas(parser.feed(chunk), decoder):
                        yield delta
                    if decoder.done:
                        await _drain(chunks)
                        break
                    if deadline is not None and time.monotonic() > deadline:
                        raise _too_late()
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

    async def _refusal(self, response: HttpResponse) -> GatewayError:
        body = await read(response)
        if response.status < 400:
            target = response.headers.get("location", "elsewhere")
            return BadRequest(
                f"{self._profile.gateway} redirects to {target}: check base_url={self.base_url!r}",
                status=response.status,
            )
        error = error_from_response(
            response.status, response.headers, body, gateway=self._profile.gateway, secret=self._key or ""
        )
        error.billed = self._profile.failures_billed
        return error

    def _wait(self, error: GatewayError, number: int, deadline: float | None, *, shown: bool) -> float | None:
        if shown and not self._retry.after_output:
            return None
        wait = self._retry.wait(number, error)
        if wait is not None and deadline is not None and time.monotonic() + wait > deadline:
            return None
        return wait

    def _discarded(self, error: GatewayError, number: int, wait: float) -> AttemptDiscarded:
        telemetry.emit(
            "info",
            "retry",
            model=self.name,
            attempt=number,
            of=self._retry.retries,
            wait=round(wait, 3),
            error=type(error).__name__,
            status=error.status,
            text=str(error),
        )
        return AttemptDiscarded(error, Usage(requests=1), error.billed, number, self._retry.retries, wait)

    def _outgoing(self, request: ModelRequest, body: bytes, headers: tuple[tuple[str, str], ...]) -> HttpRequest:
        timeout, connect_timeout = request.settings.timeout or 300.0, 10.0
        if request.deadline is not None:
            left = request.deadline - time.monotonic()
            if left <= 0:
                raise GatewayTimeout("the deadline passed before the request was sent", retryable=False, billed=False)
            timeout, connect_timeout = min(timeout, left), min(connect_timeout, left)
        return HttpRequest(
            f"{self.base_url}/chat/completions", headers, body, timeout=timeout, connect_timeout=connect_timeout
        )

    def _request_headers(self) -> tuple[tuple[str, str], ...]:
        if self._headers is None:
            preset = self._gateway
            # The key in a preset's variable is for the preset's own host; any other host gets what it is given.
            at_home = preset is not None and self.base_url == preset.base_url.rstrip("/")
            variable = preset.key_variable if preset is not None and at_home else None
            required = variable is not None and preset is not None and preset.key_required
            self._key = resolve_key(self._given_key, variable, self._profile.gateway, required=required)
            headers = {"content-type": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "agentkit"}
            if self._key is not None:
                headers["authorization"] = f"Bearer {self._key}"
            headers.update({name.lower(): value for name, value in self._extra_headers.items()})
            headers["host"] = _host(self.base_url)
            self._headers = tuple(headers.items())
        return self._headers

    def _warn(self, settings: ModelSettings) -> None:
        if not self._warned and settings.temperature is not None and settings.top_p is not None:
            self._warned = True
            warnings.warn(
                f"temperature and top_p are both set for {self.name}: gateways advise to tune one of them",
                stacklevel=2,
            )


async def _read(response: HttpResponse, deadline: float | None) -> bytes:
    """The body, however slowly it trickles in."""
    if deadline is None:
        return await read(response)
    with anyio.move_on_after(deadline - time.monotonic()):
        return await read(response)
    raise _too_late()


def _deltas(events: Iterable[ServerSentEvent], decoder: Decoder) -> Iterator[Delta]:
    for event in events:
        yield from decoder.feed(event)


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read to the body's end, so that the connection can be used again; a server that does not end it is left."""
    with anyio.move_on_after(_PATIENCE):
        async for _ in chunks:
            pass


def _too_late() -> GatewayTimeout:
    return GatewayTimeout("the deadline passed in the middle of the answer", retryable=False)


def _whole(body: bytes, decoder: Decoder) -> ModelResponse:
    """A body read to its end: JSON, or the events of a server that streams although it was not asked."""
    if not body.lstrip().startswith(_SSE_STARTS):
        return decoder.plain(body)
    parser = ServerSentEvents()
    for event in [*parser.feed(body), *parser.close()]:
        decoder.feed(event)
    return decoder.close()


def _with_settings(request: ModelRequest, settings: ModelSettings) -> ModelRequest:
    return ModelRequest(
        request.messages,
        tools=request.tools,
        tool_choice=request.tool_choice,
        instructions=request.instructions,
        response_format=request.response_format,
        settings=settings,
        deadline=request.deadline,
    )


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
