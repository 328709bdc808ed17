"""Bodies and events of Chat Completions, read into one `ModelResponse`. Pure: bytes in, data or a typed error out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentkit import _json
from agentkit.errors import GatewayError, Overloaded, ServerError, StreamTruncated
from agentkit.messages import AssistantMessage
from agentkit.models import ArgumentsDelta, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.body import Reader, text_of
from agentkit.providers.chat_completions.draft import Draft
from agentkit.providers.chat_completions.thinking import Split, ThinkTags
from agentkit.providers.usage import decode_usage
from agentkit.providers.wire import Delta
from agentkit.transport import ServerSentEvent

_REASONING_FIELDS = ("reasoning_content", "reasoning")
_TEXT_CALL = re.compile(r"\s*<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


class Decoder:
    """Reads one answer, whole (`plain`) or event by event (`feed`, then `close`).

    `tools` are the names that were offered; they decide what a strange name means. `secret` is the key, which is taken
    out of the texts of errors.
    """

    def __init__(self, profile: Profile, tools: Sequence[str], headers: Mapping[str, str], *, secret: str = "") -> None:
        self._profile = profile
        self._reader = Reader(profile, headers, secret, self.partial)
        self._tools = frozenset(tools)
        self._headers = headers
        self._draft = Draft()
        self._think: ThinkTags | None = ThinkTags() if profile.think_tags else None
        self._usage: Any = None
        self._fields: dict[str, Any] = {}
        self._noted: dict[str, Any] = {}  # the fields of the last chunk, which are those of nearly all
        self._done = False
        self._whole = False  # each call of a plain body is one call, whatever its id

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come, so that nothing can follow."""
        return self._done

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, even if more could follow (usage, say)."""
        return self._done or self._draft.finish is not None

    def plain(self, body: bytes) -> ModelResponse:
        """The answer of a body that is one JSON object.

        Raises:
            MalformedResponse: it is not.
            GatewayError: it is an error object, whatever the HTTP status said.
        """
        value = self._reader.object(body)
        if value.get("error") or value.get("errors"):
            raise self._reader.failure(value)
        choice = _first_choice(value.get("choices"))
        if choice is None:
            raise self._reader.malformed("answered without choices", body)
        self._fields, self._whole = value, True
        self._usage = value.get("usage")
        self._take_choice(choice, ("message", "delta"), [])
        if not self._draft.finish:
            self._draft.warnings.append("the answer came without a finish_reason and was taken as complete")
        return self._complete()

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
        for chunk in self._reader.events(data):
            if chunk.get("error") or chunk.get("errors") or event.name == "error":
                raise self._reader.failure(chunk)
            usage, choices = chunk.pop("usage", None), chunk.pop("choices", None)
            if usage and isinstance(usage, dict):
                self._usage = usage
            if chunk != self._noted:
                self._note_fields(chunk)
            choice = _first_choice(choices)
            if choice is not None:
                self._take_choice(choice, ("delta", "message"), deltas)
        return deltas

    def flush(self) -> list[Delta]:
        """Deltas that were held back in case they began a tag; the stream has ended."""
        deltas: list[Delta] = []
        if self._think is not None:
            self._put(self._think.close(), deltas)
            self._think = None
        return deltas

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: neither a finish reason nor `[DONE]` came.
        """
        if self._draft.finish is None:
            if not self._done:
                raise StreamTruncated(
                    f"{self._profile.gateway} ended the stream before the answer's end", partial=self.partial()
                )
            self._draft.warnings.append("the stream came without a finish_reason and was taken as complete")
        return self._complete()

    def partial(self) -> AssistantMessage | None:
        """What has come so far, without calls (a half call is never shown); None when nothing has."""
        message = self._draft.message([])
        return message if message.parts else None

    def _note_fields(self, fields: dict[str, Any]) -> None:
        self._noted = fields
        for key, value in fields.items():
            if value or key not in self._fields:
                self._fields[key] = value

    def _take_choice(self, choice: Mapping[str, Any], names: tuple[str, str], deltas: list[Delta]) -> None:
        """Take a choice's message from the first of `names` that is there: some servers send both, one empty."""
        for name in names:
            source = choice.get(name)
            if isinstance(source, dict):
                self._take_message(source, deltas)
                break
        finish = choice.get("finish_reason")
        if finish:
            self._draft.add_finish(finish)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            self._draft.logprobs.extend(logprobs["content"])

    def _take_message(self, source: Mapping[str, Any], deltas: list[Delta]) -> None:
        draft, get = self._draft, source.get
        for field in _REASONING_FIELDS:
            piece = get(field)
            if piece and isinstance(piece, str) and draft.add_reasoning(piece, field):
                deltas.extend(self.flush())  # a server that has a field for it does not put it into the text
                deltas.append(ReasoningDelta(piece))
        details = get("reasoning_details")
        if details and isinstance(details, list):
            draft.add_details(details)
        content = get("content")
        if content and isinstance(content, str):
            self._take_text(content, deltas)
        elif content and isinstance(content, list):
            self._take_parts(content, deltas)
        refusal = get("refusal")
        if refusal and isinstance(refusal, str):
            draft.refusal.append(refusal)
        if get("tool_calls") or get("function_call"):
            self._take_calls(source, deltas)

    def _take_text(self, piece: str, deltas: list[Delta]) -> None:
        if self._think is not None:
            split = self._think.feed(piece)
            if self._think.over:
                self._think = None
            self._put(split, deltas)
            return
        self._draft.text.append(piece)
        deltas.append(TextDelta(piece))

    def _put(self, split: Split, deltas: list[Delta]) -> None:
        if split.reasoning and self._draft.add_reasoning(split.reasoning, "think"):
            deltas.append(ReasoningDelta(split.reasoning))
        if split.text:
            self._draft.text.append(split.text)
            deltas.append(TextDelta(split.text))

    def _take_parts(self, parts: Sequence[Any], deltas: list[Delta]) -> None:
        for part in parts:
            if isinstance(part, str):
                self._take_text(part, deltas)
            elif isinstance(part, dict):
                if part.get("type") == "thinking":
                    piece = _thinking(part.get("thinking"))
                    if piece and self._draft.add_reasoning(piece, "thinking"):
                        deltas.append(ReasoningDelta(piece))
                elif part.get("type") == "refusal" and isinstance(part.get("refusal"), str):
                    self._draft.refusal.append(part["refusal"])
                elif isinstance(part.get("text"), str):
                    self._take_text(part["text"], deltas)

    def _take_calls(self, source: Mapping[str, Any], deltas: list[Delta]) -> None:
        found = source.get("tool_calls")
        calls: list[Any] = found if isinstance(found, list) else [found] if isinstance(found, dict) else []
        legacy = source.get("function_call")
        if isinstance(legacy, dict) and not calls:
            calls = [{"index": 0, "function": legacy}]
        for position, entry in enumerate(calls):
            if not isinstance(entry, dict):
                continue
            nameless = not entry.get("id") and not isinstance(entry.get("index"), int)
            taken = self._draft.add_call(entry, alone=self._whole or (position > 0 and nameless))
            if taken is not None:
                call, piece = taken
                deltas.append(ArgumentsDelta(call.position, call.name, piece))

    def _complete(self) -> ModelResponse:
        draft = self._draft
        self.flush()
        self._raise_failed_finish()
        if self._profile.text_tool_calls and self._tools and not draft.calls:
            self._read_text_calls()
        calls = draft.tool_calls(self._tools)
        message = draft.message(calls)
        return ModelResponse(
            message=message,
            finish_reason=draft.finish_reason(calls, default="stop"),
            usage=decode_usage(self._usage),
            model=text_of(self._fields.get("model")),
            id=text_of(self._fields.get("id")),
            raw=self._fields,
            headers=self._headers,
            warnings=tuple(draft.warnings),
            logprobs=tuple(draft.logprobs),
        )

    def _raise_failed_finish(self) -> None:
        """Some servers say only in the finish reason that the answer failed."""
        reason = (self._draft.finish or "").lower()
        kind: type[GatewayError]
        if reason in ("error", "failed", "abort", "aborted", "cancelled"):
            kind = ServerError
        elif reason in ("insufficient_system_resource", "overloaded"):
            kind = Overloaded
        else:
            return
        raise kind(
            f"{self._profile.gateway} ended the answer with finish_reason {reason!r}",
            code=reason,
            partial=self.partial(),
        )

    def _read_text_calls(self) -> None:
        text = "".join(self._draft.text)
        position = 0
        while match := _TEXT_CALL.match(text, position):
            try:
                call = _json.loads(match[1])
            except ValueError:
                return
            self._draft.add_call({"index": len(self._draft.calls), "function": call})
            position = match.end()
        if position:
            self._draft.text = [text[position:].strip()]


def _first_choice(choices: Any) -> Mapping[str, Any] | None:
    """The choice with index 0: a run has one answer, whatever `n` a server may have used."""
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return None


def _thinking(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(part.get("text")) for part in value if isinstance(part, dict))
    return ""
