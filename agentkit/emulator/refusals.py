"""What one server does not take although its dialect would, and how it says so: for trying how a client adapts.

Servers differ in what they refuse (`max_tokens`, `stream_options`, `strict`) and in the words that they refuse it with.
Pure; reads requests that have passed the checks already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, assert_never, get_args

from agentkit.emulator.dialects import Problem
from agentkit.emulator.exchange import Refused
from agentkit.errors import ConfigurationError

Style: TypeAlias = Literal["openai", "fastapi", "plain", "anthropic"]
"""Whose words and envelope: OpenAI's 400 with `param` and `code`, the 422 of servers built on FastAPI (vLLM, Mistral),
a bare string (LM Studio), or Anthropic's."""

_INSTEAD = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_DEFAULTS = {"temperature": 1, "top_p": 1}  # what OpenAI still takes where it takes no other value
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Found:
    """The place of what is refused, the value there, and what OpenAI says. `code` None: it gives none."""

    param: str
    value: Any
    message: str
    code: str | None = "unsupported_value"


_Finder: TypeAlias = Callable[[Mapping[str, Any]], Iterator[_Found]]


def _unsupported(param: str, value: Any, more: str = "") -> _Found:
    text = f"Unsupported parameter: {param!r} is not supported with this model.{more}"
    return _Found(param, value, text, "unsupported_parameter")


def _unsupported_value(param: str, value: Any, more: str = "") -> _Found:
    return _Found(param, value, f"Unsupported value: {param!r} does not support {value!r} with this model.{more}")


def _field(name: str, *, but_default: bool) -> _Finder:
    def find(body: Mapping[str, Any]) -> Iterator[_Found]:
        if name not in body:
            return
        value = body[name]
        if not (but_default and name in _DEFAULTS):
            more = f" Use {_INSTEAD[name]!r} instead." if name in _INSTEAD else ""
            yield _unsupported(name, value, more)
        elif value != _DEFAULTS[name]:
            yield _unsupported_value(name, value, f" Only the default ({_DEFAULTS[name]}) value is supported.")

    return find


def _format(kind: str) -> _Finder:
    def find(chat: Mapping[str, Any]) -> Iterator[_Found]:
        if chat.get("response_format", {}).get("type") == kind:
            text = f"Invalid parameter: 'response_format' of type {kind!r} is not supported with this model."
            yield _Found("response_format", chat["response_format"], text)

    return find


def _strict(chat: Mapping[str, Any]) -> Iterator[_Found]:
    for index, tool in enumerate(chat.get("tools", ())):
        if "strict" in tool["function"]:
            yield _unsupported(f"tools[{index}].function.strict", tool["function"]["strict"])
    schema = chat.get("response_format", {}).get("json_schema", {})
    if "strict" in schema:
        yield _unsupported("response_format.json_schema.strict", schema["strict"])


def _required(chat: Mapping[str, Any]) -> Iterator[_Found]:
    if chat.get("tool_choice") == "required":
        yield _unsupported_value("tool_choice", "required", " Supported values are: 'none' and 'auto'.")


def _named(chat: Mapping[str, Any]) -> Iterator[_Found]:
    if isinstance(choice := chat.get("tool_choice"), Mapping):
        text = "Unsupported value: 'tool_choice' does not support naming a function with this model."
        yield _Found("tool_choice", choice, text)


def _effort(level: str) -> _Finder:
    def find(chat: Mapping[str, Any]) -> Iterator[_Found]:
        if chat.get("reasoning_effort") == level:
            *most, last = (repr(other) for other in _EFFORTS if other != level)
            listed = f" Supported values are: {', '.join(most)}, and {last}."
            yield _unsupported_value("reasoning_effort", level, listed)

    return find


def _effort_with_tools(chat: Mapping[str, Any]) -> Iterator[_Found]:
    if "tools" in chat and (level := chat.get("reasoning_effort", "none")) != "none":
        text = f"Function tools with reasoning_effort are not supported for {chat['model']} in /v1/chat/completions."
        yield _Found("reasoning_effort", level, f"{text} Please use /v1/responses instead.", None)


def _role(role: str) -> _Finder:
    def find(chat: Mapping[str, Any]) -> Iterator[_Found]:
        for index, message in enumerate(chat["messages"]):
            if message["role"] == role:
                yield _unsupported_value(f"messages[{index}].role", role)

    return find


def _many_system_messages(chat: Mapping[str, Any]) -> Iterator[_Found]:
    for index, message in enumerate(chat["messages"]):
        if index and message["role"] in ("system", "developer"):
            text = f"System message must be at the beginning, and the only one: messages[{index}] is another."
            yield _Found(f"messages[{index}].role", message["role"], text)


def _call_ids(chat: Mapping[str, Any]) -> Iterator[_Found]:
    for index, message in enumerate(chat["messages"]):
        for at, made in _ids(message):
            if not _MISTRAL_ID.fullmatch(made):
                text = f"Tool call id was {made} but must be a-z, A-Z, 0-9, with a length of 9."
                yield _Found(f"messages[{index}].{at}", made, text)


def _ids(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, call in enumerate(message.get("tool_calls") or ()):
        yield f"tool_calls[{index}].id", call["id"]
    if "tool_call_id" in message:
        yield "tool_call_id", message["tool_call_id"]


def _reasoning_content(chat: Mapping[str, Any]) -> Iterator[_Found]:
    for index, message in enumerate(chat["messages"]):
        if "reasoning_content" in message:
            yield _unsupported(f"messages[{index}].reasoning_content", message["reasoning_content"])


_SPECIAL: Mapping[str, _Finder] = MappingProxyType(
    {
        "response_format:json_schema": _format("json_schema"),
        "response_format:json_object": _format("json_object"),
        "strict": _strict,
        "tool_choice:required": _required,
        "tool_choice:named": _named,
        "reasoning_effort+tools": _effort_with_tools,
        **{f"reasoning_effort:{level}": _effort(level) for level in _EFFORTS},
        "role:system": _role("system"),
        "role:developer": _role("developer"),
        "many_system_messages": _many_system_messages,
        "tool_call_id:9": _call_ids,
        "reasoning_content": _reasoning_content,
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that the server refuses, and in which style.

    `what` is the name of any top-level field of the request, or one of: `response_format:json_schema`,
    `response_format:json_object`, `strict` (in tools and in json_schema), `tool_choice:required`, `tool_choice:named`,
    `reasoning_effort+tools`, `reasoning_effort:LEVEL`, `role:system`, `role:developer`, `many_system_messages`,
    `tool_call_id:9` (ids must be nine letters and digits, as for Mistral), `reasoning_content` (in messages). In
    OpenAI's style `temperature` and `top_p` are still taken with their default, 1.

    Raises:
        ConfigurationError: `what` or `style` is none of these.
    """

    what: str
    style: Style = "openai"

    def __post_init__(self) -> None:
        if self.what not in _SPECIAL and not self.what.isidentifier():
            known = ", ".join(_SPECIAL)
            raise ConfigurationError(
                f"a refusal names a field of the request, or one of {known}; {self.what!r} is neither"
            )
        if self.style not in get_args(Style):
            known = ", ".join(get_args(Style))
            raise ConfigurationError(f"the style of a refusal is one of {known}, not {self.style!r}")

    @property
    def finder(self) -> _Finder:
        """What finds it: in the request as it came for a plain field, else in its Chat Completions form."""
        return _SPECIAL.get(self.what) or _field(self.what, but_default=self.style == "openai")


def check_refusals(refusals: Sequence[Refusal], path: str, body: Mapping[str, Any], chat: Mapping[str, Any]) -> None:
    """Refuses the first thing in a request to `path` that is on the list; `chat` is what it means in Chat Completions.

    Raises:
        Refused: with the status and body of the refusal's style.
    """
    for refusal in refusals:
        if refusal.what == "reasoning_effort+tools" and path != "/v1/chat/completions":
            continue  # the other surfaces take them together
        asked = chat if refusal.what in _SPECIAL else body
        for found in refusal.finder(asked):
            style = "anthropic" if path == "/v1/messages" and refusal.style == "openai" else refusal.style
            param = _renamed(found.param, path)
            raise Refused(Problem(found.message, param), answer=_rendered(style, found, param))


def _renamed(param: str, path: str) -> str:
    """The place of a Chat Completions field in another surface's requests."""
    if path == "/v1/chat/completions":
        return param
    param = re.sub(r"^(tools\[\d+\])\.function", r"\1", param)
    responses = path == "/v1/responses"
    names = {
        "response_format.json_schema": "text.format" if responses else "output_config.format",
        "response_format": "text.format" if responses else "output_config.format",
        "reasoning_effort": "reasoning.effort" if responses else "output_config.effort",
        "messages": "input" if responses else "messages",
    }
    for name, renamed in names.items():
        if param.startswith(name):
            return renamed + param.removeprefix(name)
    return param


def _rendered(style: Style, found: _Found, param: str) -> tuple[int, dict[str, Any]]:
    message = found.message.replace(repr(found.param), repr(param))
    match style:
        case "openai":
            error = {"message": message, "type": "invalid_request_error", "param": param, "code": found.code}
            return 400, {"error": error}
        case "fastapi":
            return 422, {"detail": [_detail(found, message, param)]}
        case "plain":
            what = param if found.code == "unsupported_parameter" else f"{param}: {_short(found.value)}"
            return 400, {"error": f"{what} is not supported"}
        case "anthropic":
            extra = found.code == "unsupported_parameter"
            text = f"{param}: Extra inputs are not permitted" if extra else f"{param}: {message}"
            return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
        case _:
            assert_never(style)


def _detail(found: _Found, message: str, param: str) -> dict[str, Any]:
    steps = re.findall(r"[^.\[\]]+", param)
    loc = ["body", *(int(step) if step.isdecimal() else step for step in steps)]
    if found.code == "unsupported_parameter":
        return {"type": "extra_forbidden", "loc": loc, "msg": "Extra inputs are not permitted", "input": found.value}
    return {"type": "value_error", "loc": loc, "msg": f"Value error, {message}", "input": found.value}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
