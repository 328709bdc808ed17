"""From the model's text to the declared value: find the JSON, mend what is surely a slip, validate. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.output.declared import Declared
from agentkit.schema import InvalidValue, Problem

_FENCE = re.compile(r"```(?:json|JSON)?\s*\n(.*?)\n?\s*```", re.DOTALL)
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A valid value, and what had to be mended to read it (`fence`, `prose`, `trailing comma`)."""

    value: Any
    mended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the text is not the output, one sentence for each problem, with its path."""

    problems: tuple[str, ...]


def parse(text: str, declared: Declared) -> Parsed | Rejected:
    """The value in `text`."""
    try:
        decoded, mended = _decode(text)
    except ValueError as error:
        return Rejected((f"the answer is not JSON: {error}",))
    return validate(decoded, declared, mended)


def validate(decoded: Any, declared: Declared, mended: tuple[str, ...] = ()) -> Parsed | Rejected:
    """The value of decoded JSON."""
    try:
        return Parsed(declared.value(decoded), mended)
    except InvalidValue as error:
        return Rejected(tuple(str(problem) for problem in error.problems))
    except Exception as error:  # a validator of the user's that raised something else
        return Rejected((str(Problem((), f"{type(error).__name__}: {error}")),))


def _decode(text: str) -> tuple[Any, tuple[str, ...]]:
    stripped = text.strip()
    try:
        return _json.loads(stripped), ()
    except ValueError as error:
        original = error
    fenced = _FENCE.search(stripped)
    candidates: list[tuple[str, tuple[str, ...]]] = [(fenced[1].strip(), ("fence",))] if fenced else []
    start = min((at for at in (stripped.find("{"), stripped.find("[")) if at >= 0), default=-1)
    if start >= 0:
        candidates.append((stripped[start:], ("prose",) if start else ()))
    for candidate, mended in candidates:
        for attempt, slips in ((candidate, mended), (_without_trailing_commas(candidate), (*mended, "trailing comma"))):
            try:
                value, end = _DECODER.raw_decode(attempt)
            except (ValueError, RecursionError):
                continue
            rest = attempt[end:].strip()
            if "{" in rest or "[" in rest:  # a second value: which one is meant would be a guess
                continue
            return value, slips if not rest or "prose" in slips else (*slips, "prose")
    raise original


def _without_trailing_commas(text: str) -> str:
    """The text without commas before a closing bracket, strings left alone."""
    pieces: list[str] = []
    position = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', text):
        pieces.append(text[position : match.start()])
        pieces.append(match[0] if match[0] != "," else "")
        position = match.end()
    return "".join([*pieces, text[position:]])
