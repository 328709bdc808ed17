"""What is wrong with a value, and where, in words that a model can act on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_SHOWN = 80
"""Characters of a wrong value that are repeated to the model; the start is enough to recognise it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `str()` gives `items[2].price: input should be a valid number (got 'abc')`.

    `path` leads from the outermost value to the wrong one: keys and 0-based indexes. `value` is what was found there;
    None where there was nothing to show (a missing field; a null is named in the message).
    """

    path: tuple[str | int, ...]
    message: str
    value: Any = None

    def __str__(self) -> str:
        where = dotted(self.path)
        text = f"{where}: {self.message}" if where else self.message
        return text if self.value is None else f"{text} (got {shortened(self.value)})"


class InvalidValue(Exception):
    """A value does not fit its schema: `problems` says where and why, `str()` has one line for each.

    A signal between validation and whoever answers the model; the user never sees it.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def shortened(value: Any) -> str:
    """The value as Python writes it, cut to about 80 characters."""
    if isinstance(value, str) and len(value) > _SHOWN:
        value = value[: _SHOWN + 1]  # before repr(): the text may have megabytes
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def dotted(path: tuple[str | int, ...]) -> str:
    """The path as Python would write it: `items[2].price`; empty for the root."""
    text = ""
    for step in path:
        match step:
            case int():
                text += f"[{step}]"
            case str() if step.isidentifier():
                text += f".{step}" if text else step
            case str():
                text += f"[{step!r}]"
    return text
