"""A model behind an HTTP endpoint, whatever its wire: send, read, repeat, and mend what was refused."""

import ssl
import time
import warnings
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

import anyio

from agentkit import telemetry
from agentkit.errors import BadRequest, GatewayError, GatewayTimeout, StreamTruncated
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
    ToolDefinition,
)
from agentkit.providers.checks import check_request
from agentkit.providers.endpoint import Endpoint, Headers
from agentkit.providers.errors import error_from_response, kept_headers
from agentkit.providers.gateways import Gateway, gateway_named
from agentkit.providers.learned import LearnedProfiles, process_profiles
from agentkit.providers.negotiation import Lesson, Sent, fitted, lesson, refuses_tools
from agentkit.providers.tool_choice import tools_to_send
from agentkit.providers.wire import Decoder, Delta, MakeWire, Wire
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
_MAX_LESSONS = 12  # for one request; each must lead to a profile that was not tried
_SSE_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:")


class ProviderOptions(TypedDict, total=False):
    """The keyword arguments of `ProviderModel`."""

    base_url: str | None
    api_key: str | None
    gateway: str | Gateway | None
    profile: Profile | None
    settings: ModelSettings | None
    retry: RetryPolicy | None
    headers: Mapping[str, str] | None
    transport: Transport | None
    http_client: "httpx.AsyncClient | None"
    proxy: str | None
    verify: bool | str | ssl.SSLContext
    learned: LearnedProfiles | None


class ProviderModel(Respond):
    """A model id at an endpoint.

    `base_url` is what comes before the surface's own path; it may be left out with `gateway`, the name of a preset,
    whose key variable, limits and prices then hold as well. `profile` says otherwise what the model accepts. `settings`
    hold for each request unless it has its own. `transport` shares connections with other models, and stays the
    caller's to close; `http_client`, `proxy` and `verify` are ways to make one. `learned` is where it keeps what the
    server refused; by default one place for all models of the process.

    Making one does no I/O and reads no environment: the key is looked up at the first request.

    Raises:
        ConfigurationError: neither a base URL nor a known gateway, or a URL that is none.
    """

    surface: ClassVar[str]
    key_header: ClassVar[str] = "authorization"
    make_wire: ClassVar[MakeWire]

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
        learned: LearnedProfiles | None = None,
    ) -> None:
        preset = gateway_named(gateway) if isinstance(gateway, str) else gateway
        self.model = model
        self._endpoint = Endpoint(
            model, preset, base_url, api_key, self._fixed_headers() | dict(headers or {}), key_header=self.key_header
        )
        self.base_url = self._endpoint.base_url
        self._gateway = preset
        self._declared = profile or (preset.profile_of(model) if preset else self._undeclared(self._endpoint.host))
        self._settings = settings or ModelSettings()
        self._retry = retry or RetryPolicy()
        self._learned = learned or process_profiles()
        self._shared = transport is not None
        self._transport = transport or Transport(http_client=http_client, proxy=proxy, verify=verify)
        self._wire: tuple[Profile, Wire] | None = None
        self._warned = False
        self._entered = 0
        self._active = 0

    @property
    def name(self) -> str:
        """Gateway (or host) and model id, as in `toapis:gpt-5-4-mini-official`."""
        return f"{self._gateway.name if self._gateway else self._declared.gateway}:{self.model}"

    @property
    def profile(self) -> Profile:
        """What it accepts, by declaration and by what it has learned; print it, save it, give it as `profile=`."""
        return self._learned.get(self.surface, self.base_url, self.model, self._declared)

    async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        """See `Model.events`. Attempts follow the retry policy; once a delta was given, only if it says so.

        A refusal that names a parameter costs one more attempt, without a wait, and is remembered.
        """
        asked = self._settings.merged(request.settings)
        self._warn(asked)
        headers: Headers | None = None
        seen: list[Profile] = []
        number = retries = 1
        while True:
            profile, wire = self._current()
            settings, left_out = fitted(asked, profile, tools=bool(request.tools))
            sent = _fitted(request, settings, tools_to_send(request, profile))
            check_request(sent, profile, self.model)
            body = wire.body(sent, stream=stream)
            headers = headers or self._endpoint.headers()
            yield AttemptStarting(number, wire.max_tokens(sent))
            shown = False
            try:
                attempt = self._attempt(wire, sent, body, headers, left_out, stream=stream)
                async with aclosing(attempt) as events:
                    async for event in events:
                        shown = True
                        yield event
                return
            except GatewayError as error:
                mended = None if shown else self._mended(error, wire, sent, profile, seen, stream=stream)
                wait = 0.0 if mended is not None else self._wait(error, retries, request.deadline, shown=shown)
                if wait is None:
                    raise
                discarded = self._discarded(error, retries, wait, mended)
            yield discarded
            if mended is None:
                retries += 1
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
        return f"{type(self).__name__}({self.model!r}, base_url={self.base_url!r})"

    def _fixed_headers(self) -> dict[str, str]:
        """Headers that the surface wants besides the key."""
        return {}

    def _undeclared(self, host: str) -> Profile:
        """The profile of a model that neither a preset nor the caller has described."""
        return Profile(gateway=host)

    def _current(self) -> tuple[Profile, Wire]:
        """What is known by now, and the wire for it."""
        profile = self.profile
        if self._wire is None or self._wire[0] is not profile:
            self._wire = (profile, self._make_wire(profile))
        return self._wire

    def _make_wire(self, profile: Profile) -> Wire:
        return type(self).make_wire(self.model, profile)

    async def _attempt(
        self,
        wire: Wire,
        request: ModelRequest,
        body: bytes,
        headers: Headers,
        left_out: tuple[str, ...],
        *,
        stream: bool,
    ) -> AsyncGenerator[ResponseEvent, None]:
        """One request on the wire, from its bytes to its answer."""
        started = time.monotonic()
        outgoing = self._outgoing(wire.path, request, body, headers)
        telemetry.emit("debug", "request", model=self.name, bytes=len(body), stream=stream)
        self._active += 1
        response: HttpResponse | None = None
        try:
            response = await self._transport.send(outgoing)
            if response.status >= 300:
                raise await self._refusal(response)
            decoder = wire.decoder(request, kept_headers(response.headers), secret=self._endpoint.secret)
            if stream and "text/event-stream" in response.headers.get("content-type", "text/event-stream"):
                async with aclosing(self._streamed(response, decoder)) as deltas:
                    async for delta in deltas:
                        yield delta
                completed = decoder.close()
            else:
                completed = _whole(await read(response), decoder)
        finally:
            self._active -= 1
            if response is not None:
                await response.aclose()
        yield ResponseCompleted(self._told(completed, started, left_out))

    def _told(self, completed: ModelResponse, started: float, left_out: tuple[str, ...]) -> ModelResponse:
        """The response with what had to be left out among its warnings; the log hears of both."""
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
        if left_out:
            completed = replace(completed, warnings=(*left_out, *completed.warnings))
        for warning in completed.warnings:
            telemetry.emit("warning", "warning", model=self.name, text=warning)
        return completed

    async def _streamed(self, response: HttpResponse, decoder: Decoder) -> AsyncGenerator[ResponseEvent, None]:
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

    async def _refusal(self, response: HttpResponse) -> GatewayError:
        body = await read(response)
        gateway = self._declared.gateway
        if response.status < 400:
            target = response.headers.get("location", "elsewhere")
            return BadRequest(
                f"{gateway} redirects to {target}: check base_url={self.base_url!r}", status=response.status
            )
        error = error_from_response(
            response.status, response.headers, body, gateway=gateway, secret=self._endpoint.secret
        )
        error.billed = self._declared.failures_billed
        return error

    def _mended(
        self,
        error: GatewayError,
        wire: Wire,
        request: ModelRequest,
        profile: Profile,
        seen: list[Profile],
        *,
        stream: bool,
    ) -> str | None:
        """What was learned from a refusal, when the same request may now be sent in another form; else None."""
        seen.append(profile)
        if not isinstance(error, BadRequest) or len(seen) > _MAX_LESSONS:
            return None
        found = lesson(error, Sent(request, profile, wire.fields, wire.tool_choice(request), stream), seen)
        if found is None:
            if request.tools and refuses_tools(error):
                error.args = (f"{error} The tools were not left out: use a model or channel that takes them.",)
            return None
        known = self._learn(found, profile, error)
        return None if found.replan or known in seen else found.text

    def _learn(self, found: Lesson, sent: Profile, error: GatewayError) -> Profile:
        """What is known now, with what other runs have learned in the meantime."""
        telemetry.emit("warning", "negotiated", model=self.name, text=found.text, status=error.status)
        if found.replan:
            error.learned = found.text
        return self._learned.put(
            self.surface, self.base_url, self.model, self._declared, before=sent, after=found.profile
        )

    def _wait(self, error: GatewayError, number: int, deadline: float | None, *, shown: bool) -> float | None:
        if shown and not self._retry.after_output:
            return None
        wait = self._retry.wait(number, error)
        if wait is not None and deadline is not None and time.monotonic() + wait > deadline:
            return None
        return wait

    def _discarded(self, error: GatewayError, number: int, wait: float, mended: str | None) -> AttemptDiscarded:
        if mended is None:
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
        return AttemptDiscarded(error, Usage(requests=1), error.billed, number, self._retry.retries, wait, mended)

    def _outgoing(self, path: str, request: ModelRequest, body: bytes, headers: Headers) -> HttpRequest:
        timeout, connect_timeout = request.settings.timeout or 300.0, 10.0
        if request.deadline is not None:
            left = request.deadline - time.monotonic()
            if left <= 0:
                raise GatewayTimeout("the deadline passed before the request was sent", retryable=False, billed=False)
            timeout, connect_timeout = min(timeout, left), min(connect_timeout, left)
        return HttpRequest(
            self.base_url + path,
            headers,
            body,
            timeout=timeout,
            connect_timeout=connect_timeout,
            deadline=request.deadline,
        )

    def _warn(self, settings: ModelSettings) -> None:
        if not self._warned and settings.temperature is not None and settings.top_p is not None:
            self._warned = True
            warnings.warn(
                f"temperature and top_p are both set for {self.name}: gateways advise to tune one of them",
                stacklevel=2,
            )


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


def _fitted(request: ModelRequest, settings: ModelSettings, tools: tuple[ToolDefinition, ...]) -> ModelRequest:
    if settings is request.settings and tools is request.tools:
        return request
    return ModelRequest(
        request.messages,
        tools=tools,
        tool_choice=request.tool_choice,
        instructions=request.instructions,
        response_format=request.response_format,
        settings=settings,
        deadline=request.deadline,
    )
