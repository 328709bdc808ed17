"""Answers of `textInference` tasks, read into `ModelResponse`s. Pure.

How a tool call comes back is documented nowhere. The reading here mirrors how calls are sent (`tools` with `id`, `name`
and `input`); it is used only by a model that was made with `experimental_tools=True`.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit import _json
from agentkit.errors import GatewayError, MalformedResponse, StreamTruncated
from agentkit.messages import AssistantMessage, AssistantPart, ReasoningPart, TextPart, ToolCall
from agentkit.models import FinishReason, ModelRequest, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.arguments import read_arguments
from agentkit.providers.errors import error_from_object
from agentkit.providers.runware.encode import rounded
from agentkit.providers.usage import decode_usage
from agentkit.transport import ServerSentEvent

_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class TaskDecoder:
    """Reads the answer to one task."""

    def __init__(self, profile: Profile, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> None:
        self._gateway = profile.gateway
        self._failures_billed = profile.failures_billed
        self._headers = headers
        self._secret = secret
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
        """Whether the event with the finish reason has come."""
        return bool(self._last.get("finishReason"))

    def plain(self, body: bytes) -> ModelResponse:
        """The first result in a body; `raw` has them all.

        Raises:
            GatewayError: there is none, and the errors say why; or the body cannot be read.
        """
        value = self.decoded(body)
        results = [each for each in self.results(value) if isinstance(each, ModelResponse)]
        if not results:
            raise self.error(value)
        return results[0]

    def decoded(self, body: bytes) -> dict[str, Any]:
        """The body as an object.

        Raises:
            MalformedResponse: it is none.
        """
        try:
            value = _json.loads(body)
        except ValueError as error:
            raise MalformedResponse(f"{self._gateway} answered something that is not JSON: {body[:80]!r}") from error
        if not isinstance(value, dict):
            raise MalformedResponse(f"{self._gateway} answered JSON that is not an object: {body[:80]!r}")
        return value

    def results(self, value: Mapping[str, Any]) -> Iterator[ModelResponse | GatewayError]:
        """Each finished item of `data`, then each of `errors`: tasks succeed and fail one by one."""
        for item in items_of(value):
            if is_finished(item):
                yield self.response(item, value)
        errors = value.get("errors")
        for entry in errors if isinstance(errors, list) else ():
            yield self.error({"errors": [entry]})

    def response(self, item: Mapping[str, Any], raw: Mapping[str, Any]) -> ModelResponse:
        """One result."""
        message = _message(item, _text(item.get("text")), _text(item.get("reasoningContent")))
        warnings = [*self._warnings]
        if items_of(raw) and raw.get("errors"):
            warnings.append(f"{self._gateway} sent errors beside the data: {self.error(raw)}")
        return ModelResponse(
            message=message,
            finish_reason=_finish(item, message),
            usage=decode_usage(_usage(item)),
            model=_text(item.get("model")),
            id=_text(item.get("taskUUID")),
            raw=raw,
            headers=self._headers,
            warnings=tuple(warnings),
        )

    def feed(self, event: ServerSentEvent) -> list[TextDelta | ReasoningDelta]:
        """What an event adds.

        Raises:
            GatewayError: the event is an error; `partial` has what had come.
        """
        data = event.data.strip()
        if self._done or not data:
            return []
        if data == b"[DONE]":
            self._done = True
            return []
        value = self.decoded(data)
        if value.get("error") or value.get("errors"):
            error = self.error(value)
            error.partial = self.partial()
            raise error
        wrapped = value.get("data")
        if isinstance(wrapped, dict):  # older servers
            value = wrapped
        self._last.update({name: found for name, found in value.items() if name != "delta" and found is not None})
        delta = value.get("delta")
        return self._take(delta) if isinstance(delta, dict) else []

    def _take(self, delta: Mapping[str, Any]) -> list[TextDelta | ReasoningDelta]:
        deltas: list[TextDelta | ReasoningDelta] = []
        reasoning, text = _text(delta.get("reasoningContent")), _text(delta.get("text"))
        if reasoning:
            self._reasoning.append(reasoning)
            deltas.append(ReasoningDelta(reasoning))
        if text:
            self._text.append(text)
            deltas.append(TextDelta(text))
        return deltas

    def flush(self) -> list[TextDelta | ReasoningDelta]:
        """Nothing is held back."""
        return []

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: no event said that it was finished.
        """
        if not self.ended:
            raise StreamTruncated(f"{self._gateway} ended the stream before the answer's end", partial=self.partial())
        item = {**self._last, "text": "".join(self._text), "reasoningContent": "".join(self._reasoning)}
        return self.response(item, self._last)

    def partial(self) -> AssistantMessage | None:
        """What has come so far; None when nothing has."""
        message = _message({}, "".join(self._text), "".join(self._reasoning))
        return message if message.parts else None

    def error(self, value: Mapping[str, Any]) -> GatewayError:
        """The error that a body without a result means."""
        if not value.get("errors") and not value.get("error"):
            return MalformedResponse(f"{self._gateway} answered without a result: {_json.dumps(value)[:160].decode()}")
        failed = {"errors": value["errors"]} if value.get("errors") else value
        error = error_from_object(failed, gateway=self._gateway, headers=self._headers, secret=self._secret)
        error.billed = self._failures_billed
        return error


def items_of(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The results in a body, finished or not."""
    data = value.get("data")
    found = data if isinstance(data, list) else [data]
    return [item for item in found if isinstance(item, dict)]


def is_finished(item: Mapping[str, Any]) -> bool:
    """Whether an item is a result, and no acknowledgement or a task still at work."""
    if item.get("status") not in (None, "success"):
        return False
    return item.get("text") is not None or bool(item.get("finishReason"))


def _message(item: Mapping[str, Any], text: str, reasoning: str) -> AssistantMessage:
    parts: list[AssistantPart] = []
    if reasoning:
        parts.append(ReasoningPart(reasoning, "reasoningContent"))
    if text:
        parts.append(TextPart(text, "tool"))
    parts.extend(_calls(item.get("tools")))
    signature = item.get("thoughtSignature")
    return AssistantMessage(parts, extra={"thoughtSignature": signature} if signature else {})


def _calls(found: Any) -> Iterator[ToolCall]:
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, dict) and _text(entry.get("name")):
            arguments = read_arguments(entry.get("input"))[0]
            call_id = _text(entry.get("id")) or f"call_{uuid.uuid4().hex[:16]}"
            yield ToolCall(call_id, entry["name"], arguments.value, arguments.text, arguments.problem)


def _finish(item: Mapping[str, Any], message: AssistantMessage) -> FinishReason:
    reason = _FINISH.get(_text(item.get("finishReason")), "other")
    return "tool_calls" if message.tool_calls and reason in ("stop", "other") else reason


def _usage(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usage with the cost that stands beside it or in its breakdown, which is what is charged."""
    found = item.get("usage")
    usage = dict(found) if isinstance(found, dict) else {}
    breakdown = usage.get("costBreakdown")
    cost = item.get("cost")
    if cost is None and isinstance(breakdown, dict):
        cost = breakdown.get("total")
    return {**usage, "cost": cost} if cost is not None else usage


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
