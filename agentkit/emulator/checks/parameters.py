"""The plain parameters of a request: which exist, their types and ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from agentkit.emulator.dialects import Dialect, Problem

_Rule: TypeAlias = Callable[[Any], str | None]
"""What a value should have been, None when it is right."""


def _number(low: float, high: float) -> _Rule:
    def rule(value: Any) -> str | None:
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        return None if right else f"a number from {low:g} to {high:g}"

    return rule


def _integer(low: int | None = None, high: int | None = None) -> _Rule:
    def rule(value: Any) -> str | None:
        right = isinstance(value, int) and not isinstance(value, bool)
        right = right and (low is None or value >= low) and (high is None or value <= high)
        bounds = ("" if low is None else f" of at least {low}") + ("" if high is None else f" and at most {high}")
        return None if right else f"an integer{bounds}"

    return rule


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "a string"


def _object(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "an object"


def _one_of(*words: str) -> _Rule:
    def rule(value: Any) -> str | None:
        return None if value in words else "one of " + ", ".join(words)

    return rule


def _stop(value: Any) -> str | None:
    sequences = [value] if isinstance(value, str) else value
    right = isinstance(sequences, list) and 1 <= len(sequences) <= 4
    right = right and all(isinstance(sequence, str) and sequence for sequence in sequences)
    return None if right else "a string or a list of 1 to 4 strings, none of them empty"


def _stream_options(value: Any) -> str | None:
    known = ("include_usage", "include_obfuscation")
    right = isinstance(value, Mapping) and all(key in known and isinstance(flag, bool) for key, flag in value.items())
    return None if right else "an object with include_usage true or false"


def _prediction(value: Any) -> str | None:
    right = isinstance(value, Mapping) and value.get("type") == "content"
    return (
        None
        if right and isinstance(value.get("content"), (str, list))
        else 'an object {"type": "content", "content": ...}'
    )


def _anything(value: Any) -> str | None:
    return None  # has a check of its own


_RULES: Mapping[str, _Rule] = {
    "model": _anything,
    "messages": _anything,
    "tools": _anything,
    "tool_choice": _anything,
    "response_format": _anything,
    "n": _anything,
    "max_tokens": _integer(1),
    "max_completion_tokens": _integer(1),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "stop": _stop,
    "stream": _boolean,
    "stream_options": _stream_options,
    "seed": _integer(),
    "user": _string,
    "parallel_tool_calls": _boolean,
    "logprobs": _boolean,
    "top_logprobs": _integer(0, 20),
    "logit_bias": _object,
    "metadata": _object,
    "store": _boolean,
    "prediction": _prediction,
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh"),
    "verbosity": _one_of("low", "medium", "high"),
    "service_tier": _one_of("auto", "default", "flex", "scale", "priority"),
    "safety_identifier": _string,
    "prompt_cache_key": _string,
    "prompt_cache_retention": _string,
    "prompt_cache_options": _object,
}


def check_parameters(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    """What is wrong with the plain parameters, in the order in which the request has them."""
    for name, value in body.items():
        rule = _RULES.get(name)
        if rule is None:
            yield Problem(f"unknown parameter: {name!r}", name, kind="unsupported_parameter")
        elif value is None:
            yield Problem(f"{name} must not be null; leave it out instead", name)
        elif wanted := rule(value):
            yield Problem(f"{name} must be {wanted}, not {_short(value)}", name)
    yield from _output_limit(body, dialect)
    yield from _combinations(body)


def _output_limit(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    for name in ("max_tokens", "max_completion_tokens"):
        if name not in body:
            continue
        if name not in dialect.token_fields:
            instead = dialect.token_fields[0]
            message = f"unsupported parameter: {name!r} is not supported with this model. Use {instead!r} instead."
            yield Problem(message, name, kind="unsupported_parameter")
        elif dialect.max_output is not None and body[name] > dialect.max_output:
            message = f"{name} is too large: {body[name]}. This model takes at most {dialect.max_output} output tokens."
            yield Problem(message, name)


def _combinations(body: Mapping[str, Any]) -> Iterator[Problem]:
    if body.get("n", 1) != 1:
        yield Problem(f"n is not supported: leave it out or send 1, not {_short(body['n'])}", "n")
    if "stream_options" in body and body.get("stream") is not True:
        yield Problem("stream_options is only allowed when stream is true", "stream_options")
    if "top_logprobs" in body and body.get("logprobs") is not True:
        yield Problem("top_logprobs is only allowed when logprobs is true", "top_logprobs")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
