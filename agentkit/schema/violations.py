"""jsonschema's validation errors as problems."""

from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

from agentkit.schema.problem import Problem

_LONGEST = 300
"""Characters of a message: jsonschema repeats the value and the schema in it, and both may be large."""


def problems_of(errors: Iterable[ValidationError]) -> list[Problem]:
    """What is wrong, in the order of the schema; of alternatives that all fail, the one that came closest."""
    found: dict[tuple[tuple[str | int, ...], str], Problem] = {}
    for error in errors:
        for problem in _problems(best_match([error]) or error):
            found.setdefault((problem.path, problem.message), problem)
    return list(found.values())


def _problems(error: ValidationError) -> Iterator[Problem]:
    path: tuple[str | int, ...] = tuple(error.absolute_path)
    if error.validator == "required":  # one error for each missing name, and none says which: all are named each time
        names: Any = error.validator_value
        found: Any = error.instance
        yield from (Problem((*path, name), "field required") for name in names if name not in found)
        return
    shown = None if error.validator == "additionalProperties" else error.instance
    yield Problem(path, _message(error), shown)


def _message(error: ValidationError) -> str:
    message, value = error.message, repr(error.instance)
    if message.startswith(value):
        message = f"input{message[len(value) :]}"
    message = message[:1].lower() + message[1:]
    if error.instance is None:
        message += " (got null)"
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST - 1]}…"
