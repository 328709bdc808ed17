"""A JSON value with its place in the request, read strictly and complained about in the vendor's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.dialects import Kind, Problem
from agentkit.emulator.surface import Invalid

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stated(Problem):
    """A problem in the surface's own field names, where the gateway's other problems speak of the chat request."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How a vendor writes paths and complains. Each sentence is a template of `path`, `wrong` of `wanted` too."""

    index: str
    unknown: str
    missing: str
    wrong: str
    value: str


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a request body; `path` is its place, empty for the body itself.

    Every reading method raises `Invalid` when the value is not what it reads.
    """

    value: Any
    path: str
    voice: Voice

    def only(self, *known: str) -> Node:
        """Itself, an object with no fields but `known`."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        for name in self.value:
            if name not in known:
                path = self._path(name)
                raise self.invalid(self.voice.unknown.format(path=path), path, "unsupported_parameter")
        return self

    def has(self, name: str) -> bool:
        """Whether the object has this field, and not as null."""
        return isinstance(self.value, Mapping) and self.value.get(name) is not None

    def need(self, name: str) -> Node:
        """The field, which must be there; null counts as a value of the wrong type."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        path = self._path(name)
        if name not in self.value:
            raise self.invalid(self.voice.missing.format(path=path), path)
        return Node(self.value[name], path, self.voice)

    def get(self, name: str) -> Node | None:
        """The field, None when it is absent."""
        return self.need(name) if isinstance(self.value, Mapping) and name in self.value else None

    def maybe(self, name: str) -> Node | None:
        """The field, None when it is absent or null."""
        return self.need(name) if self.has(name) else None

    def items(self) -> list[Node]:
        """The elements of an array."""
        if not isinstance(self.value, list):
            raise self.wrong("an array")
        return [Node(one, self.path + self.voice.index.format(i), self.voice) for i, one in enumerate(self.value)]

    def kind(self, *known: str) -> str:
        """The object's `type`, one of `known`."""
        return self.need("type").one_of(*known)

    def text(self) -> str:
        """A string, which may be empty."""
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def filled(self) -> str:
        """A string with something in it."""
        if not self.text():
            raise self.wrong("a non-empty string")
        return self.text()

    def name(self) -> str:
        """A name of a tool or a schema."""
        if not _NAME.fullmatch(self.text()):
            raise self.wrong("1 to 64 of the characters a-z, A-Z, 0-9, _ and -")
        return self.text()

    def one_of(self, *words: str) -> str:
        """One of a few strings."""
        if self.value not in words:
            raise self.wrong(" or ".join(repr(word) for word in words))
        return self.text()

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("a boolean")
        return self.value

    def integer(self, low: int | None = None, high: int | None = None) -> int:
        """An integer in a range, its ends included."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.wrong("an integer")
        if (low is not None and self.value < low) or (high is not None and self.value > high):
            raise self.wrong(f"an integer{_range(low, high)}")
        return self.value

    def number(self, low: float, high: float) -> float:
        """A number in a range, its ends included."""
        if not isinstance(self.value, (int, float)) or isinstance(self.value, bool):
            raise self.wrong("a number")
        if not low <= self.value <= high:
            raise self.wrong(f"a number{_range(low, high)}")
        return self.value

    def mapping(self) -> Mapping[str, Any]:
        """An object with any fields."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        return self.value

    def wrong(self, wanted: str) -> Invalid:
        """The complaint that the value is not `wanted`."""
        shown = repr(self.value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return self.invalid(self.voice.wrong.format(path=self.path, wanted=wanted, shown=shown))

    def says(self, text: str) -> Invalid:
        """The complaint `text` about the value, with its place."""
        return self.invalid(self.voice.value.format(path=self.path, text=text))

    def invalid(self, message: str, path: str | None = None, kind: Kind = "invalid_request") -> Invalid:
        """A complaint in whole words about the value, or about what is at `path`."""
        return Invalid(Stated(message, self.path if path is None else path, kind))

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f" of at least {low}"
    return f" of at most {high}" if low is None else f" from {low} to {high}"
