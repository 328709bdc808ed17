"""Answers of `textInference` tasks, read into `ModelResponse`s. Pure.

How a tool call comes back is documented nowhere. The reading here mirrors how calls are sent (`tools` with `id`, `name`
and `input`); it is used only where tools were sent, which a model made with `experimental_tools=True` does. A call in
any other form is an error that shows the form, and never an answer without it.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentkit import _json
from agentkit.errors import GatewayError, MalformedResponse, StreamTruncated
from agentkit.messages import AssistantMessage, AssistantPart, ReasoningPart, TextPart, ToolCall
from agentkit.models import FinishReason, ModelRequest, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.arguments import read_arguments
from agentkit.providers.errors import error_from_object
from agentkit.providers.runware.encode import rounded
from agentkit.providers.usage import decode_usage
from agentkit.telemetry import redact
from agentkit.transport import ServerSentEvent
from agentkit.usage import Usage

_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}
_CALLS = re.compile(r"tool|function", re.IGNORECASE)  # names under which a call may hide
_NOT_CALLS = ("tools", "toolChoice")


class TaskDecoder:
    """Reads the answer to one task."""

    def __init__(self, profile: Profile, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> None:
        self._gateway = profile.gateway
        self._failures_billed = profile.failures_billed
        self._headers = headers
        self._secret = secret
        self._tools = bool(request.tools)
        self._warnings = tuple(rounded(request.settings))
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._last: dict[str, Any] = {}
        self._done = False

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come."""
        return self._done

    @property
    def ended(self) -> bool:
        """Whether the event with the finish reason has come, or `[DONE]`."""
        return self._done or bool(self._last.get("finishReason"))

    def plain(self, body: bytes) -> ModelResponse:
        """The first result in a body; `raw` has them all.

        Raises:
            GatewayError: there is none, and the errors say why; or the body cannot be read.
        """
        return self.first(self.decoded(body))

    def first(self, value: Mapping[str, Any]) -> ModelResponse:
        """The first result in a decoded body.

        Raises:
            GatewayError: see `plain`.
        """
        for item in items_of(value):
            if is_finished(item):
                return self.response(item, value)
        raise self.error(value)

    def decoded(self, body: bytes) -> dict[str, Any]:
        """The body as an object.

        Raises:
            MalformedResponse: it is none.
        """
        try:
            value = _json.loads(body)
        except ValueError as error:
            shown = self._shown(body[:80])
            raise MalformedResponse(f"{self._gateway} answered something that is not JSON: {shown}") from error
        if not isinstance(value, dict):
            raise MalformedResponse(f"{self._gateway} answered JSON that is not an object: {self._shown(body[:80])}")
        return value

    def results(self, value: Mapping[str, Any]) -> Iterator[ModelResponse | GatewayError]:
        """Each finished item of `data`, then each error: results succeed and fail one by one."""
        for item in items_of(value):
            if is_finished(item):
                yield self.response(item, value)
        for entry in errors_of(value):
            yield self.error({"errors": [entry]})

    def response(self, item: Mapping[str, Any], raw: Mapping[str, Any]) -> ModelResponse:
        """One result.

        Raises:
            MalformedResponse: it holds a tool call in a form that is not known.
        """
        message = self._message(item)
        beside = errors_of(raw) if raw is not item else []
        told = [self.error({"errors": [entry]}) for entry in beside]
        warnings = [f"{self._gateway} sent an error beside the data: {_in_short(error)}" for error in told]
        return ModelResponse(
            message=message,
            finish_reason=_finish(item, message),
            usage=_usage(item),
            model=_text(item.get("model")),
            id=_text(item.get("taskUUID")),
            raw=raw,
            headers=self._headers,
            warnings=(*self._warnings, *warnings),
        )

    def feed(self, event: ServerSentEvent) -> list[TextDelta | ReasoningDelta]:
        """What an event adds.

        Raises:
            GatewayError: the event is an error, or cannot be read; `partial` has what had come.
        """
        data = event.data.strip()
        if self._done or not data:
            return []
        if data == b"[DONE]":
            self._done = True
            return []
        value = self.decoded(data)
        if errors_of(value):
            error = self.error(value)
            error.partial = self.partial()
            raise error
        deltas: list[TextDelta | ReasoningDelta] = []
        for item in items_of(value) or [value]:  # older servers wrap each event in `data`
            self._last.update({name: found for name, found in item.items() if name != "delta" and found is not None})
            delta = item.get("delta")
            deltas += self._take(delta) if isinstance(delta, dict) else ()
        return deltas

    def _take(self, delta: Mapping[str, Any]) -> list[TextDelta | ReasoningDelta]:
        deltas: list[TextDelta | ReasoningDelta] = []
        reasoning, text = _text(delta.get("reasoningContent")), _text(delta.get("text"))
        if reasoning:
            self._reasoning.append(reasoning)
            deltas.append(ReasoningDelta(reasoning))
        if text:
            self._text.append(text)
            deltas.append(TextDelta(text))
        if self._tools and (odd := [name for name, found in delta.items() if _CALLS.search(name) and found]):
            raise self._unknown_call(f"{odd[0]!r} in a delta", delta)
        return deltas

    def flush(self) -> list[TextDelta | ReasoningDelta]:
        """Nothing is held back."""
        return []

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: neither a finish reason nor `[DONE]` came.
            MalformedResponse: see `response`.
        """
        if not self.ended:
            raise StreamTruncated(f"{self._gateway} ended the stream before the answer's end", partial=self.partial())
        said = {"text": "".join(self._text), "reasoningContent": "".join(self._reasoning)}
        item = {**self._last, **{name: found for name, found in said.items() if found}}
        return replace(self.response(item, item), raw=self._last)

    def partial(self) -> AssistantMessage | None:
        """What has come so far; None when nothing has."""
        parts = _said("".join(self._text), "".join(self._reasoning))
        return AssistantMessage(parts) if parts else None

    def error(self, value: Mapping[str, Any]) -> GatewayError:
        """The error that a body without a result means."""
        errors = errors_of(value)
        if not errors:
            return MalformedResponse(f"{self._gateway} answered without a result: {self._shown(value)}")
        error = error_from_object({"errors": errors}, gateway=self._gateway, headers=self._headers, secret=self._secret)
        error.billed = self._failures_billed
        return error

    def _message(self, item: Mapping[str, Any]) -> AssistantMessage:
        parts = _said(_text(item.get("text")), _text(item.get("reasoningContent")))
        if self._tools:
            parts.extend(self._calls(item))
        signature = item.get("thoughtSignature")
        return AssistantMessage(parts, extra={"thoughtSignature": signature} if signature else {})

    def _calls(self, item: Mapping[str, Any]) -> Iterator[ToolCall]:
        for name, found in item.items():
            if _CALLS.search(name) and name not in _NOT_CALLS and found:
                raise self._unknown_call(repr(name), item)
        found = item.get("tools") or []
        if not isinstance(found, list):
            raise self._unknown_call("'tools' that is no list", item)
        for entry in found:
            if not isinstance(entry, dict) or not _text(entry.get("name")) or "input" not in entry:
                raise self._unknown_call("an entry of 'tools' without name or input", item)
            call_id = _text(entry.get("id")) or f"call_{uuid.uuid4().hex[:16]}"
            arguments, *more = read_arguments(entry["input"])
            if more:
                raise self._unknown_call("several objects as one input", item)
            yield ToolCall(call_id, entry["name"], arguments.value, arguments.text, arguments.problem)

    def _unknown_call(self, what: str, where: Mapping[str, Any]) -> MalformedResponse:
        return MalformedResponse(
            f"{self._gateway} answered with {what}, which is no known form of a tool call: {self._shown(where)} Use "
            "'runware:' for tools, the OpenAI-compatible surface."
        )

    def _shown(self, value: object) -> str:
        """The beginning of what came, for a message."""
        return redact(repr(value), self._secret)[:300]


def items_of(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of `data`: results, finished or not."""
    data = value.get("data")
    found = data if isinstance(data, list) else [data]
    return [item for item in found if isinstance(item, dict)]


def errors_of(value: Mapping[str, Any]) -> list[Any]:
    """The errors in a body, wherever they stand: in `errors`, as `error`, or as results that failed."""
    found = value.get("errors") or value.get("error") or []
    errors = found if isinstance(found, list) else [found]
    return [*errors, *(item for item in items_of(value) if item.get("status") == "error")]


def is_finished(item: Mapping[str, Any]) -> bool:
    """Whether an item is a result, and no acknowledgement or a task still at work."""
    status = item.get("status")
    if status is not None:
        return bool(status == "success")
    return item.get("text") is not None or bool(item.get("finishReason"))


def _said(text: str, reasoning: str) -> list[AssistantPart]:
    parts: list[AssistantPart] = []
    if reasoning:
        parts.append(ReasoningPart(reasoning, "reasoningContent"))
    if text:
        parts.append(TextPart(text, "tool"))
    return parts


def _finish(item: Mapping[str, Any], message: AssistantMessage) -> FinishReason:
    reason = _FINISH.get(_text(item.get("finishReason")), "other")
    return "tool_calls" if message.tool_calls and reason in ("stop", "other") else reason


def _usage(item: Mapping[str, Any]) -> Usage:
    """The usage, with the tokens and the cost that the breakdown tells, and the cost beside it, which is charged."""
    found = item.get("usage")
    raw = found if isinstance(found, dict) and found else None
    breakdown = _object(raw, "costBreakdown")
    cost = item.get("cost")
    counted = {**(raw or {}), "cost": breakdown.get("total") if cost is None else cost}
    cached = _object(_object(breakdown, "tokens"), "cache").get("billableTokens")
    if cached is not None:
        counted.setdefault("cached_tokens", cached)
    return replace(decode_usage(counted), raw=raw)


def _in_short(error: GatewayError) -> str:
    return ": ".join(filter(None, (error.code, error.provider_message))) or str(error)


def _object(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = (value or {}).get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
