"""`/v1/models`: which models a gateway serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from agentkit.emulator.answers import json_answer
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.exchange import Answer, Refused

MODELS = "/v1/models"
"""The path of the whole list; one model's is below it."""

_MADE = 1_767_225_600  # Unix seconds
_MADE_DATE = "2026-01-01T00:00:00Z"


def listed_models(dialect: Dialect, path: str) -> Answer:
    """The list, or the one model that `path` names; in Anthropic's form where that is all that the gateway speaks.

    Raises:
        Refused: there is no such model.
    """
    anthropic = dialect.surfaces == ("messages",)
    listed = [_anthropic_model(model) if anthropic else _model(model) for model in dialect.models]
    wanted = unquote(path.removeprefix(MODELS).removeprefix("/"))
    if not wanted:
        return json_answer(200, _anthropic_list(listed) if anthropic else {"object": "list", "data": listed})
    for model in listed:
        if model["id"] == wanted:
            return json_answer(200, model)
    raise Refused(Problem(f"the model {wanted!r} does not exist here", "model", kind="model_not_found"))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _MADE, "owned_by": "emulator"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _MADE_DATE}


def _anthropic_list(listed: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {"data": listed, "has_more": False, "first_id": listed[0]["id"], "last_id": listed[-1]["id"]}
