"""A call's arguments as models write them, read into objects."""

import json
import re
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.messages import ToolCall

_DECODER = json.JSONDecoder()
_HUGE = re.compile(r"[eE]\+?\d{3}|\d{300}")  # a number that may be read as infinity, which JSON cannot say


@dataclass(frozen=True, slots=True)
class Arguments:
    """One reading. `value` is None when the text is not a JSON object, and `problem` says why.

    `text` goes back to the server.
    """

    value: dict[str, Any] | None
    text: str
    problem: str | None = None


def read_arguments(raw: Any) -> list[Arguments]:
    """The argument objects of one call as it came: one, or several when a server glued calls together.

    An object instead of a text is taken as it is, an empty text is no arguments, a text inside a text is unpacked,
    repeated snapshots count once. Call it only when the answer is complete: a prefix of JSON can be valid JSON.
    """
    if isinstance(raw, dict):
        return [_repaired(raw)]
    if raw is None:
        return [_repaired({})]
    text = raw if isinstance(raw, str) else written(raw)
    if not text.strip():
        return [_repaired({})]
    try:
        value = _json.loads(text)
    except ValueError as error:
        return _read_sequence(text, error)
    if isinstance(value, dict):
        return [_repaired(value, text) if _HUGE.search(text) else Arguments(value, text)]
    return [_read_other(value, text)]


def written(value: Any) -> str:
    """A decoded value as the text that it was; of one with a number that was too large, a text that is not JSON."""
    try:
        return _json.dumps(value).decode()
    except ValueError:
        return str(value)


def sendable(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call as they go back: servers read the history's too, and fail on what is no object."""
    return {"invalid_json": call.arguments_text} if call.arguments is None else call.arguments


def sendable_text(call: ToolCall) -> str:
    """The same as a text, the model's own where it can be read."""
    if call.arguments is not None and call.arguments_text:
        return call.arguments_text
    return _json.dumps(sendable(call)).decode()


def is_complete(text: str) -> bool:
    """Whether the text is a whole JSON object already, so that more text belongs to something else."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(_json.loads(text), dict)
    except ValueError:
        return False


def _read_other(value: Any, text: str) -> Arguments:
    """JSON, but no object: null is no arguments, a string may hold the object."""
    if value is None:
        return _repaired({})
    inner = value
    for _ in range(2):
        if not isinstance(inner, str):
            break
        if not inner.strip():
            return _repaired({})
        try:
            inner = _json.loads(inner)
        except ValueError:
            break
    if isinstance(inner, dict):
        return _repaired(inner, text)
    return Arguments(None, text, f"the arguments are a JSON {_kind(value)}, an object is expected")


def _read_sequence(text: str, error: ValueError) -> list[Arguments]:
    """Several JSON values one after the other: snapshots of one call, or calls that lost their ids."""
    said: dict[str, dict[str, Any]] = {}  # each value once, in the order in which they came
    position = 0
    while position < len(text):
        try:
            value, position = _DECODER.raw_decode(text, position)
            key = json.dumps(value, sort_keys=True)
        except (ValueError, RecursionError):
            return [Arguments(None, text, f"the arguments are not JSON: {error}")]
        if not isinstance(value, dict):
            return [Arguments(None, text, f"the arguments are not JSON: {error}")]
        said.setdefault(key, value)
        while position < len(text) and text[position].isspace():
            position += 1
    values = [*said.values()]
    if len(values) > 1 and values[0] == {}:
        values = values[1:]
    return [_repaired(value, text) for value in values]


def _repaired(value: dict[str, Any], text: str = "") -> Arguments:
    """The object under the text that says it; `text` is how the model said it."""
    try:
        return Arguments(value, _json.dumps(value).decode())
    except ValueError as error:  # NaN, or a number beyond every range
        return Arguments(None, text, f"the arguments are not JSON: {error}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array"
