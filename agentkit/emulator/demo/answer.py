"""Answers by quoting: the sentences and figures that share the most words with a question, and where they stand."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .choose import Planned, failed
from .conversation import decoded
from .words import words

_SENTENCE = re.compile(r"(?<=[.!?])[\"”»)]?\s+(?=[A-ZÀ-ÝА-Я0-9\"“«(])")
_HEAD = re.compile(
    r"^(?:#+\s+(?P<h>.+)|\[(?P<b>[^\]]{2,80})\]:?$|(?i:source|file|document|title)\s*:\s*(?P<s>.+)"
    r"|<\w+[^>]*(?:name|id|title|source|path)=\"(?P<x>[^\"]+)\"[^>]*>|[-=]{3,}\s*(?P<d>[^-=]+?)\s*[-=]{3,})$"
)
_LOCATED = re.compile(r"^\[?(?P<source>[\w./-]+\.\w{1,5}(?::\d+)?)\]?\s*[:—-]?\s+(?P<text>\S.*)$")
_PLACE_KEYS = ("source", "path", "file", "filename", "document", "url", "uri", "title", "page", "name", "id")
_FITS = 0.34


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence or line, the heading above it, and where it stands."""

    text: str
    source: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Quoted:
    """An answer with what it rests on."""

    text: str
    quotes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def from_calls(clause: str, planned: Sequence[Planned]) -> Quoted | None:
    """What the results of these calls say about the clause; None when nothing in them does."""
    whole: list[str] = []
    passages: list[Passage] = []
    for call in planned:
        if call.answered is None:
            continue
        result = call.answered.result
        value = decoded(result)
        value = value if value is not None else result
        if value in ("", [], {}):
            continue
        if not failed(result) and (found := list(_passages(value, _place(call)))):
            passages += found
        else:
            whole.append(f"{_shown(call)}: {_figure(clause, value) or _flat(value)}")
    quoted = from_passages(clause, passages)
    if not whole:
        return quoted
    text = "\n".join((*whole, quoted.text) if quoted else whole)
    return Quoted(text, (*whole, *(quoted.quotes if quoted else ())), quoted.sources if quoted else ())


def from_passages(clause: str, passages: Sequence[Passage]) -> Quoted | None:
    """The passages, at most three, that share the most words with the clause; None when none shares enough."""
    wanted = set(words(clause))
    if not wanted or not passages:
        return None
    held = [(set(words(p.text)), set(words(f"{p.heading} {p.source}"))) for p in passages]
    count = Counter(w for text, around in held for w in (text | around) & wanted)
    weight = {w: math.log(2 + len(passages) / (1 + count[w])) for w in wanted}
    most = sum(weight.values())
    scored = [
        (sum(weight[w] * (1.0 if w in text else 0.5) for w in wanted & (text | around)) / most, -i)
        for i, (text, around) in enumerate(held)
        if wanted & text
    ]
    best = max(scored, default=(0.0, 0))[0]
    if best < _FITS:
        return None
    chosen = [passages[-i] for score, i in sorted(scored, reverse=True) if score >= max(_FITS, 0.8 * best)]
    first = list({p.text: p for p in chosen}.values())[:3]
    text = "\n".join(f"“{p.text}”" + (f" [{p.source}]" if p.source else "") for p in first)
    return Quoted(text, tuple(p.text for p in first), tuple(dict.fromkeys(p.source for p in first if p.source)))


def sentences(text: str, source: str = "", *, numbered: bool = False, first: int = 1) -> Iterator[Passage]:
    """The sentences of a text, with the heading above each; a heading that names a source replaces it."""
    heading, at = "", source
    for number, block in _blocks(text, first):
        if head := _HEAD.match(block):
            heading = next(v for v in head.groupdict().values() if v)
            at = source or ("" if head["h"] and " " in heading else heading)
            continue
        place = f"{at}:{number}" if numbered and at else at
        located = _LOCATED.match(block) if not source else None
        place, block = (located["source"], located["text"]) if located else (place, block)
        for sentence in _SENTENCE.split(block.strip(" \t*-•>")):
            if len(sentence) > 2 and not re.fullmatch(r"[\s|:-]*", sentence):
                yield Passage(sentence.strip(), place, heading)


def _blocks(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, a wrapped line joined to the one that it continues."""
    start, held = first, ""
    for number, raw in enumerate(text.splitlines(), first):
        line = raw.strip()
        wraps = (
            held
            and line
            and len(held) < 1000
            and (line[0].islower() or len(held) >= 60)
            and not re.match(r"[#|*\[<-]|\d+[.)]\s", line)
        )
        if wraps and not re.search(r"[.!?:|>\]]$|^#|^\||[,;]\S+[,;]", held):
            held += " " + line
            continue
        if held:
            yield start, held
        start, held = number, line
    if held:
        yield start, held


# results ------------------------------------------------------------------------------------------------------------


def _place(call: Planned) -> str:
    named = [v for v in call.arguments.values() if isinstance(v, str) and re.search(r"\.\w{1,5}$", v)]
    return named[0] if named else ""


def _shown(call: Planned) -> str:
    return f"{call.tool}({', '.join(f'{k}={v!r}' for k, v in call.arguments.items())})"


def _passages(value: Any, place: str) -> Iterator[Passage]:
    """Running text in a result; nothing when the result is a value or a small record."""
    if isinstance(value, str) and place.endswith((".csv", ".tsv")):
        yield from _table(value, place)
    elif isinstance(value, str):
        if len(value) > 120 or "\n" in value.strip():
            yield from sentences(value, place, numbered=True)
    elif isinstance(value, list):
        for inner in value:
            yield from sentences(inner, place) if isinstance(inner, str) and " " in inner else _passages(inner, place)
    elif isinstance(value, Mapping):
        texts = [v for v in value.values() if isinstance(v, str)]
        body = max(texts, key=len, default="")
        if len(body) > 40 and " " in body.strip():
            yield from _record(value, body, place)
        else:
            yield from (p for v in value.values() if isinstance(v, list) for p in _passages(v, place))


def _table(text: str, place: str) -> Iterator[Passage]:
    """The rows of a CSV text, each cell with the name of its column."""
    sign = max(";,\t", key=text.split("\n", 1)[0].count)
    rows = list(csv.reader(io.StringIO(text), delimiter=sign))[:5000]
    for number, row in enumerate(rows[1:], 2):
        if row:
            named = ", ".join(f"{name.strip()}: {cell.strip()}" for name, cell in zip(rows[0], row, strict=False))
            yield Passage(named, f"{place}:{number}")


def _record(value: Mapping[str, Any], body: str, place: str) -> Iterator[Passage]:
    """The sentences of a record that has a text and says where it comes from."""
    named = next((v for k in _PLACE_KEYS if isinstance(v := value.get(k), str) and v != body), "")
    line = next((v for k in ("line", "lineno", "start_line", "page") if isinstance(v := value.get(k), int)), None)
    if not named or line is None:
        yield from sentences(body, named or place, numbered=not named)
    else:
        yield from sentences(body, named, numbered=True, first=line)


def _figure(clause: str, value: Any) -> str | None:
    """The figure that a superlative or a name in the clause asks for, when the result is names with numbers."""
    wanted = set(words(clause))
    named = _named_numbers(value)
    if len(named) < 2:
        return None
    if wanted & {"most", "least"}:
        pick = max if "most" in wanted else min
        name, figure = pick(named, key=lambda entry: entry[1])
        return f"{name}: {_written(figure)} is the {'highest' if pick is max else 'lowest'} of {len(named)}"
    asked = [f"{name}: {_written(figure)}" for name, figure in named if words(name) and set(words(name)) <= wanted]
    return ", ".join(asked) or None


def _named_numbers(value: Any) -> list[tuple[str, float]]:
    """Names with numbers: the largest object of numbers in a JSON value, or lines "name: number" of a text."""
    if isinstance(value, str):
        lines = re.findall(r"^\W*([^:\n]{1,60}):\s*(-?\d+(?:\.\d+)?)\s*$", value.replace(",", ""), re.M)
        return [(name, float(figure)) for name, figure in lines]
    if isinstance(value, list):
        rows = [_row(v) for v in value]
        return [r for r in rows if r is not None] if all(rows) else []
    if not isinstance(value, Mapping):
        return []
    own = [(str(k), float(v)) for k, v in value.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    inner = [_named_numbers(v) for v in value.values() if isinstance(v, list | Mapping)]
    return max(*inner, own, key=len) if inner else own


def _row(value: Any) -> tuple[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    name = next((v for v in value.values() if isinstance(v, str)), None)
    figure = next((v for v in value.values() if isinstance(v, int | float) and not isinstance(v, bool)), None)
    return (name, float(figure)) if name is not None and figure is not None else None


def _written(figure: float) -> str:
    return f"{figure:,.0f}" if figure == int(figure) else f"{figure:,.2f}"


def _flat(value: Any) -> str:
    """A small value in one line."""
    if isinstance(value, Mapping):
        shown = ", ".join(f"{k}: {_flat(v)}" for k, v in value.items())
    elif isinstance(value, list):
        shown = "; ".join(_flat(v) for v in value)
    else:
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value).strip()
    return shown if len(shown) <= 600 else shown[:597] + "..."
