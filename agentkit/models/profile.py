"""What one model at one gateway accepts: declared by a preset or the user, never guessed from a name."""

import datetime
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.models.settings import ALL_EFFORTS, ReasoningEffort
from agentkit.usage import Price

OutputMode: TypeAlias = Literal["json_schema", "json_object", "tool", "prompt"]
"""How structured output is asked for: a response_format, a tool whose arguments are the output, or words alone."""

TokenField: TypeAlias = Literal["max_tokens", "max_completion_tokens"]
SystemRole: TypeAlias = Literal["system", "developer", "user"]

ALL_OUTPUT_MODES: tuple[OutputMode, ...] = ("json_schema", "json_object", "tool", "prompt")
ALL_TOOL_CHOICES: frozenset[str] = frozenset({"auto", "required", "none", "named"})

Range: TypeAlias = tuple[float | None, float | None]
"""Lowest and highest accepted value, both included; None is open."""

_Reader: TypeAlias = tuple[str, Callable[[Any], Any]]  # what a field holds, and how it is read out of JSON

_OPENAI_RANGES: Mapping[str, Range] = {
    "max_tokens": (1, None),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "top_logprobs": (0, 20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a (base URL, model) accepts.

    Attributes:
        gateway: the name used in messages to the user.
        context: tokens that fit in, None when not documented.
        max_output: tokens of output at most, None when not documented.
        form: how a Chat Completions request carries the conversation; "prompt" is ModelStream's flat form.
        max_tokens_field: the name that the gateway takes for the output limit.
        ranges: per setting, the documented range; a value outside is refused before the request.
        max_stop: how many stop sequences are taken.
        unsupported: settings that the gateway documents as not taken; giving one is an error.
        tools: whether tools are taken at all.
        tool_choices: which of auto, required, none and named are taken; another is asked for as auto, or where none is
            taken without saying so, and corrected once.
        vision: whether images are taken; None when not documented (they are then sent).
        output_modes: accepted ways of structured output, best first.
        format_with_tools: whether a response_format is heeded in a request that has tools, and leaves the model free to
            call them.
        strict: whether `strict: true` is taken in schemas.
        stream_usage: whether `stream_options: {"include_usage": true}` is taken.
        merge_system: whether only one leading system message is taken.
        think_tags: whether a leading `<think>...</think>` of the text is reasoning.
        text_tool_calls: whether a call written into the text as `<tool_call>{...}</tool_call>` is taken as a call.
        replay_reasoning: whether reasoning goes back in the field it came in.
        system_role: the role that carries instructions.
        tool_id_length: how many letters and digits the id of a call must have; None takes any id.
        efforts: the levels of reasoning_effort that are taken; the nearest one is sent in another's place.
        effort_with_tools: whether reasoning_effort goes with tools; where not, "none" is sent with them.
        dropped: settings, and names of `settings.extra`, that the server refused; they are left out with a warning.
        price: USD per million tokens, None when the page names none.
        reports_cost: whether the gateway reports cost in usage, so that no price is needed.
        failures_billed: whether the gateway charges for failed requests, None when not documented.
    """

    gateway: str = "the server"
    context: int | None = None
    max_output: int | None = None
    form: Literal["messages", "prompt"] = "messages"
    max_tokens_field: TokenField = "max_tokens"
    ranges: Mapping[str, Range] = field(default_factory=lambda: _OPENAI_RANGES)
    max_stop: int = 4
    unsupported: frozenset[str] = frozenset()
    tools: bool = True
    tool_choices: frozenset[str] = ALL_TOOL_CHOICES
    vision: bool | None = None
    output_modes: tuple[OutputMode, ...] = ALL_OUTPUT_MODES
    format_with_tools: bool = True
    strict: bool = True
    stream_usage: bool = True
    merge_system: bool = False
    think_tags: bool = True
    text_tool_calls: bool = False
    replay_reasoning: bool = True
    system_role: SystemRole = "system"
    tool_id_length: int | None = None
    efforts: tuple[ReasoningEffort, ...] = ALL_EFFORTS
    effort_with_tools: bool = True
    dropped: frozenset[str] = frozenset()
    price: Price | None = None
    reports_cost: bool = False
    failures_billed: bool | None = None

    def to_json(self) -> str:
        """What differs from a profile that says nothing, as a JSON object; `from_json` gives back an equal profile."""
        said: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != getattr(_SAYS_NOTHING, each.name):
                said[each.name] = _plain(value)
        return _json.dumps(said).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Profile":
        """The profile that `to_json` wrote.

        Raises:
            ConfigurationError: the text is not such an object; the message names the field.
        """
        try:
            said = _json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"this is no saved profile: it is not JSON: {error}") from error
        known = {each.name for each in fields(cls)}
        if not isinstance(said, dict) or not said.keys() <= known:
            odd = sorted(said.keys() - known) if isinstance(said, dict) else said
            raise ConfigurationError(
                f"this is no saved profile: {odd!r} is not known; it has {', '.join(sorted(known))}"
            )
        return cls(**{name: _read(name, value) for name, value in said.items()})


def _read(name: str, value: Any) -> Any:
    """The value of a field, as it was before it was saved."""
    wanted, read = _READERS[name]
    try:
        return read(value)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ConfigurationError(f"this is no saved profile: {name} is {value!r}, not {wanted}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Price):
        return {each.name: _plain(found) for each in fields(value) if (found := getattr(value, each.name)) is not None}
    if isinstance(value, datetime.date):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(value)
    return value


def _amount(value: Any) -> float:
    if _number(value) < 0:
        raise ValueError(value)
    return _number(value)


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _one_of(allowed: Collection[str]) -> _Reader:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(value)
        return _text(value)

    return f"one of {', '.join(sorted(allowed))}", read


def _some_of(allowed: Collection[str], *, least: int = 0) -> _Reader:
    def read(value: Any) -> tuple[str, ...]:
        found = _texts(value)
        if len(found) < least or not set(found) <= set(allowed):
            raise ValueError(value)
        return found

    return f"a list of {'some' if least else 'any or none'} of {', '.join(sorted(allowed))}", read


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(_text(each) for each in value)


def _set_of(reader: _Reader) -> _Reader:
    wanted, read = reader
    return wanted, lambda value: frozenset(read(value))


def _ranges(value: Any) -> Mapping[str, Range]:
    read = _or_none(_number)
    return {name: (read(low), read(high)) for name, (low, high) in value.items()}


def _day(value: Any) -> datetime.date:
    return datetime.date.fromisoformat(value)


def _price(value: Any) -> Price:
    said: dict[str, Any] = {name: _PRICE[name](each) for name, each in value.items()}
    return Price(**said)


_PRICE: Mapping[str, Callable[[Any], Any]] = {
    "input": _amount,
    "output": _amount,
    "cached": _or_none(_amount),
    "as_of": _or_none(_day),
}
_FLAG: _Reader = ("true or false", _flag)
_FLAG_OR_NONE: _Reader = ("true, false or null", _or_none(_flag))
_COUNT_OR_NONE: _Reader = ("a whole number of at least 1, or null", _or_none(_count))
_READERS: Mapping[str, _Reader] = {
    "gateway": ("a text", _text),
    "context": _COUNT_OR_NONE,
    "max_output": _COUNT_OR_NONE,
    "form": _one_of(("messages", "prompt")),
    "max_tokens_field": _one_of(get_args(TokenField)),
    "ranges": ("the lowest and the highest value, or null for none, by setting", _ranges),
    "max_stop": ("a whole number of at least 1", _count),
    "unsupported": _set_of(("a list of settings", _texts)),
    "tools": _FLAG,
    "tool_choices": _set_of(_some_of(ALL_TOOL_CHOICES)),
    "vision": _FLAG_OR_NONE,
    "output_modes": _some_of(ALL_OUTPUT_MODES, least=1),
    "format_with_tools": _FLAG,
    "strict": _FLAG,
    "stream_usage": _FLAG,
    "merge_system": _FLAG,
    "think_tags": _FLAG,
    "text_tool_calls": _FLAG,
    "replay_reasoning": _FLAG,
    "system_role": _one_of(get_args(SystemRole)),
    "tool_id_length": _COUNT_OR_NONE,
    "efforts": _some_of(ALL_EFFORTS, least=1),
    "effort_with_tools": _FLAG,
    "dropped": _set_of(("a list of settings", _texts)),
    "price": ("USD per million tokens as input, output and cached, with the day as_of", _or_none(_price)),
    "reports_cost": _FLAG,
    "failures_billed": _FLAG_OR_NONE,
}
_SAYS_NOTHING = Profile()
