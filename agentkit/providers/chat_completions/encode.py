"""A request as the bytes of Chat Completions. Pure.

Messages are encoded once, into the history's side table, and joined; everything else of the body stands before them and
does not change from turn to turn, so that request n+1 begins with request n's messages, tools and schema, and prompt
caches hit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from agentkit import _json
from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    UserPart,
)
from agentkit.messages.parts import ReasoningPart
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.arguments import sendable_text
from agentkit.providers.call_ids import fitted_id
from agentkit.providers.checks import body_fields, check_function, check_said, check_vision
from agentkit.providers.tool_choice import tool_choice_kind
from agentkit.providers.tool_list import ToolList

_REPLAYED = ("reasoning_details",)  # other fields of an answer came on another wire, which keeps them for itself


class Encoder:
    """Encodes requests for one (model, profile); keeps the encoded tools, which rarely change."""

    def __init__(self, model: str, profile: Profile) -> None:
        self.model = model
        self.profile = profile
        self._key = (
            "chat_completions",
            profile.vision is False,
            profile.replay_reasoning,
            profile.system_role,
            profile.tool_id_length,
        )
        self._tools = ToolList(encode_tool, profile)

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The request's body.

        Raises:
            ConfigurationError: a message without content, or an image for a model without vision.
        """
        head = _json.dumps(self._head(request, stream))
        tools, messages = self._tools.field(request), self._messages(request)
        return b"".join([head[:-1], tools, b',"messages":[', messages, b"]}"])

    def _head(self, request: ModelRequest, stream: bool) -> dict[str, Any]:
        head: dict[str, Any] = {"model": self.model}
        head.update(encode_settings(request.settings, self.profile))
        choice = encode_tool_choice(request, self.profile)
        if choice is not None:
            head["tool_choice"] = choice
        if request.response_format is not None:
            head["response_format"] = encode_response_format(request.response_format, self.profile)
        if stream:
            head["stream"] = True
            if self.profile.stream_usage:
                head["stream_options"] = {"include_usage": True}
        return head

    def _messages(self, request: ModelRequest) -> bytes:
        history, instructions = request.messages, request.instructions
        encoded = history.derived(self._key, self._encode_message)
        start = 0
        if self.profile.merge_system:
            system = [instructions] if instructions else []
            while start < len(history) and isinstance(message := history[start], SystemMessage):
                system.append(message.text)
                start += 1
            instructions = "\n\n".join(system)
        pieces = encoded[start:] if start else encoded
        if instructions:
            pieces = [_json.dumps({"role": self.profile.system_role, "content": instructions}), *pieces]
        images = _pending_images(history, len(history))
        if images:
            pieces = [*pieces, images]
        return b",".join(pieces)

    def _encode_message(self, messages: Sequence[Message], index: int) -> bytes:
        message = messages[index]
        encoded = _json.dumps(encode_message(message, index, self.profile))
        if not isinstance(message, ToolMessage):
            images = _pending_images(messages, index)
            if images:
                return images + b"," + encoded
        return encoded


def encode_message(message: Message, index: int, profile: Profile) -> dict[str, Any]:
    """A message as an object of the wire; `index` names it in errors."""
    match message:
        case SystemMessage(text):
            check_said(text.strip(), index, profile)
            return {"role": profile.system_role, "content": text}
        case UserMessage(parts):
            return {"role": "user", "content": _encode_user(parts, index, profile)}
        case AssistantMessage():
            return _encode_assistant(message, profile)
        case ToolMessage(call_id):
            check_vision(message.parts, index, profile)
            return {"role": "tool", "tool_call_id": fitted_id(call_id, profile), "content": message.text}
        case _:
            assert_never(message)


def encode_tool(tool: ToolDefinition, profile: Profile) -> dict[str, Any]:
    """A tool as an object of the wire."""
    check_function(tool, profile)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters
    if tool.strict is not None and profile.strict:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def encode_tool_choice(request: ModelRequest, profile: Profile) -> Any:
    """The choice as a value of the wire; None when there is none to send."""
    kind = tool_choice_kind(request, profile)
    return {"type": "function", "function": {"name": request.tool_choice}} if kind == "named" else kind


def encode_response_format(format: ResponseFormat, profile: Profile) -> dict[str, Any]:
    """The response_format as an object of the wire."""
    if format.type == "json_object":
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": format.name, "schema": format.schema}
    if format.strict and profile.strict:
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def encode_settings(settings: ModelSettings, profile: Profile) -> dict[str, Any]:
    """The settings that were given, under the wire's names; each is sent or refused before, none is dropped."""
    fields: dict[str, Any] = {
        profile.max_tokens_field: settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stop": settings.stop if settings.stop is None or isinstance(settings.stop, str) else list(settings.stop),
        "presence_penalty": settings.presence_penalty,
        "frequency_penalty": settings.frequency_penalty,
        "seed": settings.seed,
        "prediction": None if settings.prediction is None else {"type": "content", "content": settings.prediction},
        "parallel_tool_calls": settings.parallel_tool_calls,
        "reasoning_effort": settings.reasoning_effort,
        "verbosity": settings.verbosity,
        "logprobs": settings.logprobs,
        "top_logprobs": settings.top_logprobs,
        "logit_bias": None if settings.logit_bias is None else dict(settings.logit_bias),
        "service_tier": settings.service_tier,
        "prompt_cache_key": settings.prompt_cache_key,
        "user": settings.user,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {**given, **body_fields(settings)} if settings.extra else given


def _encode_user(parts: Sequence[UserPart], index: int, profile: Profile) -> Any:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        check_said(parts[0].text.strip(), index, profile)
        return parts[0].text
    said = [part for part in parts if not isinstance(part, TextPart) or part.text.strip()]
    check_said(said, index, profile)
    check_vision(said, index, profile)
    return [_encode_user_part(part) for part in said]


def _encode_user_part(part: UserPart) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(detail=detail):
            image = {"url": part.as_url()} if detail is None else {"url": part.as_url(), "detail": detail}
            return {"type": "image_url", "image_url": image}
        case FilePart(name=name):
            return {"type": "file", "file": {"filename": name, "file_data": part.as_url()}}
        case _:
            assert_never(part)


def _encode_assistant(message: AssistantMessage, profile: Profile) -> dict[str, Any]:
    calls = message.tool_calls
    content = message.text or message.refusal
    encoded: dict[str, Any] = {"role": "assistant", "content": content if content or calls else ""}
    if profile.replay_reasoning:
        for part in message.parts:
            if isinstance(part, ReasoningPart) and part.field in ("reasoning_content", "reasoning"):
                encoded[part.field] = encoded.get(part.field, "") + part.text
        encoded.update({field: message.extra[field] for field in _REPLAYED if field in message.extra})
    if calls:
        encoded["tool_calls"] = [_encode_call(call, profile) for call in calls]
    return encoded


def _encode_call(call: ToolCall, profile: Profile) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "id": fitted_id(call.id, profile),
        "type": "function",
        "function": {"name": call.name, "arguments": sendable_text(call)},
    }
    if call.extra and profile.replay_reasoning:
        encoded["extra_content"] = dict(call.extra)
    return encoded


def _pending_images(messages: Sequence[Message], end: int) -> bytes:
    """The user message with the images and files of the tool messages that stand right before `end`.

    A tool message carries text only on this wire, and nothing may stand between the tool messages of one turn.
    """
    if end == 0 or not isinstance(messages[end - 1], ToolMessage):
        return b""
    start = end
    while start > 0 and isinstance(messages[start - 1], ToolMessage):
        start -= 1
    content: list[Mapping[str, Any]] = []
    for index in range(start, end):
        message = messages[index]
        shown = [part for part in getattr(message, "parts", ()) if not isinstance(part, TextPart)]
        if shown and isinstance(message, ToolMessage):
            content.append({"type": "text", "text": f"Returned by {message.name} (call {message.call_id}):"})
            content.extend(_encode_user_part(part) for part in shown)
    return _json.dumps({"role": "user", "content": content}) if content else b""
