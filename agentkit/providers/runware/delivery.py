"""How the results of a task come: in the response, by polling, or by webhook and polling when that fails.

Above: `ProviderModel`, for which a task is one attempt. Below: the transport, the parcel that keeps what has arrived,
and the receiver of webhook calls.
"""

import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import anyio

from agentkit import telemetry
from agentkit.errors import BadRequest, ConnectionFailed, GatewayError, GatewayTimeout, StreamTruncated
from agentkit.models import ModelResponse, Profile, ResponseCompleted, ResponseEvent
from agentkit.providers.attempt import Attempt
from agentkit.providers.delivery import HttpDelivery, LatestWire, Line
from agentkit.providers.errors import kept_headers
from agentkit.providers.runware.decode import TaskDecoder, errors_of, items_of
from agentkit.providers.runware.encode import TaskOptions, ToolsPlace, get_response, task_uuid
from agentkit.providers.runware.parcel import Parcel
from agentkit.providers.runware.webhook import WebhookReceiver
from agentkit.providers.runware.wire import TaskWire
from agentkit.providers.wire import Wire
from agentkit.transport import RetryPolicy, read

Way: TypeAlias = Literal["sync", "async"] | WebhookReceiver
"""How a plain answer comes: in the response, by polling, or by webhook and polling when that fails."""

_DUPLICATE = re.compile(r"duplicate.*uuid", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTerms:
    """What a model says once for all of its tasks."""

    way: Way
    polling: Polling
    experimental_tools: bool
    tools_place: ToolsPlace

    def options(self, number: int) -> TaskOptions:
        """How tasks of `number` results are made."""
        way = self.way
        webhook = (lambda: way.url) if isinstance(way, WebhookReceiver) else None
        return TaskOptions(number, self.tools_place, webhook, way != "sync")


class TaskDelivery:
    """The answer to a task of `number` results, which is the first of them; streams are read as they come.

    `retry` says how often a poll may fail.
    """

    def __init__(self, line: Line, model: str, terms: TaskTerms, retry: RetryPolicy, *, number: int = 1) -> None:
        self._line = line
        self._model = model
        self._terms = terms
        self._retry = retry
        self._number = number
        self._wire = LatestWire(
            partial(TaskWire, model, options=terms.options(number), experimental_tools=terms.experimental_tools)
        )
        self._at_once = HttpDelivery(line, self._wire)

    def wire(self, profile: Profile) -> Wire:
        """See `Delivery.wire`."""
        return self._wire(profile)

    def deliver(self, attempt: Attempt) -> AsyncGenerator[ResponseEvent, None]:
        """See `Delivery.deliver`."""
        if attempt.stream or self._terms.way == "sync":
            return self._at_once.deliver(attempt)
        return self._collected(attempt)

    def several(self, number: int) -> "SeveralResults":
        """The same for tasks of `number` results, all of which are wanted."""
        return SeveralResults(TaskDelivery(self._line, self._model, self._terms, self._retry, number=number))

    def results(self, response: ModelResponse, attempt: Attempt) -> tuple[ModelResponse | GatewayError, ...]:
        """All results of the task whose answer is `response`, each with what the attempt has to tell."""
        found = self._decoder(attempt, response.headers).results(response.raw)
        return tuple(
            replace(each, warnings=(*attempt.told, *each.warnings)) if isinstance(each, ModelResponse) else each
            for each in found
        )

    def _decoder(self, attempt: Attempt, headers: Mapping[str, str]) -> TaskDecoder:
        return TaskDecoder(attempt.profile, attempt.request, headers, secret=self._line.secret)

    async def _collected(self, attempt: Attempt) -> AsyncGenerator[ResponseEvent, None]:
        started, line = time.monotonic(), self._line
        telemetry.emit("debug", "request", model=line.name, bytes=len(attempt.body), stream=attempt.stream)
        with line:
            answer = await self._fetched(attempt)
        yield line.completed(self._decoder(attempt, {}).first(answer), attempt, started)

    async def _fetched(self, attempt: Attempt) -> Mapping[str, Any]:
        """Send a task, and wait for its results wherever they arrive; the object that a plain answer would have been.

        Raises:
            GatewayTimeout: the budget or the deadline is over, and nothing has come.
            GatewayError: the task was refused, or asking for it failed more often than the retry policy allows.
        """
        task, way, polling = task_uuid(attempt.body), self._terms.way, self._terms.polling
        receiver = way if isinstance(way, WebhookReceiver) else None
        parcel = receiver.expect(task, self._number) if receiver is not None else Parcel(task, self._number)
        left, deadline = polling.budget, attempt.request.deadline
        if deadline is not None:
            left = min(left, max(0.0, deadline - time.monotonic()))
        try:
            with anyio.move_on_after(left):
                lost = await self._send(attempt, parcel)
                overdue = polling.first if receiver is None or lost else min(receiver.patience, left / 2)
                await self._collect(attempt, task, parcel, overdue, lost)
        finally:
            if receiver is not None:
                receiver.forget(task)
        if not parcel.complete.is_set():
            if not parcel.items:
                raise GatewayTimeout(f"task {task} did not finish within {left:.1f} s", retryable=False)
            parcel.fail("timeout", f"{parcel.missing} of {self._number} results did not come within {left:.1f} s")
        return parcel.body()

    async def _send(self, attempt: Attempt, parcel: Parcel) -> GatewayError | None:
        """Send the task; the error when its acknowledgement was lost, which the task itself may not be."""
        try:
            parcel.polled(await self._post(attempt, attempt.body))
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
        self, attempt: Attempt, task: str, parcel: Parcel, wait: float, lost: GatewayError | None
    ) -> None:
        """Poll until the parcel is complete, first after `wait` seconds.

        `lost` is why it is not known whether the server has the task; it is raised when the server has it not. A task
        that the server has is never sent again: whoever asks by its UUID does not pay for it twice.
        """
        polling = self._terms.polling
        failures, following = 0, polling.second
        while not parcel.complete.is_set():
            with anyio.move_on_after(wait):
                await parcel.complete.wait()
                return
            try:
                known = parcel.polled(await self._post(attempt, get_response(task), asking=True))
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
                    "info", "poll", model=self._line.name, task=task, failures=failures, wait=wait, error=str(error)
                )
                continue
            if lost is not None and not (known or parcel.items):
                raise lost
            failures, lost = 0, None
            wait, following = following, min(following * polling.growth, polling.longest)

    async def _post(self, attempt: Attempt, body: bytes, *, asking: bool = False) -> Mapping[str, Any]:
        """One exchange with the task endpoint. With `asking`, that a task has failed or is not there is an answer.

        Raises:
            GatewayError: it failed, or there is nothing but errors.
        """
        line = self._line
        response = await line.send(line.outgoing(attempt.wire.path, attempt.request, body, attempt.headers))
        try:
            decoder = self._decoder(attempt, kept_headers(response.headers))
            value = decoder.decoded(await read(response))
        finally:
            await response.aclose()
        if not items_of(value) and not (asking and _tells_of_a_task(value)):
            raise decoder.error(value)
        return value


class SeveralResults:
    """A task's answer, and beside it all of its results, in the order in which they came."""

    def __init__(self, tasks: TaskDelivery) -> None:
        self.results: tuple[ModelResponse | GatewayError, ...] = ()
        self._tasks = tasks

    def wire(self, profile: Profile) -> Wire:
        """See `Delivery.wire`."""
        return self._tasks.wire(profile)

    async def deliver(self, attempt: Attempt) -> AsyncGenerator[ResponseEvent, None]:
        """See `Delivery.deliver`."""
        async with aclosing(self._tasks.deliver(attempt)) as events:
            async for event in events:
                if isinstance(event, ResponseCompleted):
                    self.results = self._tasks.results(event.response, attempt)
                yield event


def _tells_of_a_task(value: Mapping[str, Any]) -> bool:
    """Whether a poll's answer without results says that the task failed or is not there, not that the poll failed."""
    errors = errors_of(value)
    if not errors:
        return bool(value.get("data") == [])
    return any(
        isinstance(entry, dict) and "taskUUID" in entry and entry.get("taskType") != "getResponse" for entry in errors
    )
