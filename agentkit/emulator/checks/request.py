"""A whole request body: its fields, then what each of the longer ones must look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.checks.history import check_messages
from agentkit.emulator.checks.output import check_response_format
from agentkit.emulator.checks.parameters import check_parameters
from agentkit.emulator.checks.toolset import check_tool_choice, check_tools
from agentkit.emulator.dialects import Dialect, Problem


def check(body: object, dialect: Dialect) -> Problem | None:
    """The first thing wrong with a decoded request body, None when it is a request that this gateway takes."""
    if not isinstance(body, Mapping):
        return Problem("the request body must be a JSON object")
    return next(_problems(body, dialect), None)


def _problems(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    yield from _model(body, dialect)
    yield from check_parameters(body, dialect)
    yield from check_messages(body.get("messages"), dialect)
    yield from check_tools(body)
    yield from check_tool_choice(body, dialect)
    yield from check_response_format(body, dialect)


def _model(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    if "model" not in body:
        yield Problem("you must provide a model parameter", "model")
        return
    model = body["model"]
    if not isinstance(model, str) or not model:
        yield Problem(f"model must be a non-empty string, not {model!r}", "model")
    elif not dialect.knows(model):
        served = ", ".join(dialect.models)
        yield Problem(
            f"the model {model!r} does not exist here; this gateway serves {served}", "model", kind="model_not_found"
        )
