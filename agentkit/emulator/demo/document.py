"""A text document as labels with values and as rows of tables: what a form or an invoice is made of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .values import dates, decimal_sign, numbers
from .words import label_words

_GAP = re.compile(r"\t+|\s*\|\s*|\s*;\s+|\s*;(?=\S)| {2,}|\s*\.{3,}\s*|\s*_{3,}\s*")
_RULE = re.compile(r"^[\s|:+=*_–—-]*$")
_LABEL = re.compile(r"^(?P<label>[^:=]{1,48}?)\s*[:=]\s*(?P<value>.*)$")
_SPOKEN = re.compile(r"^(?P<label>[^\W\d](?:[^\d:€$£]){1,40}?)\s+(?P<value>\S*[\d€$£].*)$")
_TIMES = re.compile(r"(?<!\w)[x×*](?!\w)|@|=")
_SUMMARY = frozenset(
    {"total", "subtotal", "tax", "net", "gross", "pay", "date", "invoice", "customer", "phone", "vendor"}
)
_ITEM_SIGN = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")


@dataclass(frozen=True, slots=True)
class Pair:
    """A label, the value beside or below it, and the line it stands on."""

    label: str
    value: str
    line: int
    words: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; `header` names its cells, or is empty when the cells are [text, number, number, ...]."""

    header: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its labelled values and table rows read once."""

    text: str
    lines: tuple[str, ...]
    pairs: tuple[Pair, ...]
    tables: tuple[tuple[Row, ...], ...]
    decimal: str

    @staticmethod
    def read(text: str) -> "Document":
        """The document in `text`; texts over 200,000 characters are cut."""
        text = text[:200_000]
        lines = tuple(line[:2000].replace("**", "").strip(" \t\r#>") for line in text.split("\n"))
        tables = tuple(t for t in (*_headed(lines), _loose(lines, decimal_sign(text))) if t)
        return Document(text, lines, tuple(_pairs(lines)), tables, decimal_sign(text))


def cells(line: str) -> list[str]:
    """The columns of one line: cut at tabs, bars, semicolons, leader dots and wide gaps."""
    return [c.strip(" *`") for c in _GAP.split(line.strip().strip("|")) if c.strip(" *`")]


def _pair(label: str, value: str, line: int) -> Pair:
    return Pair(label.strip(), value.strip(), line, frozenset(label_words(label)))


def _below(lines: tuple[str, ...], index: int) -> str:
    return next((line for line in lines[index + 1 : index + 3] if line), "")


def _labelled(parts: list[str], below: str) -> Iterator[tuple[str, str]]:
    """Label and value of each "Label: value" among the cells of a line."""
    for i, part in enumerate(parts):
        if match := _LABEL.match(part):
            following = parts[i + 1] if i + 1 < len(parts) else ("" if i else below)
            yield match["label"], match["value"] or following


def _pairs(lines: tuple[str, ...]) -> Iterator[Pair]:
    for index, line in enumerate(lines):
        parts = cells(line)
        if not parts or _RULE.match(line):
            continue
        yield from (_pair(a, b, index) for a, b in _labelled(parts, _below(lines, index)) if b)
        for label, value in pairwise(parts):
            if ":" not in label and len(parts) <= 4 and not label[0].isdigit():
                yield _pair(label, value, index)
        for part in parts:
            if match := _SPOKEN.match(part.rpartition(": ")[2]):
                yield _pair(match["label"], match["value"], index)
        for start, end, _ in dates(line):
            before = re.split(r"[\d:,;|]", line[:start].rstrip(" :,"))[-1].split()
            yield _pair(" ".join(("date", *before[-2:])), line[start:end], index)
        if len(parts) == 1 and len(line) <= 40 and not re.search(r"[\d:.]", line) and (value := _below(lines, index)):
            yield _pair(line, value, index)


def _is_header(parts: list[str]) -> bool:
    return len(parts) >= 2 and not any(re.search(r"\d", c) or ":" in c for c in parts)


def _headed(lines: tuple[str, ...]) -> Iterator[tuple[Row, ...]]:
    """Each run of lines with as many cells as a header above them; a header is a line of cells without digits."""
    for index, line in enumerate(lines):
        header = cells(line)
        if _is_header(header):
            rows = tuple(_rows_below(lines[index + 1 :], header))
            if any(re.search(r"\d", c) for row in rows for c in row.cells):
                yield rows


def _rows_below(lines: tuple[str, ...], header: list[str]) -> Iterator[Row]:
    begun = False
    for line in lines:
        parts = cells(line)
        if not parts or _RULE.match(line):
            if begun:
                return
            continue
        if len(parts) != len(header) or (_SUMMARY & set(label_words(parts[0])[:2]) and not re.search(r"\d", parts[1])):
            return
        begun = True
        yield Row(tuple(header), tuple(parts))


def _loose(lines: tuple[str, ...], decimal: str) -> tuple[Row, ...]:
    """Lines such as "3 x Widget @ 5.00 = 15.00" or "- Widget, 3 pcs, 5.00": a text and two numbers or more."""
    rows: list[Row] = []
    for line in lines:
        line = _ITEM_SIGN.sub("", line)
        found = list(numbers(line, "," if decimal == "," else "."))
        if len(found) < 2 or dates(line) or "%" in line:
            continue
        spans = [0, *(edge for start, end, _ in found for edge in (start, end)), len(line)]
        between = (line[a:b] for a, b in zip(spans[::2], spans[1::2], strict=True))
        texts = [" ".join(_TIMES.sub(" ", t).strip(" .,:;-–—|€$£()").split()) for t in between]
        name = max(texts, key=len)
        if len(name) >= 3 and not _SUMMARY & set(label_words(name)[:3]) and (len(found) > 2 or _TIMES.search(line)):
            rows.append(Row((), (name, *(line[a:b] for a, b, _ in found))))
    return tuple(rows)
