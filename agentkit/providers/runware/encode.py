"""A request as a `textInference` task. Pure.

Source: the vendor's page of the model (docs/seeds.md) and the types of its SDKs. What they do not document raises an
error here instead of being guessed: images have one place, `inputs.images`, which says neither which message they
belong to nor in what detail they are wanted; roles are user, assistant and, with tools, tool.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

from agentkit import _json
from agentkit.errors import ConfigurationError
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
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.call_ids import fitted_id
from agentkit.providers.checks import check_function
from agentkit.providers.tool_choice import tool_choice_kind

ToolsPlace: TypeAlias = Literal["task", "settings"]
"""Where `tools` and `toolChoice` go: at the task's top level (SDK 0.5.11 and later) or in `settings` (the page)."""

DEFAULT_MAX_TOKENS = 4096  # the page's own default; always sent, so that a run knows its bound
_SYSTEM_PROMPT = 200_000  # characters
_STEP = 2  # decimal places of temperature and topP
_NOISE = 1e-9  # of floats, as in 0.1 + 0.2
_FIELDS: Mapping[str, str] = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "reasoning_effort": "thinkingLevel",
}
_TAKEN = frozenset(
    {
        "taskType", "taskUUID", "model", "deliveryMethod", "includeCost", "includeUsage", "numberResults", "webhookURL",
        "seed", "messages", "tools", "toolChoice",
    }
)  # fmt: skip
_TAKEN_SETTINGS = frozenset({"systemPrompt", "stopSequences", "tools", "toolChoice", *_FIELDS.values()})
_CHOICES: Mapping[str, str] = {"auto": "auto", "required": "any", "named": "tool", "none": "none"}
REFUSED = (
    "prediction", "parallel_tool_calls", "verbosity", "logprobs", "top_logprobs", "logit_bias", "service_tier",
    "prompt_cache_key", "user",
)  # fmt: skip
"""Settings that no document of this API knows."""


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How tasks are made, whatever they ask. `number` is numberResults.

    `webhook_url` is asked for each task: a receiver may have been closed, or opened elsewhere.
    """

    number: int = 1
    tools_place: ToolsPlace = "task"
    webhook_url: Callable[[], str] | None = None
    asynchronous: bool = False


class TaskEncoder:
    """Encodes requests for one (model, profile)."""

    def __init__(self, model: str, profile: Profile, options: TaskOptions) -> None:
        self._model = model
        self._profile = profile
        self._options = options
        self._key = ("runware", profile.tool_id_length)

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The body: an array of one task, with a UUID that no other has.

        Raises:
            ConfigurationError: the task cannot carry the request.
        """
        _refuse(request, self._options, stream=stream)
        head = _json.dumps(self._head(request, stream))
        messages = [*filter(None, request.messages.derived(self._key, self._encode_message))]
        if not messages:
            raise ConfigurationError("runware wants at least one message besides the system prompt: give a prompt")
        return b"[" + head[:-1] + b',"messages":[' + b",".join(messages) + b"]}]"

    def _encode_message(self, messages: Sequence[Message], index: int) -> bytes:
        return _encode_message(messages, index, self._profile)

    def _head(self, request: ModelRequest, stream: bool) -> dict[str, Any]:
        options = self._options
        head: dict[str, Any] = {
            "taskType": "textInference",
            "taskUUID": str(uuid.uuid4()),
            "model": self._model,
            "deliveryMethod": "stream" if stream else "async" if options.asynchronous else "sync",
            "includeCost": True,
            "includeUsage": True,
            "numberResults": options.number,
        }
        if options.webhook_url is not None and not stream:
            head["webhookURL"] = options.webhook_url()
        if request.settings.seed is not None:
            head["seed"] = request.settings.seed
        if request.response_format is not None:
            head.update(_encode_format(request.response_format, self._profile))
        images = _images(request.messages, self._profile)
        if images:
            head["inputs"] = {"images": images}
        settings = encode_settings(request)
        tools = _encode_tools(request, self._profile)
        (settings if options.tools_place == "settings" else head).update(tools)
        extra = dict(request.settings.extra or {})
        more = extra.pop("settings", {})
        if not isinstance(more, Mapping):
            raise ConfigurationError(f"settings.extra['settings']={more!r} is no object of more settings")
        for taken in (sorted(extra.keys() & (_TAKEN | head.keys())), sorted(more.keys() & _TAKEN_SETTINGS)):
            if taken:
                raise ConfigurationError(
                    f"settings.extra holds {', '.join(taken)}, which agentkit sets itself for {self._profile.gateway}"
                )
        return {**head, **extra, "settings": {**settings, **more}}


def task_uuid(body: bytes) -> str:
    """The UUID in a body that `TaskEncoder` made."""
    start = body.index(b'"taskUUID":"') + len(b'"taskUUID":"')
    return body[start : start + 36].decode()


def get_response(wanted: str) -> bytes:
    """The body that asks what became of a task."""
    return _json.dumps([{"taskType": "getResponse", "taskUUID": wanted}])


def encode_settings(request: ModelRequest) -> dict[str, Any]:
    """The `settings` object: the system prompt, what was set, and maxTokens in any case."""
    settings = request.settings
    encoded: dict[str, Any] = {}
    prompt = "\n\n".join(_system_texts(request))
    if prompt:
        if len(prompt) > _SYSTEM_PROMPT:
            raise ConfigurationError(
                f"the system prompt has {len(prompt):,} characters, and runware takes 1 to {_SYSTEM_PROMPT:,}"
            )
        encoded["systemPrompt"] = prompt
    for name, wire in _FIELDS.items():
        value = getattr(settings, name)
        if value is not None:
            encoded[wire] = round(value, _STEP) if name in ("temperature", "top_p") else value
    encoded.setdefault("maxTokens", DEFAULT_MAX_TOKENS)
    if settings.stop is not None:
        encoded["stopSequences"] = [settings.stop] if isinstance(settings.stop, str) else list(settings.stop)
    return encoded


def rounded(settings: ModelSettings) -> Iterator[str]:
    """A sentence for each setting that goes out rounded to the documented step of 0.01."""
    for name in ("temperature", "top_p"):
        value = getattr(settings, name)
        if value is not None and abs(round(value, _STEP) - value) > _NOISE:
            yield f"{name}={value!r} went out as {round(value, _STEP)!r}: runware takes steps of 0.01"


def _refuse(request: ModelRequest, options: TaskOptions, *, stream: bool) -> None:
    for name in REFUSED:
        value = getattr(request.settings, name)
        if value is not None:
            raise ConfigurationError(
                f"{name}={value!r}: runware's task API does not document it: leave it out, or use 'runware:' for the "
                "OpenAI-compatible surface"
            )
    if not 1 <= options.number <= 4:
        raise ConfigurationError(f"{options.number} results were asked for, and runware gives 1 to 4")
    if options.number > 1 and (stream or request.tools):
        beside = "a stream" if stream else "tools"
        raise ConfigurationError(f"{options.number} results cannot be asked for with {beside}: ask for one")


def _system_texts(request: ModelRequest) -> Iterator[str]:
    """What the model is told, wherever it stands: this API has one place for it."""
    if request.instructions:
        yield request.instructions
    for message in request.messages:
        if isinstance(message, SystemMessage):
            yield message.text


def _encode_format(asked: ResponseFormat, profile: Profile) -> dict[str, Any]:
    if asked.type == "json_object":
        return {"outputFormat": "JSON"}
    schema: dict[str, Any] = {"name": asked.name, "schema": asked.schema}
    if asked.strict and profile.strict:
        schema["strict"] = True
    return {"outputFormat": "JSON", "jsonSchema": schema}


def _encode_tools(request: ModelRequest, profile: Profile) -> dict[str, Any]:
    if not request.tools:
        return {}
    encoded: dict[str, Any] = {"tools": [_encode_tool(tool, profile) for tool in request.tools]}
    kind = tool_choice_kind(request, profile)
    if kind is not None:
        named = {"name": request.tool_choice} if kind == "named" else {}
        encoded["toolChoice"] = {"type": _CHOICES[kind], **named}
    return encoded


def _encode_tool(tool: ToolDefinition, profile: Profile) -> dict[str, Any]:
    check_function(tool, profile)
    if tool.strict and profile.strict:
        raise ConfigurationError(
            f"the tool {tool.name!r} is strict, which runware's task API does not document for tools: leave out "
            "strict=, or use 'runware:' for the OpenAI-compatible surface"
        )
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "name": tool.name, **described, "schema": tool.parameters}


def _encode_message(messages: Sequence[Message], index: int, profile: Profile) -> bytes:
    message = messages[index]
    match message:
        case SystemMessage():
            return b""
        case UserMessage(parts):
            if any(isinstance(part, FilePart) for part in parts):
                raise ConfigurationError(
                    f"messages[{index}] has a file, and runware's task API documents no place for one"
                )
            return _json.dumps({"role": "user", "content": _text(message.text, index)})
        case AssistantMessage():
            encoded = _encode_assistant(message, profile)
            return _json.dumps(encoded) if encoded else b""  # an answer that came empty cannot be said again
        case ToolMessage(call_id):
            if any(not isinstance(part, TextPart) for part in message.parts):
                raise ConfigurationError(
                    f"messages[{index}] is a tool's image or file, and runware's task API documents text only there"
                )
            return _json.dumps({"role": "tool", "id": fitted_id(call_id, profile), "content": message.text})
        case _:
            assert_never(message)


def _encode_assistant(message: AssistantMessage, profile: Profile) -> dict[str, Any]:
    said = (message.text or message.refusal or "").strip()
    calls = [_encode_call(call, profile) for call in message.tool_calls]
    content = {"content": message.text or message.refusal} if said else {}
    tools = {"tools": calls} if calls else {}
    return {"role": "assistant", **content, **tools} if content or tools else {}


def _encode_call(call: ToolCall, profile: Profile) -> dict[str, Any]:
    arguments = call.arguments if call.arguments is not None else {"invalid_json": call.arguments_text}
    return {"id": fitted_id(call.id, profile), "name": call.name, "input": arguments}


def _text(text: str, index: int) -> str:
    if not text.strip():
        raise ConfigurationError(f"messages[{index}] has no text, and runware wants at least one character: add text")
    return text


def _images(messages: Sequence[Message], profile: Profile) -> list[str]:
    """The images of the only message that has some."""
    found = [
        (index, images)
        for index, message in enumerate(messages)
        if isinstance(message, UserMessage)
        and (images := [part for part in message.parts if isinstance(part, ImagePart)])
    ]
    if not found:
        return []
    index, images = found[0]
    if profile.vision is False:
        raise ConfigurationError(
            f"messages[{index}] has an image, and {profile.gateway} documents no vision for this model: leave it out"
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} messages have images, and runware's inputs.images does not say which image belongs to "
            "which message: keep those of one message, or use 'runware:' for the OpenAI-compatible surface"
        )
    if detail := next((image.detail for image in images if image.detail not in (None, "auto")), None):
        raise ConfigurationError(
            f"messages[{index}] has an image with detail={detail!r}, and runware's inputs.images has no place for it: "
            "leave it out, or use 'runware:' for the OpenAI-compatible surface"
        )
    return [image.as_url() for image in images]
