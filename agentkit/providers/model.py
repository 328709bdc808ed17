"""A model behind an HTTP endpoint, whatever its wire: ask, and when that fails mend what was refused, or repeat."""

import ssl
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

import anyio

from agentkit.errors import GatewayError
from agentkit.models import (
    AttemptStarting,
    ModelRequest,
    ModelSettings,
    Profile,
    Respond,
    ResponseEvent,
    ToolDefinition,
)
from agentkit.providers.attempt import Attempt, Knowledge, Mending, Retrying
from agentkit.providers.checks import check_request
from agentkit.providers.delivery import Delivery, HttpDelivery, LatestWire, Line
from agentkit.providers.endpoint import Endpoint, preset_for
from agentkit.providers.gateways import Gateway, Surface
from agentkit.providers.learned import LearnedProfiles, process_profiles
from agentkit.providers.negotiation import fitted
from agentkit.providers.tool_choice import tools_to_send
from agentkit.providers.wire import MakeWire
from agentkit.transport import RetryPolicy, Transport

if TYPE_CHECKING:
    import httpx


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

    A class of models says its `surface` and `make_wire`; one whose answers come in more than one response has a
    `_make_delivery` of its own.

    Making one does no I/O and reads no environment: the key is looked up at the first request.

    Raises:
        ConfigurationError: neither a base URL nor a known gateway, a gateway of another surface, or a URL that is none.
    """

    surface: ClassVar[Surface]
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
        preset = preset_for(self.surface, gateway)
        self.model = model
        self._endpoint = Endpoint(
            model, preset, base_url, api_key, self._fixed_headers() | dict(headers or {}), key_header=self.key_header
        )
        self.base_url = self._endpoint.base_url
        self._gateway = preset
        declared = profile or (preset.profile_of(model) if preset else self._undeclared(self._endpoint.host))
        self._knowledge = Knowledge(learned or process_profiles(), self.surface, self.base_url, model, declared)
        self._settings = settings or ModelSettings()
        self._retry = retry or RetryPolicy()
        self._shared = transport is not None
        self._transport = transport or Transport(http_client=http_client, proxy=proxy, verify=verify)
        self._line = Line(self.name, self._endpoint, self._transport, declared)
        self._delivery = self._make_delivery(self._line, self._retry)
        self._warned = False
        self._entered = 0

    @property
    def name(self) -> str:
        """Gateway (or host) and model id, as in `toapis:gpt-5-4-mini-official`."""
        return f"{self._gateway.name if self._gateway else self._knowledge.declared.gateway}:{self.model}"

    @property
    def profile(self) -> Profile:
        """What it accepts, by declaration and by what it has learned; print it, save it, give it as `profile=`."""
        return self._knowledge.profile

    def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        """See `Model.events`. Attempts follow the retry policy; once a delta was given, only if it says so.

        A refusal that names a parameter costs one more attempt, without a wait, and is remembered. The answer that
        comes then has a warning that says what was changed.
        """
        return self._answer(request, self._delivery, stream=stream)

    async def __aenter__(self) -> Self:
        self._entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        if self._entered == 0 and self._line.active == 0 and not self._shared:
            await self._transport.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, base_url={self.base_url!r})"

    def _fixed_headers(self) -> dict[str, str]:
        """Headers that the surface wants besides the key."""
        return {}

    def _undeclared(self, host: str) -> Profile:
        """The profile of a model that neither a preset nor the caller has described."""
        return Profile(gateway=host)

    def _make_delivery(self, line: Line, retry: RetryPolicy) -> Delivery:
        """The way to the answers of this surface, made once; `retry` is for what it asks on the way."""
        return HttpDelivery(line, LatestWire(partial(type(self).make_wire, self.model)))

    async def _answer(
        self, request: ModelRequest, delivery: Delivery, *, stream: bool
    ) -> AsyncGenerator[ResponseEvent, None]:
        """Attempts one after the other until one is answered: each mended, else retried, else the last."""
        asked = self._settings.merged(request.settings)
        self._warn(asked)
        mending = Mending(self._knowledge, asked, name=self._line.name)
        retrying = Retrying(self._retry, request.deadline, name=self._line.name)
        number = 1
        while True:
            attempt = self._attempt(request, asked, delivery, mending.told, stream=stream)
            yield AttemptStarting(number, attempt.wire.max_tokens(attempt.request))
            shown = False
            try:
                async with aclosing(delivery.deliver(attempt)) as events:
                    async for event in events:
                        shown = True
                        yield event
                return
            except GatewayError as error:
                mended = None if shown else mending.after(error, attempt)
                discarded = retrying.after(error, mended=mended, shown=shown)
                if discarded is None:
                    raise
            yield discarded
            if mended is None:
                await anyio.sleep(discarded.wait)
            number += 1

    def _attempt(
        self, request: ModelRequest, asked: ModelSettings, delivery: Delivery, told: tuple[str, ...], *, stream: bool
    ) -> Attempt:
        """The request as what is known by now has it go out.

        Raises:
            ConfigurationError: it cannot.
            MissingKey: there is no key.
        """
        profile = self.profile
        wire = delivery.wire(profile)
        settings, left_out = fitted(asked, profile, tools=bool(request.tools))
        sent = _fitted(request, settings, tools_to_send(request, profile))
        check_request(sent, profile, self.model)
        body = wire.body(sent, stream=stream)
        return Attempt(wire, profile, sent, body, self._endpoint.headers(), (*told, *left_out), stream)

    def _warn(self, settings: ModelSettings) -> None:
        if not self._warned and settings.temperature is not None and settings.top_p is not None:
            self._warned = True
            warnings.warn(
                f"temperature and top_p are both set for {self.name}: gateways advise to tune one of them",
                stacklevel=2,
            )


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
