"""What tool results offer as values for further calls: paths, ids, columns, each with what stands around it."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conversation import Answered, decoded
from .words import words

_PATH = re.compile(r"(?<![\w/.-])[\w-][\w./-]*\.[A-Za-z][A-Za-z0-9]{0,4}(?![\w/-])")
_MOST = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """A value out of a result, under its key, with the words around it.

    `columns` are the columns that belong to it, each with what the result says of it (its type, some of its values).
    """

    key: str
    value: str
    around: str
    columns: Mapping[str, str] = field(default_factory=dict)


def entries(answered: Sequence[Answered]) -> list[Entry]:
    """Every value that the results offer, in order, each once."""
    found: dict[tuple[str, str], Entry] = {}
    for answer in answered:
        value = decoded(answer.result)
        several = _of_json(value, "") if isinstance(value, dict | list) else _of_text(answer.result)
        for entry in several:
            found.setdefault((entry.key, entry.value), entry)
        for entry in _tables(answer):
            if not found.get((entry.key, entry.value), entry).columns or (entry.key, entry.value) not in found:
                found[entry.key, entry.value] = entry
    return list(found.values())[:_MOST]


def paths(offered: Sequence[Entry], key_words: set[str]) -> list[Entry]:
    """The entries that can stand for a parameter of these words: by key, or by looking like a file."""
    by_key = [e for e in offered if e.key and set(words(e.key)) & key_words]
    if by_key or not key_words & {"file", "path"}:
        return by_key
    return [e for e in offered if _PATH.fullmatch(e.value)]


def files_in(text: str) -> list[str]:
    """What looks like a file's name in a text."""
    return [name.rstrip(".") for name in _PATH.findall(text)]


def _of_json(value: Any, key: str) -> Iterator[Entry]:
    if isinstance(value, Mapping):
        columns = next((_columns(v) for k, v in value.items() if set(words(k)) & {"column", "header", "field"}), {})
        plain = [str(v) for v in value.values() if isinstance(v, str | int | float)]
        around = " ".join((*plain, *columns, *columns.values()))[:1000]
        for name, inner in value.items():
            if isinstance(inner, str | int) and not isinstance(inner, bool) and len(str(inner)) <= 200:
                yield Entry(name, str(inner), around, columns)
            else:
                yield from _of_json(inner, name)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str) and len(inner) <= 200:
                yield from _of_line(inner, key)
            else:
                yield from _of_json(inner, key)


def _columns(value: Any) -> dict[str, str]:
    """The column names in a list, a comma-separated text, or an object that says something of each."""
    if isinstance(value, Mapping):
        return {name: " ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in value.items()}
    if isinstance(value, str):
        value = re.split(r"\s*[,;|]\s*", value)
    return {v: "" for v in value if isinstance(v, str)} if isinstance(value, list) else {}


def _of_text(text: str) -> Iterator[Entry]:
    for line in text.splitlines()[:_MOST]:
        yield from _of_line(line.strip(" -*\t"), "")


def _of_line(line: str, key: str) -> Iterator[Entry]:
    """A line of a listing: its file name, with the columns that the line names after it."""
    names = _PATH.findall(line)
    named = re.search(r"(?i)columns?\W+(.+?)\)?$", line)
    if names:
        yield Entry(key or "path", names[0], line, _columns(named[1]) if named else {})
    elif key:
        yield Entry(key, line, line)


def _tables(answer: Answered) -> Iterator[Entry]:
    """The file that a result is the content of, when that is CSV: its first line names the columns."""
    value = decoded(answer.result)
    if isinstance(value, dict | list):
        return
    text = value if isinstance(value, str) else answer.result
    path = next((v for v in answer.arguments.values() if isinstance(v, str) and _PATH.fullmatch(v)), None)
    first = text.split("\n", 1)[0]
    sign = next((s for s in (";", ",", "\t") if first.count(s) >= 1), None)
    if path and sign and path.endswith((".csv", ".tsv", ".txt")):
        header = next(csv.reader(io.StringIO(first), delimiter=sign), [])
        yield Entry("path", path, path, {h.strip(): "" for h in header})
