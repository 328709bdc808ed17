"""pydantic's validation errors as problems: paths into the value as it was sent, sentences in lower case."""

from typing import Any

from pydantic_core import ErrorDetails, ValidationError, from_json

from agentkit.schema.problem import Problem


def problems_of(error: ValidationError, text: str | bytes) -> list[Problem]:
    """What is wrong with the JSON text, in pydantic's order; the alternatives of a union that fail at the same place
    are one problem."""
    details = error.errors(include_url=False, include_context=False)
    if details[0]["type"] == "json_invalid":
        return [Problem((), _sentence(details[0]))]
    value = from_json(text)
    merged: dict[tuple[str | int, ...], Problem] = {}
    for detail in details:
        problem = Problem(_path(detail, value), _sentence(detail), _found(detail))
        if (earlier := merged.get(problem.path)) is not None:
            problem = Problem(problem.path, _either(earlier.message, problem.message), earlier.value)
        merged[problem.path] = problem
    return list(merged.values())


def _either(first: str, second: str) -> str:
    return first if second in first.split(", or ") else f"{first}, or {second}"


def _sentence(detail: ErrorDetails) -> str:
    message = detail["msg"]
    message = message[:1].lower() + message[1:]
    nothing = detail["input"] is None and detail["type"] not in ("missing", "json_invalid")
    return f"{message} (got null)" if nothing else message


def _found(detail: ErrorDetails) -> Any:
    return None if detail["type"] == "missing" else detail["input"]


def _path(detail: ErrorDetails, value: Any) -> tuple[str | int, ...]:
    """The location without what pydantic adds for itself: the members of unions, the names of validators, `[key]`.

    Told apart by following the location through the value: a step that is not there is pydantic's own.
    """
    path: list[str | int] = []
    here = value
    location = detail["loc"]
    for number, step in enumerate(location, 1):
        missing = detail["type"] == "missing" and number == len(location)
        match here:
            case dict() if str(step) in here or missing:
                path.append(str(step))
                here = here.get(str(step))
            case list() if isinstance(step, int):
                path.append(step)
                here = here[step] if step < len(here) else None
            case _:
                continue
    return tuple(path)
