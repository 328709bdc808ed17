"""Usage as servers spell it, read into one `Usage`."""

from collections.abc import Mapping
from typing import Any

from agentkit.usage import Usage

_INPUT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "promptTokenCount")
_OUTPUT = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens", "candidatesTokenCount")
_TOTAL = ("total_tokens", "totalTokens", "totalTokenCount")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "promptTokensDetails")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "completionTokensDetails")
_CACHED = (
    "cached_tokens", "cachedTokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount",
)  # fmt: skip
_CACHE_WRITE = ("cache_write_tokens", "cache_creation_input_tokens", "cacheWriteTokens")
_REASONING = ("reasoning_tokens", "thinking_tokens", "reasoningTokens", "thinkingTokens", "thoughtsTokenCount")
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")  # who has these counts them beside the input
_ABSURD = 1e300  # no count and no cost; beyond it an int is no float


def decode_usage(raw: Any) -> Usage:
    """The usage of one request; all zero, with `raw` None, when the server sent none.

    Three habits are evened out. Reasoning tokens that the total counts beside the output (ByteSpike's pro models, xAI,
    Gemini) are added to the output. Cache reads that are not part of the input (Anthropic) are added to the input. A
    missing total is computed.
    """
    if not isinstance(raw, dict) or not raw:
        return Usage(requests=1)
    input_details, output_details = _first_object(raw, _INPUT_DETAILS), _first_object(raw, _OUTPUT_DETAILS)
    input_tokens, output_tokens, total = _first(raw, _INPUT), _first(raw, _OUTPUT), _first(raw, _TOTAL)
    cached = _first(input_details, _CACHED) or _first(raw, _CACHED)
    cache_write = _first(input_details, _CACHE_WRITE) or _first(raw, _CACHE_WRITE)
    inside = _first(output_details, _REASONING)
    reasoning = inside or _first(raw, _REASONING)
    if reasoning and total == input_tokens + output_tokens + reasoning:
        output_tokens += reasoning
    if "input_tokens" in raw and not raw.keys().isdisjoint(_BESIDE) and not input_details:
        input_tokens += cached + cache_write
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total or input_tokens + output_tokens,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        accepted_prediction_tokens=_first(output_details, ("accepted_prediction_tokens",)),
        rejected_prediction_tokens=_first(output_details, ("rejected_prediction_tokens",)),
        requests=1,
        cost_usd=_cost(raw.get("cost")),
        raw=raw,
    )


def _first(raw: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of these fields that holds a number; some servers send it as text, or null."""
    for name in names:
        number = _number(raw.get(name))
        if number is not None:
            return max(0, int(number))
    return 0


def _first_object(raw: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    for name in names:
        value = raw.get(name)
        if isinstance(value, dict):
            return value
    return {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, (int, float)) or not -_ABSURD < value < _ABSURD:  # NaN is neither
        return None
    return value


def _cost(value: Any) -> float | None:
    if isinstance(value, dict):
        value = value.get("total_cost", value.get("total"))
    number = _number(value)
    return None if number is None else float(number)
