"""A request as the bytes of Responses. Pure.

Messages are encoded once, into the history's side table, and joined; all else of the body stands before them.

Two things go out that nobody asked for by name, each because leaving it out means something else:

- `strict: false` for a function or schema that is not strict. Where it is absent, this API rewrites the schema into its
  strict form and makes optional fields required (OpenAI's function calling guide, "Strict mode"; its types name the
  field as required).
- `store: false` and `include: ["reasoning.encrypted_content"]` when reasoning is asked for (an effort other than
  `none`, or anything in `extra["reasoning"]`). A request carries the whole conversation, and reasoning belongs to it:
  encrypted, it can be sent back to any server of the vendor, whatever is stored there and for how long. Without being
  asked to reason, a request says neither; reasoning that comes anyway is sent back by its id, which works as long as
  the server stores answers, as is its default. `extra={"store": True}` keeps it that way with reasoning too. A server
  that refuses `store` or `include` is not sent it again (`Profile.dropped`); without `include`, `store` is not either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.messages import Message, SystemMessage, ToolMessage
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.checks import body_fields
from agentkit.providers.responses.items import Items
from agentkit.providers.tool_choice import tool_choice_kind
from agentkit.providers.tool_list import ToolList

ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_REFUSED = ("stop", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "prediction")
_REFUSED_EXTRA: Mapping[str, str] = {
    "input": "agentkit sets it itself: give messages",
    "instructions": "agentkit sets it itself: give instructions=",
    "previous_response_id": "each request carries the whole conversation, which would be there twice: leave it out",
    "conversation": "each request carries the whole conversation, which would be there twice: leave it out",
    "background": "the answer would not be in the response: leave it out",
}
_OBJECTS = ("text", "reasoning")  # settings.extra adds to these, and does not replace them


class Encoder:
    """Encodes requests for one (model, profile); keeps the encoded tools, which rarely change."""

    def __init__(self, model: str, profile: Profile) -> None:
        self.model = model
        self.profile = profile
        self._tools = ToolList(encode_tool, profile)

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The request's body.

        Raises:
            ConfigurationError: a setting that this API does not know, a message without content, or an image for a
                model without vision.
        """
        instructions, start = self._instructions(request)
        head = self._head(request)
        if stream:
            head["stream"] = True
        if instructions:
            head["instructions"] = instructions
        pieces = [_json.dumps(head)[:-1], self._tools.field(request)]
        pieces.append(b',"input":[' + self._input(request, start, stateless=head.get("store") is False) + b"]}")
        return b"".join(pieces)

    def _head(self, request: ModelRequest) -> dict[str, Any]:
        head: dict[str, Any] = {"model": self.model, **encode_settings(request.settings, self.profile)}
        if request.response_format is not None:
            head["text"] = {"format": encode_format(request.response_format, self.profile), **head.pop("text", {})}
        choice = encode_tool_choice(request, self.profile)
        if choice is not None:
            head["tool_choice"] = choice
        return head

    def _instructions(self, request: ModelRequest) -> tuple[str, int]:
        """What `instructions` says, and how many messages are in it already."""
        told = [request.instructions] if request.instructions else []
        start = 0
        if self.profile.merge_system:
            for message in request.messages:
                if not isinstance(message, SystemMessage):
                    break
                told.append(message.text)
                start += 1
        return "\n\n".join(told), start

    def _input(self, request: ModelRequest, start: int, *, stateless: bool) -> bytes:
        items = Items(self.profile, stateless=stateless)

        def encoded(messages: Sequence[Message], index: int) -> bytes:
            notes = [] if isinstance(messages[index], ToolMessage) else items.notes(messages, index)
            return _joined([*notes, *items.encode(messages, index)])

        pieces = request.messages.derived(items.key, encoded)
        notes = _joined(items.notes(request.messages, len(request.messages)))
        return b",".join([*pieces[start:], notes] if notes else pieces[start:])


def _joined(items: Sequence[Mapping[str, Any]]) -> bytes:
    return b",".join(map(_json.dumps, items))


def encode_tool(tool: ToolDefinition, profile: Profile) -> dict[str, Any]:
    """A tool as an object of the wire."""
    if tool.kind == "computer":
        screen = tool.screen
        if screen is None:
            return {"type": "computer"}
        return {
            "type": "computer_use_preview",
            "display_width": screen.width,
            "display_height": screen.height,
            "environment": screen.environment,
        }
    described = {"description": tool.description} if tool.description else {}
    strict = {"strict": bool(tool.strict)} if profile.strict else {}
    return {"type": "function", "name": tool.name, **described, "parameters": tool.parameters, **strict}


def encode_tool_choice(request: ModelRequest, profile: Profile) -> Any:
    """The choice as a value of the wire; None when there is none to send."""
    kind = tool_choice_kind(request, profile)
    if kind != "named":
        return kind
    for tool in request.tools:
        if tool.name == request.tool_choice and tool.kind == "computer":
            return {"type": encode_tool(tool, profile)["type"]}
    return {"type": "function", "name": request.tool_choice}


def encode_format(format: ResponseFormat, profile: Profile) -> dict[str, Any]:
    """The response_format as `text.format`."""
    if format.type == "json_object":
        return {"type": "json_object"}
    strict = {"strict": format.strict} if profile.strict else {}
    return {"type": "json_schema", "name": format.name, "schema": format.schema, **strict}


def encode_settings(settings: ModelSettings, profile: Profile) -> dict[str, Any]:
    """The settings that were given, under the wire's names.

    Raises:
        ConfigurationError: one that this API does not have.
    """
    extra = body_fields(settings)
    _refuse(settings, extra, profile)
    fields: dict[str, Any] = {
        "max_output_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "parallel_tool_calls": settings.parallel_tool_calls,
        "top_logprobs": settings.top_logprobs,
        "service_tier": settings.service_tier,
        "prompt_cache_key": settings.prompt_cache_key,
        "user": settings.user,
        "reasoning": None if settings.reasoning_effort is None else {"effort": settings.reasoning_effort},
        "text": None if settings.verbosity is None else {"verbosity": settings.verbosity},
    }
    given = {name: value for name, value in fields.items() if value is not None}
    for name, value in extra.items():
        given[name] = {**given.get(name, {}), **_object(name, value)} if name in _OBJECTS else value
    include = [_LOGPROBS] if settings.logprobs else []
    reasons = profile.replay_reasoning and _reasons(given.get("reasoning")) and not extra.get("store")
    if reasons and "include" not in profile.dropped:
        include.append(ENCRYPTED)
        if "store" not in profile.dropped:
            given["store"] = False  # only then: reasoning that is neither stored nor handed out would be lost
    if include:
        asked = extra.get("include")
        given["include"] = list(dict.fromkeys([*include, *(asked if isinstance(asked, (list, tuple)) else ())]))
    return given


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"settings.extra holds {name}={value!r}, which is not an object: give a dict")
    return value


def _reasons(reasoning: Any) -> bool:
    return bool(reasoning) and reasoning.get("effort") != "none"


def _refuse(settings: ModelSettings, extra: Mapping[str, Any], profile: Profile) -> None:
    for name in _REFUSED:
        value = getattr(settings, name)
        if value is not None:
            raise ConfigurationError(
                f"{name}={value!r}: the Responses API of {profile.gateway} does not have it: leave it out, or use "
                "ChatCompletionsModel"
            )
    for name, why in _REFUSED_EXTRA.items():
        if extra.get(name):
            raise ConfigurationError(f"settings.extra holds {name}, for the Responses API of {profile.gateway}: {why}")
