"""What one model at one gateway accepts: declared by a preset or the user, never guessed from a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentkit.usage import Price

OutputMode: TypeAlias = Literal["json_schema", "json_object", "tool", "prompt"]
"""How structured output is asked for: a response_format, a tool whose arguments are the output, or words alone."""

ALL_OUTPUT_MODES: tuple[OutputMode, ...] = ("json_schema", "json_object", "tool", "prompt")
ALL_TOOL_CHOICES: frozenset[str] = frozenset({"auto", "required", "none", "named"})

Range: TypeAlias = tuple[float | None, float | None]
"""Lowest and highest accepted value, both included; None is open."""

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
        max_tokens_field: the name that the gateway takes for the output limit.
        ranges: per setting, the documented range; a value outside is refused before the request.
        max_stop: how many stop sequences are taken.
        unsupported: settings that the gateway documents as not taken; giving one is an error.
        tools: whether tools are taken at all.
        tool_choices: which of auto, required, none and named are taken; another is asked for as auto and corrected
            once.
        vision: whether images are taken; None when not documented (they are then sent).
        output_modes: accepted ways of structured output, best first.
        strict: whether `strict: true` is taken in schemas.
        stream_usage: whether `stream_options: {"include_usage": true}` is taken.
        merge_system: whether only one leading system message is taken.
        think_tags: whether a leading `<think>...</think>` of the text is reasoning.
        text_tool_calls: whether a call written into the text as `<tool_call>{...}</tool_call>` is taken as a call.
        replay_reasoning: whether reasoning goes back in the field it came in.
        price: USD per million tokens, None when the page names none.
        reports_cost: whether the gateway reports cost in usage, so that no price is needed.
        failures_billed: whether the gateway charges for failed requests, None when not documented.
    """

    gateway: str = "the server"
    context: int | None = None
    max_output: int | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    ranges: Mapping[str, Range] = field(default_factory=lambda: _OPENAI_RANGES)
    max_stop: int = 4
    unsupported: frozenset[str] = frozenset()
    tools: bool = True
    tool_choices: frozenset[str] = ALL_TOOL_CHOICES
    vision: bool | None = None
    output_modes: tuple[OutputMode, ...] = ALL_OUTPUT_MODES
    strict: bool = True
    stream_usage: bool = True
    merge_system: bool = False
    think_tags: bool = True
    text_tool_calls: bool = False
    replay_reasoning: bool = True
    price: Price | None = None
    reports_cost: bool = False
    failures_billed: bool | None = None
