"""Bodies and events of the Messages API, read into one `ModelResponse`. Pure: bytes in, data or a typed error out."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.errors import StreamTruncated
from agentkit.messages import AssistantMessage
from agentkit.models import ArgumentsDelta, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.body import Reader, text_of
from agentkit.providers.messages.draft import Block, Draft
from agentkit.providers.usage import decode_usage
from agentkit.providers.wire import Delta
from agentkit.transport import ServerSentEvent

_SAID: Mapping[str, str] = {
    "pause_turn": "the server paused its turn (pause_turn): send the history with this answer again, and it goes on",
    "model_context_window_exceeded": "the answer was cut at the end of the model's context, not at max_tokens",
}
_NOT_RAW = ("content", "usage")


class Decoder:
    """Reads one answer, whole (`plain`) or event by event (`feed`, then `close`).

    `secret` is the key, which is taken out of the texts of errors; `warnings` go with the answer.
    """

    def __init__(
        self, profile: Profile, headers: Mapping[str, str], *, secret: str = "", warnings: Sequence[str] = ()
    ) -> None:
        self._profile = profile
        self._headers = headers
        self._reader = Reader(profile, headers, secret, self.partial)
        self._draft = Draft()
        self._draft.warnings.extend(warnings)
        self._usage: dict[str, Any] = {}
        self._fields: dict[str, Any] = {}
        self._content: Any = None  # what message_start held; it is empty unless a gateway puts the whole answer there
        self._done = False

    @property
    def done(self) -> bool:
        """Whether `message_stop` has come, so that nothing can follow."""
        return self._done

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, even if more could follow."""
        return self._done or self._draft.finish is not None

    def plain(self, body: bytes) -> ModelResponse:
        """The answer of a body that is one JSON object.

        Raises:
            MalformedResponse: it is not.
            GatewayError: it is an error object, whatever the HTTP status said.
        """
        value = self._reader.object(body)
        if _is_error(value):
            raise self._reader.failure(value)
        if not isinstance(value.get("content"), (list, str)) and not value.get("stop_reason"):
            raise self._reader.malformed("answered without content", body)
        self._take_message(value)
        self._fields = value
        return self._complete("the answer")

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """What an event adds.

        Raises:
            GatewayError: the event is an error; `partial` has what had come.
            MalformedResponse: the event is not JSON.
        """
        data = event.data.strip()
        if self._done or not data:
            return []
        if data == b"[DONE]":
            self._done = True
            return []
        deltas: list[Delta] = []
        for value in self._reader.events(data):
            if event.name == "error" or _is_error(value):
                raise self._reader.failure(value)
            if not self._done:
                deltas.extend(self._take(text_of(value.get("type")) or event.name, value))
        return deltas

    def flush(self) -> list[Delta]:
        """Nothing: no delta is ever held back."""
        return []

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: neither a stop reason nor `message_stop` came.
        """
        if not self.ended:
            raise StreamTruncated(
                f"{self._profile.gateway} ended the stream before the answer's end", partial=self.partial()
            )
        if not self._draft.blocks:
            self._take_content(self._content)
        return self._complete("the stream")

    def partial(self) -> AssistantMessage | None:
        """What has come so far, without calls (a half call is never shown); None when nothing has."""
        message = self._draft.partial()
        return message if message.parts else None

    def _take(self, kind: str, value: Mapping[str, Any]) -> list[Delta]:
        match kind:
            case "content_block_delta":
                delta = value.get("delta")
                return self._take_delta(delta, value.get("index")) if isinstance(delta, dict) else []
            case "content_block_start":
                block = value.get("content_block")
                return _shown(self._draft.begin(block, value.get("index"))) if isinstance(block, dict) else []
            case "message_start":
                message = value.get("message")
                if isinstance(message, dict):
                    self._content = message.get("content")
                    self._take_envelope(message)
            case "message_delta":
                delta = value.get("delta")
                self._take_envelope({**(delta if isinstance(delta, dict) else {}), "usage": value.get("usage")})
            case "message":  # a whole answer as an event
                self._take_message(value)
                self._done = True
            case "message_stop":
                self._done = True
            case _:
                pass
        return []

    def _take_delta(self, delta: Mapping[str, Any], index: Any) -> list[Delta]:
        kind = text_of(delta.get("type"))
        block = self._draft.block_for(index, kind)
        block.add(delta)
        if block.kind == "text":
            piece = text_of(delta.get("text"))
            return [TextDelta(piece)] if piece else []
        if block.kind == "thinking":
            piece = text_of(delta.get("thinking"))
            return [ReasoningDelta(piece)] if piece else []
        if block.kind == "tool_use":
            piece = text_of(delta.get("partial_json"))
            return [ArgumentsDelta(block.call, block.text("name"), piece)] if piece else []
        return []

    def _take_message(self, message: Mapping[str, Any]) -> None:
        self._take_content(message.get("content"))
        self._take_envelope(message)

    def _take_content(self, content: Any) -> None:
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict):
                self._draft.begin(block, None)

    def _take_envelope(self, message: Mapping[str, Any]) -> None:
        """Take what a message says besides its content: it comes in two halves in a stream."""
        self._draft.add_finish(message.get("stop_reason"), message.get("stop_details"))
        usage = message.get("usage")
        for name, value in usage.items() if isinstance(usage, dict) else ():
            if value or name not in self._usage:  # counts only grow; a later null or 0 says nothing
                self._usage[name] = value
        self._fields.update({name: value for name, value in message.items() if name not in _NOT_RAW})

    def _complete(self, what: str) -> ModelResponse:
        draft = self._draft
        if draft.finish is None:
            draft.warnings.append(f"{what} came without a stop_reason and was taken as complete")
        elif draft.finish in _SAID:
            draft.warnings.append(_SAID[draft.finish])
        message = draft.message()
        return ModelResponse(
            message=message,
            finish_reason=draft.finish_reason(message),
            usage=decode_usage(self._usage),
            model=text_of(self._fields.get("model")),
            id=text_of(self._fields.get("id")),
            raw=self._fields,
            headers=self._headers,
            warnings=tuple(draft.warnings),
        )


def _is_error(value: Mapping[str, Any]) -> bool:
    return value.get("type") == "error" or bool(value.get("error") or value.get("errors"))


def _shown(block: Block) -> list[Delta]:
    """What the beginning of a block has to show."""
    if block.kind == "text" and block.text("text"):
        return [TextDelta(block.text("text"))]
    if block.kind == "thinking" and block.text("thinking"):
        return [ReasoningDelta(block.text("thinking"))]
    if block.kind == "tool_use":
        return [ArgumentsDelta(block.call, block.text("name"), "")]
    return []
