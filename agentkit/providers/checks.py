"""What is refused before a request: values outside what the gateway documents, by name. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from agentkit.errors import ConfigurationError
from agentkit.messages import ImagePart, Part
from agentkit.models import ModelRequest, ModelSettings, Profile, ToolDefinition

_INTEGERS = ("max_tokens", "seed", "n", "top_logprobs")
_NUMBERS = (*_INTEGERS, "temperature", "top_p", "presence_penalty", "frequency_penalty", "timeout")
_FORBIDDEN_EXTRA = frozenset({"messages", "model", "stream", "tool_choice", "response_format", "stream_options"})


def check_request(request: ModelRequest, profile: Profile, model: str) -> None:
    """Nothing, or the error that the request would have met.

    Raises:
        ConfigurationError: naming parameter, value, range and gateway.
    """
    if not request.messages and not request.instructions:
        raise ConfigurationError(f"messages is empty, and {profile.gateway} wants at least one message: give a prompt")
    check_settings(request.settings, profile, model)
    if (request.tools or vendor_tools(request.settings)) and not profile.tools:
        raise ConfigurationError(
            f"{profile.gateway} takes no tools for {model}: run without tools, or use a model that takes them"
        )
    choice = request.tool_choice
    if choice is not None and choice not in ("auto", "none"):
        names = [tool.name for tool in request.tools]
        if not names or (choice != "required" and choice not in names):
            raise ConfigurationError(
                f"tool_choice={choice!r} asks for a tool that is not there; the tools are: {', '.join(names) or 'none'}"
            )


def check_said(content: object, index: int, profile: Profile) -> None:
    """Nothing, or the error of a message without content.

    Raises:
        ConfigurationError: naming the message at `index`.
    """
    if not content:
        raise ConfigurationError(
            f"messages[{index}] has no content, and {profile.gateway} refuses empty messages: add text"
        )


def check_vision(parts: Iterable[Part], index: int, profile: Profile) -> None:
    """Nothing, or the error of an image for a model that takes none.

    Raises:
        ConfigurationError: naming the message at `index`.
    """
    if profile.vision is False and any(isinstance(part, ImagePart) for part in parts):
        raise ConfigurationError(
            f"messages[{index}] has an image, and {profile.gateway} documents no vision for this model: "
            "use a model that takes images, or leave it out"
        )


def vendor_tools(settings: ModelSettings) -> Sequence[Mapping[str, object]]:
    """The tools that the server brings itself, as in `extra={"tools": [{"type": "web_search"}]}`.

    Raises:
        ConfigurationError: they are no list of objects.
    """
    given: object = (settings.extra or {}).get("tools")
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, Mapping) for each in given):
        raise ConfigurationError(f"settings.extra holds tools={given!r}, which is no list of objects: give dicts")
    return given


def body_fields(settings: ModelSettings) -> dict[str, Any]:
    """The caller's own fields of the body, but for the tools, which go with the others."""
    return {name: value for name, value in (settings.extra or {}).items() if name != "tools"}


def check_function(tool: ToolDefinition, profile: Profile) -> None:
    """Nothing, or the error of a tool that is no function; for the wires that know functions only.

    Raises:
        ConfigurationError: naming the tool.
    """
    if tool.kind != "function":
        raise ConfigurationError(
            f"the tool {tool.name!r} is a {tool.kind}, which {profile.gateway} does not take on this surface: "
            "use ResponsesModel, or a function"
        )


def check_settings(settings: ModelSettings, profile: Profile, model: str) -> None:
    """Nothing, or the error that names the setting.

    Raises:
        ConfigurationError: see `check_request`.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is None:
            continue
        if field.name in profile.unsupported:
            raise ConfigurationError(
                f"{field.name}={value!r}: {profile.gateway} does not document it for {model}: leave it out"
            )
        if field.name in _NUMBERS:
            _check_number(field.name, value, profile, model)
    if settings.n not in (None, 1):
        raise ConfigurationError(f"n={settings.n!r} is not supported: a run has one answer; start several runs instead")
    _check_stop(settings, profile)
    _check_extra(settings.extra, profile)


def _check_number(name: str, value: object, profile: Profile, model: str) -> None:
    whole = name in _INTEGERS
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise ConfigurationError(f"{name}={value!r} is not {kind}, which {profile.gateway} wants")
    low, high = profile.ranges.get(name, (None, None))
    if name == "max_tokens":
        high = profile.max_output if high is None else high
    if (low is not None and value < low) or (high is not None and value > high):
        raise ConfigurationError(
            f"{name}={value!r} is outside what {profile.gateway} takes for {model}: {_range(low, high)}"
        )


def _check_stop(settings: ModelSettings, profile: Profile) -> None:
    stop = settings.stop
    if stop is None:
        return
    sequences = [stop] if isinstance(stop, str) else list(stop)
    if len(sequences) > profile.max_stop:
        raise ConfigurationError(
            f"stop={sequences!r} has {len(sequences)} sequences, and {profile.gateway} takes up to {profile.max_stop}"
        )
    if not sequences or not all(sequences):
        raise ConfigurationError(f"stop={stop!r} has an empty sequence: give texts, or leave it out")


def _check_extra(extra: Mapping[str, object] | None, profile: Profile) -> None:
    if not extra:
        return
    if extra.get("n", 1) != 1:
        raise ConfigurationError(f"n={extra['n']!r} is not supported: a run has one answer; start several runs instead")
    taken = sorted(_FORBIDDEN_EXTRA & extra.keys())
    if taken:
        raise ConfigurationError(
            f"settings.extra holds {', '.join(taken)}, which agentkit sets itself for {profile.gateway}"
        )


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
