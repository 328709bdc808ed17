"""A model behind Runware's task endpoint.

The OpenAI-compatible surface (`"runware:..."`) is the one for agents; this one is for what only tasks can do: several
results of one request, asynchronous delivery, webhooks, and the cost of each answer.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, Unpack

import anyio

from agentkit import _json
from agentkit.errors import ConfigurationError, ConnectionFailed, GatewayError, GatewayTimeout, StreamTruncated
from agentkit.models import ModelRequest, ModelResponse, Profile, ResponseCompleted, ResponseEvent
from agentkit.providers.endpoint import Headers
from agentkit.providers.model import ProviderModel, ProviderOptions
from agentkit.providers.runware.decode import TaskDecoder, is_finished, items_of
from agentkit.providers.runware.encode import (
    DEFAULT_MAX_TOKENS,
    TaskEncoder,
    TaskOptions,
    ToolsPlace,
    get_response,
    task_uuid,
)
from agentkit.providers.runware.webhook import Parcel, WebhookReceiver
from agentkit.providers.wire import Wire
from agentkit.transport import read

Delivery: TypeAlias = Literal["sync", "async"] | WebhookReceiver
"""How a plain answer comes: in the response, by polling, or by webhook and polling when that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """When to ask what became of a task.

    `first` seconds after it was sent, then after `second` seconds; each further wait is `growth` times the last and at
    most `longest`, until `budget` seconds are over. The figures are those of the vendor's SDK.
    """

    first: float = 1.0
    second: float = 0.5
    growth: float = 1.5
    longest: float = 10.0
    budget: float = 1200.0


_WIRE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "maxTokens": "max_tokens",
        "topP": "top_p",
        "thinkingLevel": "reasoning_effort",
        "presencePenalty": "presence_penalty",
        "frequencyPenalty": "frequency_penalty",
        "stopSequences": "stop",
    }
)


class TaskWire:
    """`textInference`, for one model id and one profile."""

    path = ""
    fields: Mapping[str, str] = _WIRE_NAMES

    def __init__(self, model: str, profile: Profile, *, options: TaskOptions, experimental_tools: bool) -> None:
        self._profile = profile
        self._encoder = TaskEncoder(model, profile, options)
        self._experimental_tools = experimental_tools

    def tool_choice(self, request: ModelRequest) -> str | None:
        """See `Wire.tool_choice`."""
        choice = request.tool_choice if request.tools else None
        return choice if choice in (None, "auto", "none", "required") else "named"

    def max_tokens(self, request: ModelRequest) -> int | None:
        """See `Wire.max_tokens`."""
        asked = request.settings.max_tokens
        return DEFAULT_MAX_TOKENS if asked is None else asked

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """See `Wire.body`."""
        if request.tools and not self._experimental_tools:
            raise ConfigurationError(
                "runware does not document how its task API answers with tool calls: use 'runware:' for the "
                "OpenAI-compatible surface, or RunwareModel(..., experimental_tools=True) to try it"
            )
        return self._encoder.body(request, stream=stream)

    def decoder(self, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> TaskDecoder:
        """See `Wire.decoder`."""
        return TaskDecoder(self._profile, request, headers, secret=secret)


class RunwareModel(ProviderModel):
    """A model id at Runware's task API, as in `openai:gpt@5.4-mini`; `gateway` is `"runware/tasks"` by default.

    `delivery` says how plain answers come; streamed ones come as a stream. `polling` holds for all but `"sync"`. Tools
    need `experimental_tools`, because no document says how calls come back; `tools_place` is where they go. The rest is
    `ProviderModel`'s. A retry is a new task; an answer that was lost on its way is asked for by the old task's UUID.
    """

    surface = "tasks"

    def __init__(
        self,
        model: str,
        *,
        delivery: Delivery = "sync",
        polling: Polling | None = None,
        experimental_tools: bool = False,
        tools_place: ToolsPlace = "task",
        results: int = 1,
        **options: Unpack[ProviderOptions],
    ) -> None:
        if options.get("base_url") is None and options.get("gateway") is None:
            options["gateway"] = "runware/tasks"
        super().__init__(model, **options)
        self._options = options
        self._delivery: Delivery = delivery
        self._polling = polling or Polling()
        self._experimental_tools = experimental_tools
        self._tools_place: ToolsPlace = tools_place
        self._results = results

    async def variations(self, request: ModelRequest, number: int) -> tuple[ModelResponse | GatewayError, ...]:
        """`number` answers (1 to 4) to one request, those that failed as errors, in the order in which they came.

        Raises:
            ConfigurationError: `number` is not 1 to 4, or the request has tools.
            GatewayError: there is not one answer.
        """
        options = self._options.copy()
        options["transport"], options["http_client"] = self._transport, None
        model = RunwareModel(
            self.model,
            delivery=self._delivery,
            polling=self._polling,
            experimental_tools=self._experimental_tools,
            tools_place=self._tools_place,
            results=number,
            **options,
        )
        response = await model.respond(request)
        _, wire = model._current()
        decoder = wire.decoder(request, response.headers, secret=self._endpoint.secret)
        if not isinstance(decoder, TaskDecoder):
            raise AssertionError("the wire of tasks reads tasks")
        return tuple(decoder.results(response.raw))

    def _make_wire(self, profile: Profile) -> Wire:
        webhook = self._delivery.url if isinstance(self._delivery, WebhookReceiver) else None
        options = TaskOptions(self._results, self._tools_place, webhook, self._delivery != "sync")
        return TaskWire(self.model, profile, options=options, experimental_tools=self._experimental_tools)

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
        if stream or self._delivery == "sync":
            async with aclosing(super()._attempt(wire, request, body, headers, left_out, stream=stream)) as events:
                async for event in events:
                    yield event
            return
        started = time.monotonic()
        self._active += 1
        try:
            answer = await self._delivered(request, body, headers)
        finally:
            self._active -= 1
        decoder = wire.decoder(request, {}, secret=self._endpoint.secret)
        yield ResponseCompleted(self._told(decoder.plain(answer), started, left_out))

    async def _delivered(self, request: ModelRequest, body: bytes, headers: Headers) -> bytes:
        """Send a task, and wait for its results wherever they arrive; the body that a plain answer would have had."""
        task = task_uuid(body)
        receiver = self._delivery if isinstance(self._delivery, WebhookReceiver) else None
        parcel = receiver.expect(task, self._results) if receiver is not None else Parcel(self._results)
        try:
            try:
                self._take(await self._post(request, body, headers), parcel)
            except (ConnectionFailed, StreamTruncated, GatewayTimeout) as error:
                if error.billed is False:  # it never went out
                    raise
                # The answer was lost, perhaps not the task: whoever asks by its UUID does not pay for it twice.
                if not await self._known(request, task, headers, parcel):
                    raise
            await self._collect(request, task, headers, parcel, receiver)
        finally:
            if receiver is not None:
                receiver.forget(task)
        return _json.dumps({"data": parcel.items, **({"errors": parcel.errors} if parcel.errors else {})})

    async def _collect(
        self, request: ModelRequest, task: str, headers: Headers, parcel: Parcel, receiver: WebhookReceiver | None
    ) -> None:
        """Poll until the parcel is complete; while a webhook may still come, wait for that first.

        Raises:
            GatewayTimeout: the budget or the deadline is over.
            GatewayError: a poll was refused, or failed more often than the retry policy allows.
        """
        polling, started, failures = self._polling, time.monotonic(), 0
        wait = polling.first if receiver is None else receiver.patience
        following = polling.second
        while not parcel.complete.is_set():
            left = self._left(request, started)
            with anyio.move_on_after(min(wait, left)):
                await parcel.complete.wait()
                return
            if left <= wait:
                raise GatewayTimeout(f"task {task} did not finish in time", retryable=False, billed=None)
            try:
                self._take(await self._post(request, get_response(task), headers), parcel)
                wait, following = following, min(following * polling.growth, polling.longest)
            except GatewayError as error:
                failures += 1
                after = self._retry.wait(failures, error)
                if after is None:
                    raise
                wait = after

    def _left(self, request: ModelRequest, started: float) -> float:
        """Seconds that a task still has."""
        left = started + self._polling.budget - time.monotonic()
        return left if request.deadline is None else min(left, request.deadline - time.monotonic())

    async def _known(self, request: ModelRequest, task: str, headers: Headers, parcel: Parcel) -> bool:
        """Whether the server has the task whose acknowledgement was lost."""
        try:
            value = await self._post(request, get_response(task), headers)
        except GatewayError:
            return False
        self._take(value, parcel)
        return bool(items_of(value)) or bool(parcel.errors)

    async def _post(self, request: ModelRequest, body: bytes, headers: Headers) -> Mapping[str, Any]:
        """One exchange with the task endpoint.

        Raises:
            GatewayError: it failed, or holds nothing but errors.
        """
        response = await self._transport.send(self._outgoing("", request, body, headers))
        try:
            if response.status >= 300:
                raise await self._refusal(response)
            decoder = TaskDecoder(self._declared, request, {}, secret=self._endpoint.secret)
            value = decoder.decoded(await read(response))
        finally:
            await response.aclose()
        if not items_of(value):
            raise decoder.error(value)
        return value

    def _take(self, value: Mapping[str, Any], parcel: Parcel) -> None:
        """Put what has finished into the parcel; answers are cumulative and repeat what came before."""
        for item in items_of(value):
            if is_finished(item):
                parcel.add({name: found for name, found in item.items() if name != "status"})
        errors = value.get("errors")
        for entry in errors if isinstance(errors, list) else ():
            parcel.fail(entry)
