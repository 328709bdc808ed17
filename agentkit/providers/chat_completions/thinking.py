"""Reasoning that a server leaves inside the text, between `<think>` and `</think>` at its very start."""

from dataclasses import dataclass

_OPEN = "<think>"
_CLOSE = "</think>"


@dataclass(frozen=True, slots=True)
class Split:
    """Pieces of text and reasoning that are certain by now."""

    text: str = ""
    reasoning: str = ""


class ThinkTags:
    """Splits a text as it comes; tags may be cut anywhere. Text that does not begin with the tag passes unchanged."""

    def __init__(self) -> None:
        self._state = "before"  # before the tag, thinking, after (between the tag and the text), text
        self._held = ""

    def feed(self, piece: str) -> Split:
        """What `piece` makes certain."""
        if self._state == "text":
            return Split(text=piece)
        self._held += piece
        text, reasoning = "", ""
        if self._state == "before":
            start = self._held.lstrip()
            if start.startswith(_OPEN):
                self._state, self._held = "thinking", start[len(_OPEN) :]
            elif not _OPEN.startswith(start):
                self._state = "text"
                return Split(text=self._release())
        if self._state == "thinking":
            reasoning = self._think()
        if self._state == "after":
            self._held = self._held.lstrip("\r\n")
            if self._held:
                self._state, text = "text", self._release()
        return Split(text, reasoning)

    def close(self) -> Split:
        """What the end of the text makes certain."""
        held = self._release()
        return Split(reasoning=held) if self._state == "thinking" else Split(text=held)

    def _think(self) -> str:
        end = self._held.find(_CLOSE)
        if end >= 0:
            reasoning, self._held = self._held[:end], self._held[end + len(_CLOSE) :]
            self._state = "after"
            return reasoning
        keep = max((n for n in range(1, len(_CLOSE)) if self._held.endswith(_CLOSE[:n])), default=0)
        cut = len(self._held) - keep
        reasoning, self._held = self._held[:cut], self._held[cut:]
        return reasoning

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held
