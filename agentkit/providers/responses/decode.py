"""Bodies and events of Responses, read into one `ModelResponse`. Pure: bytes in, data or a typed error out.

The last event of a stream holds the whole answer, and is read as a plain body is. Some servers leave its output empty;
then the answer is what was streamed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.errors import GatewayError, StreamTruncated
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models import ModelResponse, Profile, ToolDefinition
from agentkit.providers.body import Reader, text_of
from agentkit.providers.responses.answer import Answer
from agentkit.providers.responses.draft import Draft
from agentkit.providers.usage import decode_usage
from agentkit.providers.wire import Delta
from agentkit.transport import ServerSentEvent

_FAILED = ("failed", "cancelled")
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
# What a text event is about: the kind of its item, of the part, where its index is, and the field of its snapshot.
_TEXTS: Mapping[str, tuple[str, str, str, str]] = {
    "response.output_text": ("message", "output_text", "content_index", "text"),
    "response.refusal": ("message", "refusal", "content_index", "refusal"),
    "response.reasoning_summary_text": ("reasoning", "summary_text", "summary_index", "text"),
    "response.reasoning_text": ("reasoning", "reasoning_text", "content_index", "text"),
    "response.function_call_arguments": ("function_call", "arguments", "", "arguments"),
}
_PARTS: Mapping[str, tuple[str, str]] = {
    "response.content_part.done": ("message", "content_index"),
    "response.reasoning_summary_part.done": ("reasoning", "summary_index"),
    "response.reasoning_part.done": ("reasoning", "content_index"),
}


class Decoder:
    """Reads one answer, whole (`plain`) or event by event (`feed`, then `close`).

    `tools` are those that were offered. `secret` is the key, which is taken out of the texts of errors.
    """

    def __init__(
        self, profile: Profile, tools: Sequence[ToolDefinition], headers: Mapping[str, str], *, secret: str = ""
    ) -> None:
        self._profile = profile
        self._tools = tools
        self._headers = headers
        self._reader = Reader(profile, headers, secret, self.partial)
        self._draft = Draft()
        self._logprobs: list[Any] = []
        self._begun: Mapping[str, Any] = {}
        self._final: Mapping[str, Any] | None = None
        self._status = ""

    @property
    def done(self) -> bool:
        """Whether the last event has come, so that nothing can follow."""
        return self._final is not None

    @property
    def ended(self) -> bool:
        """The same: usage comes with the last event."""
        return self._final is not None

    def plain(self, body: bytes) -> ModelResponse:
        """The answer of a body that is one JSON object.

        Raises:
            MalformedResponse: it is not.
            GatewayError: it is an error object or a failed response, whatever the HTTP status said.
        """
        value = self._reader.object(body)
        status = text_of(value.get("status"))
        if value.get("error") or value.get("errors") or value.get("type") == "error" or status in _FAILED:
            raise self._failure(value)
        if not isinstance(value.get("output"), list):
            raise self._reader.malformed("answered without output", body)
        if status in ("queued", "in_progress"):
            raise self._reader.malformed(f"answered while the answer was {status}", body)
        warnings = () if status else ("the answer came without a status and was taken as complete",)
        return self._complete(value, value["output"], value, status or "completed", warnings)

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """What an event adds.

        Raises:
            GatewayError: the event is an error; `partial` has what had come.
            MalformedResponse: the event is not JSON.
        """
        data = event.data.strip()
        if self._final is not None or not data or data == b"[DONE]":
            return []
        deltas: list[Delta] = []
        for value in self._reader.events(data):
            if self._final is None:
                deltas.extend(self._take(value, text_of(value.get("type")) or event.name))
        return deltas

    def flush(self) -> list[Delta]:
        """Nothing: no delta is held back."""
        return []

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: the event that ends an answer never came.
        """
        final = self._final
        if final is None:
            raise StreamTruncated(
                f"{self._profile.gateway} ended the stream before the answer's end", partial=self.partial()
            )
        output = final.get("output")
        items = output if isinstance(output, list) and output else self._draft.items()
        raw = {key: value for key, value in {**self._begun, **final}.items() if key != "output"}
        return self._complete(raw, items, final, self._status, ())

    def partial(self) -> AssistantMessage | None:
        """What has come so far, without calls (a half call is never shown); None when nothing has."""
        answer = self._read(self._draft.items(), cut=True)
        said = [part for part in answer.parts if not isinstance(part, ToolCall)]
        return AssistantMessage(said) if said else None

    def _take(self, value: dict[str, Any], kind: str) -> list[Delta]:
        if kind == "error" or (value.get("error") and not kind.startswith("response.")):
            raise self._failure(value)
        stem, _, last = kind.rpartition(".")
        if stem in _TEXTS:
            return self._take_text(value, _TEXTS[stem], last)
        if kind in _PARTS:
            return self._take_part(value, *_PARTS[kind])
        item = value.get("item")
        if stem == "response.output_item" and isinstance(item, dict) and isinstance(item.get("type"), str):
            if last == "done":
                return self._draft.end(value, item)
            self._draft.begin(value, item)
            return []
        response = value.get("response")
        if kind in _ENDS:
            return self._take_end(response if isinstance(response, dict) else {}, last)
        if isinstance(response, dict):
            self._begun = response
        return []

    def _take_text(self, value: Mapping[str, Any], about: tuple[str, str, str, str], last: str) -> list[Delta]:
        kind, part, index, field = about
        text = value.get("delta" if last == "delta" else field)
        if last not in ("delta", "done") or not isinstance(text, str):
            return []
        draft = self._draft.item_for(kind, value)
        place = (part, _index(value.get(index)))
        if last == "done":
            return draft.snapshot(place, text) if text else []
        logprobs = value.get("logprobs")
        self._logprobs.extend(logprobs if isinstance(logprobs, list) else ())
        return draft.add(place, text)

    def _take_part(self, value: Mapping[str, Any], kind: str, index: str) -> list[Delta]:
        part = value.get("part")
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            return []
        if part["type"] == "reasoning_text":
            kind = "reasoning"
        place = (part["type"], _index(value.get(index)))
        text = part.get("refusal" if place[0] == "refusal" else "text")
        draft = self._draft.item_for(kind, value)
        draft.parts[place] = part
        return draft.snapshot(place, text) if isinstance(text, str) and text else []

    def _take_end(self, response: dict[str, Any], last: str) -> list[Delta]:
        status = text_of(response.get("status"))
        self._status = status if status in ("completed", "incomplete", *_FAILED) else last
        if self._status in _FAILED or response.get("error"):
            raise self._failure({"status": self._status, **response})
        self._final = response
        output = response.get("output")
        return self._draft.finish(output) if isinstance(output, list) else []

    def _failure(self, value: Mapping[str, Any]) -> GatewayError:
        """The error that an event, a body or a failed response tells of."""
        inner = value.get("error") or value.get("errors")
        status = value.get("status")
        told: Any = {key: each for key, each in value.items() if key != "type"}
        if inner:
            told = {"error": inner, "status": status} if isinstance(status, int) else {"error": inner}
        elif text_of(status) in _FAILED:
            told = {"code": "server_error", "message": f"the response is {status}"}
        return self._reader.failure(told)

    def _read(self, items: Sequence[Any], *, cut: bool) -> Answer:
        answer = Answer(self._tools, cut=cut)
        for item in items:
            answer.add(item)
        return answer

    def _complete(
        self,
        raw: Mapping[str, Any],
        items: Sequence[Any],
        response: Mapping[str, Any],
        status: str,
        warnings: tuple[str, ...],
    ) -> ModelResponse:
        details = response.get("incomplete_details")
        reason = text_of(details.get("reason")) if isinstance(details, dict) else ""
        answer = self._read(items, cut=status == "incomplete")
        return ModelResponse(
            message=answer.message(),
            finish_reason=answer.finish_reason(status, reason),
            usage=decode_usage(response.get("usage")),
            model=text_of(raw.get("model")),
            id=text_of(raw.get("id")),
            raw=raw,
            headers=self._headers,
            warnings=(*warnings, *answer.warnings),
            logprobs=tuple(answer.logprobs or self._logprobs),
        )


def _index(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
