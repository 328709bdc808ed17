"""A request as the bytes of the Messages API. Pure.

Messages are encoded once, into the history's side table, and joined. The API wants user and assistant in turn, and the
results of one turn's calls in one user message: so the bytes of a message begin with whatever ends the turn before it,
if its role is another, and are otherwise more content of that turn. Content is always a list of blocks, also where it
is one text; so request n+1 begins with request n's messages, tools and schema, and prompt caches hit.

Leading system messages and the instructions are the top-level `system`. `max_tokens` is required by the API: where
neither the settings nor the profile (`max_output`) bound the output, it is 4,096, as in a run's reservation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.messages import AssistantMessage, Message, SystemMessage
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.checks import body_fields, check_function
from agentkit.providers.messages.blocks import encode_blocks, encoded
from agentkit.providers.tool_choice import tool_choice_kind
from agentkit.providers.tool_list import ToolList

DEFAULT_MAX_TOKENS = 4096

_KINDS: Mapping[str, str] = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_UNKNOWN = (
    "presence_penalty", "frequency_penalty", "seed", "prediction", "verbosity", "logprobs", "top_logprobs",
    "logit_bias", "prompt_cache_key",
)  # fmt: skip
_OWN: Mapping[str, str] = {
    "system": "instructions",
    "max_tokens": "settings.max_tokens",
    "stop_sequences": "settings.stop",
}


class Encoder:
    """Encodes requests for one (model, profile); keeps the encoded tools, which rarely change."""

    def __init__(self, model: str, profile: Profile) -> None:
        self.model = model
        self.profile = profile
        self._key = ("messages", profile.vision is False, profile.replay_reasoning, profile.tool_id_length)
        self._tools = ToolList(encode_tool, profile)

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The request's body.

        Raises:
            ConfigurationError: a setting or format that the API does not have, a message without content, an image for
                a model without vision, or no message at all.
        """
        pieces = [_json.dumps(self._head(request, stream))[:-1], self._tools.field(request)]
        system = system_text(request)
        if system:
            pieces.append(b',"system":' + _json.dumps(system))
        pieces.append(b',"messages":[')
        turns = request.messages.derived(self._key, self._encode_message)
        pieces.extend(turns)
        if not any(turns):
            raise ConfigurationError(
                f"messages holds nothing to answer, and {self.profile.gateway} wants a message besides the "
                "instructions: give a prompt"
            )
        pieces.append(b"]}]}")
        return b"".join(pieces)

    def _head(self, request: ModelRequest, stream: bool) -> dict[str, Any]:
        head: dict[str, Any] = {"model": self.model, **encode_settings(request.settings, self.profile)}
        choice = encode_tool_choice(request, self.profile)
        if choice is not None:
            head["tool_choice"] = choice
        config = encode_output_config(request)
        if config:
            head["output_config"] = config
        if stream:
            head["stream"] = True
        return _with_extra(head, body_fields(request.settings), self.profile)

    def _encode_message(self, messages: Sequence[Message], index: int) -> bytes:
        message = messages[index]
        if _leads(messages, index):
            return b""
        blocks = encode_blocks(message, index, self.profile)
        if not blocks:
            return b""
        role, before = _role(message), self._role_before(messages, index)
        if role == before:
            return b"," + encoded(blocks)
        opening = b'{"role":"%s","content":[' % role.encode()
        return (b"]}," if before else b"") + opening + encoded(blocks)

    def _role_before(self, messages: Sequence[Message], index: int) -> str:
        """Whose turn it is where the message at `index` begins; empty where nothing stands before it."""
        for place in range(index - 1, -1, -1):
            message = messages[place]
            if isinstance(message, AssistantMessage) and self._is_silent(message):
                continue
            return "" if _leads(messages, place) else _role(message)
        return ""

    def _is_silent(self, message: AssistantMessage) -> bool:
        """Whether nothing of an answer can be sent; looked at without its blocks where that is enough."""
        said = message.tool_calls or (message.text or "").strip()
        return not said and not encode_blocks(message, 0, self.profile)


def system_text(request: ModelRequest) -> str:
    """The instructions and the system messages that the history begins with, a blank line between them."""
    texts = [request.instructions] if request.instructions else []
    for message in request.messages:
        if not isinstance(message, SystemMessage):
            break
        texts.append(message.text)
    return "\n\n".join(text for text in texts if text.strip())


def encode_tool(tool: ToolDefinition, profile: Profile) -> dict[str, Any]:
    """A tool as an object of the wire.

    Raises:
        ConfigurationError: it is no function.
    """
    check_function(tool, profile)
    encoded: dict[str, Any] = {"name": tool.name}
    if tool.description:
        encoded["description"] = tool.description
    encoded["input_schema"] = tool.parameters
    if tool.strict is not None and profile.strict:
        encoded["strict"] = tool.strict
    return encoded


def sent_tool_choice(request: ModelRequest, profile: Profile) -> str | None:
    """The kind of choice that goes out. `parallel_tool_calls` stands inside of one, so it brings an `auto` along."""
    kind = tool_choice_kind(request, profile)
    if kind is None and request.tools and request.settings.parallel_tool_calls is not None:
        return "auto"
    return kind


def encode_tool_choice(request: ModelRequest, profile: Profile) -> dict[str, Any] | None:
    """The choice as an object of the wire; None when there is none to send."""
    kind = sent_tool_choice(request, profile)
    if kind is None:
        return None
    choice: dict[str, Any] = {"type": _KINDS[kind]}
    if kind == "named":
        choice["name"] = request.tool_choice
    parallel = request.settings.parallel_tool_calls
    if parallel is not None and kind != "none":
        choice["disable_parallel_tool_use"] = not parallel
    return choice


def left_out(request: ModelRequest, profile: Profile) -> tuple[str, ...]:
    """A sentence for each setting that has no place in this request, although the API knows it."""
    parallel = request.settings.parallel_tool_calls
    if parallel is None or sent_tool_choice(request, profile) not in (None, "none"):
        return ()
    why = "with tool_choice 'none'" if request.tools else "without tools"
    return (f"parallel_tool_calls={parallel!r} was left out: {profile.gateway} has no place for it {why}",)


def encode_output_config(request: ModelRequest) -> dict[str, Any]:
    """How the answer is to look and how hard it is to be thought about; empty when neither was asked for.

    Raises:
        ConfigurationError: a format without a schema, which the API does not have.
    """
    config: dict[str, Any] = {}
    if request.response_format is not None:
        config["format"] = _encode_format(request.response_format)
    if request.settings.reasoning_effort not in (None, "none"):  # no effort means no thinking here
        config["effort"] = request.settings.reasoning_effort
    return config


def _encode_format(format: ResponseFormat) -> dict[str, Any]:
    """The API knows neither a name nor `strict`: it always holds to the schema."""
    if format.type == "json_object" or format.schema is None:
        raise ConfigurationError(
            f"response_format {format.type!r} without a schema: the Messages API has no such output: give a schema, or "
            "a profile with output_modes=('json_schema', 'tool', 'prompt')"
        )
    return {"type": "json_schema", "schema": format.schema}


def sent_max_tokens(settings: ModelSettings, profile: Profile) -> int:
    """The bound on the output, which the API wants in any case."""
    asked = settings.max_tokens
    return asked if asked is not None else profile.max_output or DEFAULT_MAX_TOKENS


def encode_settings(settings: ModelSettings, profile: Profile) -> dict[str, Any]:
    """The settings that were given, under the wire's names, but for those that have places of their own.

    Raises:
        ConfigurationError: one that the API does not have; none is dropped in silence.
    """
    for name in _UNKNOWN:
        value = getattr(settings, name)
        if value is not None:
            raise ConfigurationError(
                f"{name}={value!r}: the Messages API, which {profile.gateway} is asked through, has no such setting: "
                "leave it out, or ask through chat completions"
            )
    stop = settings.stop
    fields: dict[str, Any] = {
        "max_tokens": sent_max_tokens(settings, profile),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stop_sequences": [stop] if isinstance(stop, str) else None if stop is None else list(stop),
        "service_tier": settings.service_tier,
        "metadata": None if settings.user is None else {"user_id": settings.user},
    }
    return {name: value for name, value in fields.items() if value is not None}


def _with_extra(head: dict[str, Any], extra: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """The head with the caller's own fields; an object that both have (`output_config`, say) has the fields of both."""
    for name, value in extra.items():
        if name in _OWN:
            raise ConfigurationError(
                f"settings.extra holds {name}, which agentkit sets itself for {profile.gateway}: use {_OWN[name]}"
            )
        own = head.get(name)
        head[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, Mapping) else value
    return head


def _leads(messages: Sequence[Message], index: int) -> bool:
    """Whether the message is one of the system messages that the history begins with."""
    if not isinstance(messages[index], SystemMessage):
        return False
    return all(isinstance(messages[place], SystemMessage) for place in range(index))


def _role(message: Message) -> str:
    return "assistant" if isinstance(message, AssistantMessage) else "user"
