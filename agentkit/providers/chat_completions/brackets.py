"""Whether a JSON object that comes in pieces has come to its end, found out in one pass over the pieces."""

import re
from collections.abc import Sequence

from agentkit.providers.arguments import is_complete

_OUTSIDE = re.compile(r'[{}\[\]"]')
_INSIDE = re.compile(r'["\\]')
_BLANK = " \t\r\n"


class Brackets:
    """Follows the brackets of a text that grows.

    Asked after each piece, a parser would read all of the text again each time: that is quadratic. Here each piece is
    looked at once, and the text is parsed once, when its first bracket is closed.
    """

    __slots__ = ("_depth", "_escaped", "_pieces", "_quoted", "_seen", "_state")

    def __init__(self, pieces: Sequence[str]) -> None:
        """`pieces` may grow after this, at its end only."""
        self._pieces = pieces
        self._seen = 0
        self._depth = 0
        self._quoted = False
        self._escaped = False  # the last piece ended in the middle of an escape
        self._state = "before"  # before the object, inside, closed, or spoilt: never to be a whole object

    def closed(self) -> bool:
        """Whether the text is a whole JSON object and nothing more."""
        while self._seen < len(self._pieces) and self._state != "spoilt":
            piece = self._pieces[self._seen]
            self._seen += 1
            self._take(piece)
        return self._state == "closed"

    def _take(self, piece: str) -> None:
        start = 0
        if self._state == "before":
            start = len(piece) - len(piece.lstrip(_BLANK))
            if start == len(piece):
                return
            self._state = "inside" if piece[start] == "{" else "spoilt"
        if self._state == "inside":
            end = self._end(piece, start)
            if end is None:
                return
            piece, start = piece[end:], 0
            if piece.strip(_BLANK) == "":
                whole = is_complete("".join(self._pieces[: self._seen]))
                self._state = "closed" if whole else "spoilt"
            else:
                self._state = "spoilt"
        elif piece.strip(_BLANK):
            self._state = "spoilt"

    def _end(self, piece: str, position: int) -> int | None:
        """The place behind the bracket that closes the first one; None when `piece` has none."""
        if self._escaped and piece:
            position, self._escaped = position + 1, False
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(piece, position):
            position = found.end()
            letter = found[0]
            if letter == '"':
                self._quoted = not self._quoted
            elif letter == "\\":
                self._escaped = position == len(piece)
                position += 1
            else:
                self._depth += 1 if letter in "{[" else -1
                if self._depth == 0:
                    return position
        return None
