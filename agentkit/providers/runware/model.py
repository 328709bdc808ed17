"""A model behind Runware's task endpoint.

The OpenAI-compatible surface (`"runware:..."`) is the one for agents; this one is for what only tasks can do: several
results of one request, asynchronous delivery, webhooks, and the cost of each answer.
"""

import copy
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, Unpack

import anyio

from agentkit import telemetry
from agentkit.errors import (
    BadRequest,
    ConfigurationError,
    ConnectionFailed,
    GatewayError,
    GatewayTimeout,
    StreamTruncated,
)
from agentkit.models import ModelRequest, ModelResponse, Profile, ResponseCompleted, ResponseEvent
from agentkit.providers.endpoint import Headers
from agentkit.providers.errors import kept_headers
from agentkit.providers.model import ProviderModel, ProviderOptions
from agentkit.providers.runware.decode import TaskDecoder, errors_of, items_of
from agentkit.providers.runware.encode import (
    DEFAULT_MAX_TOKENS,
    TaskEncoder,
    TaskOptions,
    ToolsPlace,
    get_response,
    task_uuid,
)
from agentkit.providers.runware.parcel import Parcel
from agentkit.providers.runware.webhook import WebhookReceiver
from agentkit.providers.tool_choice import tool_choice_kind
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


_DUPLICATE = re.compile(r"duplicate.*uuid", re.IGNORECASE)
_WIRE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "maxTokens": "max_tokens",
        "topP": "top_p",
        "thinkingLevel": "reasoning_effort",
        "presencePenalty": "presence_penalty",
        "frequencyPenalty": "frequency_penalty",
        "stopSequences": "stop",
        "toolChoice": "tool_choice",
        "outputFormat": "response_format",
        "jsonSchema": "response_format",
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
        return tool_choice_kind(request, self._profile)

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
        **options: Unpack[ProviderOptions],
    ) -> None:
        if options.get("gateway") is None:
            options["gateway"] = "runware/tasks"
        super().__init__(model, **options)
        self._delivery: Delivery = delivery
        self._polling = polling or Polling()
        self._experimental_tools = experimental_tools
        self._tools_place: ToolsPlace = tools_place
        self._number = 1

    async def variations(self, request: ModelRequest, number: int) -> tuple[ModelResponse | GatewayError, ...]:
        """`number` answers (1 to 4) to one request, those that failed as errors, in the order in which they came.

        Raises:
            ConfigurationError: `number` is not 1 to 4, or the request has tools.
            GatewayError: there is not one answer.
        """
        several = copy.copy(self)
        several._number, several._wire = number, None
        self._active += 1  # the copy's requests are on this model's connections
        try:
            response = await several.respond(request)
        finally:
            self._active -= 1
        return tuple(self._decoder(request, response.headers).results(response.raw))

    def _make_wire(self, profile: Profile) -> Wire:
        delivery = self._delivery
        webhook = (lambda: delivery.url) if isinstance(delivery, WebhookReceiver) else None
        options = TaskOptions(self._number, self._tools_place, webhook, delivery != "sync")
        return TaskWire(self.model, profile, options=options, experimental_tools=self._experimental_tools)

    def _decoder(self, request: ModelRequest, headers: Mapping[str, str]) -> TaskDecoder:
        return TaskDecoder(self._declared, request, headers, secret=self._endpoint.secret)

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
        telemetry.emit("debug", "request", model=self.name, bytes=len(body), stream=stream)
        self._active += 1
        try:
            answer = await self._delivered(request, body, headers)
        finally:
            self._active -= 1
        yield ResponseCompleted(self._told(self._decoder(request, {}).first(answer), started, left_out))

    async def _delivered(self, request: ModelRequest, body: bytes, headers: Headers) -> Mapping[str, Any]:
        """Send a task, and wait for its results wherever they arrive; the object that a plain answer would have been.

        Raises:
            GatewayTimeout: the budget or the deadline is over, and nothing has come.
            GatewayError: the task was refused, or asking for it failed more often than the retry policy allows.
        """
        task = task_uuid(body)
        receiver = self._delivery if isinstance(self._delivery, WebhookReceiver) else None
        parcel = receiver.expect(task, self._number) if receiver is not None else Parcel(task, self._number)
        left = self._polling.budget
        if request.deadline is not None:
            left = min(left, max(0.0, request.deadline - time.monotonic()))
        try:
            with anyio.move_on_after(left):
                lost = await self._send(request, body, headers, parcel)
                overdue = self._polling.first if receiver is None or lost else min(receiver.patience, left / 2)
                await self._collect(request, task, headers, parcel, overdue, lost)
        finally:
            if receiver is not None:
                receiver.forget(task)
        if not parcel.complete.is_set():
            if not parcel.items:
                raise GatewayTimeout(f"task {task} did not finish within {left:.1f} s", retryable=False)
            parcel.fail("timeout", f"{parcel.missing} of {self._number} results did not come within {left:.1f} s")
        return parcel.body()

    async def _send(self, request: ModelRequest, body: bytes, headers: Headers, parcel: Parcel) -> GatewayError | None:
        """Send the task; the error when its acknowledgement was lost, which the task itself may not be."""
        try:
            parcel.polled(await self._post(request, body, headers))
        except (ConnectionFailed, StreamTruncated, GatewayTimeout) as error:
            if error.billed is False:  # it never went out
                raise
            return error
        except BadRequest as error:
            # The transport sends once more what met a dead connection; then the first of the two may have arrived.
            if not _DUPLICATE.search(f"{error.code} {error.param}"):
                raise
            return error
        return None

    async def _collect(
        self,
        request: ModelRequest,
        task: str,
        headers: Headers,
        parcel: Parcel,
        wait: float,
        lost: GatewayError | None,
    ) -> None:
        """Poll until the parcel is complete, first after `wait` seconds.

        `lost` is why it is not known whether the server has the task; it is raised when the server has it not. A task
        that the server has is never sent again: whoever asks by its UUID does not pay for it twice.
        """
        polling, failures, following = self._polling, 0, self._polling.second
        while not parcel.complete.is_set():
            with anyio.move_on_after(wait):
                await parcel.complete.wait()
                return
            try:
                known = parcel.polled(await self._post(request, get_response(task), headers, asking=True))
            except GatewayError as error:
                if parcel.complete.is_set():  # a webhook was faster
                    return
                failures += 1
                after = self._retry.wait(failures, error)
                if lost is not None and not parcel.items and isinstance(error, BadRequest):
                    raise lost from error
                if after is None:
                    error.args = (f"{error} Task {task} may still finish.",)
                    error.retryable = False
                    raise
                wait = after
                telemetry.emit(
                    "info", "poll", model=self.name, task=task, failures=failures, wait=wait, error=str(error)
                )
                continue
            if lost is not None and not (known or parcel.items):
                raise lost
            failures, lost = 0, None
            wait, following = following, min(following * polling.growth, polling.longest)

    async def _post(
        self, request: ModelRequest, body: bytes, headers: Headers, *, asking: bool = False
    ) -> Mapping[str, Any]:
        """One exchange with the task endpoint. With `asking`, that a task has failed or is not there is an answer.

        Raises:
            GatewayError: it failed, or there is nothing but errors.
        """
        response = await self._transport.send(self._outgoing("", request, body, headers))
        try:
            if response.status >= 300:
                raise await self._refusal(response)
            decoder = self._decoder(request, kept_headers(response.headers))
            value = decoder.decoded(await read(response))
        finally:
            await response.aclose()
        if not items_of(value) and not (asking and _tells_of_a_task(value)):
            raise decoder.error(value)
        return value


def _tells_of_a_task(value: Mapping[str, Any]) -> bool:
    """Whether a poll's answer without results says that the task failed or is not there, not that the poll failed."""
    errors = errors_of(value)
    if not errors:
        return bool(value.get("data") == [])
    return any(
        isinstance(entry, dict) and "taskUUID" in entry and entry.get("taskType") != "getResponse" for entry in errors
    )
