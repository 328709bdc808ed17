"""The text of a web page: its bytes decoded by charset, HTML reduced to what a reader sees. Pure."""

import codecs
import re
import time
from dataclasses import dataclass
from html.parser import HTMLParser

_CHUNK = 1 << 14
_REST = 1 << 13

_SILENT = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "head"})
# fmt: off
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
    "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
})
# fmt: on
_CELLS = frozenset({"td", "th"})
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
# Python has codecs that are no charsets (idna, unicode_escape); pages are written in these.
_CHARSETS = re.compile(r"(utf-(8|16|32)|iso8859|cp\d|koi8|gb|big5|euc|shift|iso2022|ascii|latin|mac).*")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Readable:
    """What a reader sees of a page; `title` is "" where there is none, `complete` is false where time ran out."""

    title: str
    text: str
    complete: bool = True


def decoded(body: bytes, charset: str | None) -> str:
    """The text of a body: by its byte order mark, else the header's charset, else the one that the HTML names, else
    UTF-8. Never fails.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body.decode(name, errors="replace")
    named = _META_CHARSET.search(body[:2048])
    for label in (charset, named.group(1).decode("ascii") if named else None):
        codec = _codec(label)
        if codec is not None:
            return body.decode(codec, errors="replace")
    return body.decode("utf-8", errors="replace")


def readable(html: str, *, deadline: float) -> Readable:
    """The title and the visible text of a page, a line per block.

    Args:
        html: The page, well formed or not.
        deadline: Seconds of `time.monotonic()` after which the rest of the page is left out: some broken pages take the
            parser very long.
    """
    reader = _Reader()
    start = 0
    while start < len(html) and time.monotonic() <= deadline:
        reader.feed(html[start : start + _CHUNK])
        start += _CHUNK
    # The end of a page is parsed with more care and more time; a long rest is an unclosed tag or script, not text.
    if len(reader.rawdata) <= _REST:
        reader.close()
    return Readable(_squeezed("".join(reader.title)), _tidy("".join(reader.pieces)), start >= len(html))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.pieces: list[str] = []
        self._silent: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._silent.clear()  # a head that was never closed
        elif tag == "title":
            if self.title or set(self._silent) - {"head"}:
                self._silent.append(tag)  # of a drawing, or one too many
            else:
                self._in_title = True
        elif tag in _SILENT:
            self._silent.append(tag)
        elif tag in _BLOCKS:
            self.pieces.append("\n- " if tag == "li" else "\n")
        elif tag in _CELLS:
            self.pieces.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._in_title:
            self._in_title = False
        elif tag in self._silent:
            while self._silent.pop() != tag:
                pass
        elif tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._silent:
            self.pieces.append(re.sub(r"\s+", " ", data))


def _codec(name: str | None) -> str | None:
    try:
        found: str = codecs.lookup(name or "").name
    except (LookupError, ValueError):
        return None
    return found if _CHARSETS.fullmatch(found) else None


def _tidy(text: str) -> str:
    lines = (_squeezed(line) for line in text.split("\n"))
    return "\n".join(line for line in lines if line not in ("", "-"))


def _squeezed(text: str) -> str:
    return " ".join(text.split())
