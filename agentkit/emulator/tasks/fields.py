"""Reads one JSON object of a task field by field, and refuses what is not as its page says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.emulator.tasks.complaint import Complaint

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)


class Fields:
    """The fields of an object at `path`. Each is taken once; `close` refuses those that nobody took."""

    def __init__(self, value: object, path: tuple[str, ...] = ()) -> None:
        if not isinstance(value, Mapping):
            raise invalid(path, "must be an object", type="object")
        self._left = dict(value)
        self._path = path

    def has(self, name: str) -> bool:
        """Whether it is there and has not been taken."""
        return name in self._left

    def path(self, *names: str) -> tuple[str, ...]:
        """The path of something in this object."""
        return (*self._path, *names)

    def anything(self, name: str) -> Any:
        """The value as it stands, None without one; null is refused."""
        if name not in self._left:
            return None
        value = self._left.pop(name)
        if value is None:
            raise invalid(self.path(name), "must not be null; leave it out instead")
        return value

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """A string of at least one and at most `longest` characters."""
        value = self.anything(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(self.path(name), "must be a string", type="string")
        if not value or (longest is not None and len(value) > longest):
            up_to = "" if longest is None else f" and at most {longest}"
            bounds = {"min": 1} if longest is None else {"min": 1, "max": longest}
            raise invalid(self.path(name), f"must have at least 1 character{up_to}", type="string", **bounds)
        return value

    def needed_text(self, name: str) -> str:
        """As `text`, where it is required."""
        value = self.text(name)
        if value is None:
            raise self.missing(name)
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of some words."""
        value = self.anything(name)
        if value is not None and (not isinstance(value, str) or value not in allowed):
            text = f"must be one of {', '.join(allowed)}, not {value!r}"
            raise invalid(self.path(name), text, type="string", allowedValues=list(allowed))
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.anything(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(self.path(name), "must be true or false", type="boolean")
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number in a range."""
        value = self.anything(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            text = f"must be an integer from {low} to {high}, not {value!r}"
            raise invalid(self.path(name), text, type="integer", min=low, max=high)
        return value

    def hundredths(self, name: str, low: int, high: int) -> float | None:
        """A number in a range, in steps of 0.01."""
        value = self.anything(name)
        if value is None:
            return None
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        if not right or abs(value * 100 - round(value * 100)) > 1e-6:
            text = f"must be a number from {low} to {high} in steps of 0.01, not {value!r}"
            raise invalid(self.path(name), text, type="float", min=low, max=high, step=0.01)
        return float(value)

    def uuid(self, name: str) -> str:
        """A UUID v4, as it was written."""
        value = self.needed_text(name)
        if not _UUID4.fullmatch(value):
            raise invalid(self.path(name), f"must be a UUID v4, not {value!r}", type="string")
        return value

    def items(self, name: str) -> list[Any] | None:
        """An array of at least one element."""
        value = self.anything(name)
        if value is None:
            return None
        if not isinstance(value, list) or not value:
            raise invalid(self.path(name), "must be an array of at least 1 element", type="array", min=1)
        return value

    def missing(self, name: str) -> Complaint:
        """What to raise when a required field is not there."""
        return Complaint(f"missing{_capital(name)}", f"{'.'.join(self.path(name))} is required.", self.path(name))

    def close(self) -> None:
        """Refuses what is left.

        Raises:
            Complaint: a field that does not exist here.
        """
        for name in self._left:
            where = self.path(name)
            raise Complaint("unsupportedParameter", f"{'.'.join(where)} is not a parameter of this task.", where)


def invalid(path: tuple[str, ...], wanted: str, **limits: Any) -> Complaint:
    """What to raise for the value at `path`: it `wanted` something else."""
    name = next((step for step in reversed(path) if not step.isdecimal()), "task")
    text = f"Invalid value for '{'.'.join(path) or 'task'}': it {wanted}."
    return Complaint(f"invalid{_capital(name)}", text, path, limits=limits)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
