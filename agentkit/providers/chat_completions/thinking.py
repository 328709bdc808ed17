"""Reasoning that a server leaves inside the text, between `<think>` and `</think>` at its very start."""

from typing import NamedTuple

_OPEN = "<think>"
_CLOSE = "</think>"


class Split(NamedTuple):
    """Pieces of reasoning and text that are certain by now."""

    reasoning: str = ""
    text: str = ""


class ThinkTags:
    """Splits a text as it comes; tags may be cut anywhere. Text that does not begin with the tag passes unchanged."""

    def __init__(self) -> None:
        self._state = "before"  # before the tag, thinking, after (between the tag and the text), text
        self._blank: list[str] = []  # what stands before the first letter
        self._held = ""

    @property
    def over(self) -> bool:
        """Whether all that is to come is text."""
        return self._state == "text"

    def feed(self, piece: str) -> Split:
        """What `piece` makes certain."""
        if self._state == "before":
            piece = self._begin(piece)
        reasoning = ""
        if self._state == "thinking":
            reasoning, piece = self._think(piece)
        if self._state == "after":
            piece = piece.lstrip("\r\n")
            if piece:
                self._state = "text"
        return Split(reasoning, piece)

    def close(self) -> Split:
        """What the end of the text makes certain; what comes after it is text."""
        held, thinking = self._release(), self._state == "thinking"
        self._state = "text"
        return Split(reasoning=held) if thinking else Split(text=held)

    def _begin(self, piece: str) -> str:
        """The part of the text that is no opening tag and cannot become one; empty while that is open."""
        if not self._held:
            start = piece.lstrip()
            self._blank.append(piece[: len(piece) - len(start)])
            piece = start
        self._held += piece
        if self._held.startswith(_OPEN):
            rest = self._held[len(_OPEN) :]
            self._state, self._held, self._blank = "thinking", "", []
            return rest
        if not _OPEN.startswith(self._held):
            self._state = "text"
            return self._release()
        return ""

    def _think(self, piece: str) -> tuple[str, str]:
        """The reasoning, and what comes behind the closing tag."""
        held = self._held + piece
        end = held.find(_CLOSE)
        if end >= 0:
            self._state, self._held = "after", ""
            return held[:end], held[end + len(_CLOSE) :]
        start = held.rfind("<", -len(_CLOSE))
        cut = start if start >= 0 and _CLOSE.startswith(held[start:]) else len(held)
        self._held = held[cut:]
        return held[:cut], ""

    def _release(self) -> str:
        """What has been held, as it came."""
        held = "".join(self._blank) + self._held
        self._blank, self._held = [], ""
        return held
