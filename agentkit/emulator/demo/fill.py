"""Fill a JSON Schema from a document by matching labels with the names and descriptions of properties.

It is guesswork, and wrong guesses are part of the job: for each place it has several candidates in order, and a value
that was sent back with a validation error gives way to the next one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .document import Document, Pair, Row
from .values import currencies, dates, numbers
from .words import label_words, overlap, words

Path = tuple[str | int, ...]
_DEPTH = 8
_ANSWER = frozenset(words("answer summary reply response conclusion explanation message"))
_QUALIFIER_WORDS = "tax net subtotal due order delivery customer phone discount iban account bank page"
_QUALIFIERS = frozenset(_QUALIFIER_WORDS.split())
_LIST = re.compile(r"\s*[,;]\s+|\s+(?:and|und|et|y|и)\s+")
_WORD = re.compile(r"[^\W\d]{3}")
_FIRM = re.compile(
    r"(?<!\w)(?:GmbH|AG|KG|OHG|e\.K\.|UG|Ltd|LLC|LLP|Inc|Corp|PLC|S\.?A\.?R\.?L|SARL|SAS|S\.?A\.?|S\.?L\.?U?|B\.?V|Oy|AB"
    r"|S\.?r\.?l|Sp\. z o\.o|ООО|АО|ЗАО|ИП|Pty|& Co|& Sons)(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Filler:
    """Fills schemas from one document. `answer`, `sources` and `quotes` are for properties that ask for free text.

    `rejected` holds, per path, the values that came back with a validation error.
    """

    document: Document
    root: Mapping[str, Any]
    rejected: Mapping[Path, Sequence[Any]] = field(default_factory=dict)
    answer: str = ""
    sources: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()

    def fill(self) -> Any:
        """The value for the whole schema."""
        return self._value(self.root, (), (), _title(self.root), 0)

    # one place ------------------------------------------------------------------------------------------------

    def _value(self, schema: Any, path: Path, siblings: Sequence[set[str]], context: set[str], depth: int) -> Any:
        schema, nullable = resolved(schema, self.root)
        if "const" in schema:
            return schema["const"]
        kind = kind_of(schema)
        if kind == "object" and depth < _DEPTH:
            return self._object(schema, path, context, depth)
        if kind == "array" and depth < _DEPTH:
            return self._pick(path, self._arrays(schema, path, context, depth), [])
        candidates = list(self._scalars(schema, kind, path, siblings, context))
        fallback = None if nullable or kind != "boolean" or schema.get("enum") else False
        return self._pick(path, candidates, schema.get("default", fallback))

    def _pick(self, path: Path, candidates: Sequence[Any], default: Any) -> Any:
        refused = self.rejected.get(path, ())
        left = [c for c in candidates if not any(type(c) is type(r) and c == r for r in refused)]
        return left[0] if left else candidates[-1] if candidates else default

    def _object(self, schema: Mapping[str, Any], path: Path, context: set[str], depth: int) -> dict[str, Any]:
        properties = _mapping(schema.get("properties"))
        required = _required(schema)
        filled: dict[str, Any] = {}
        names = {name: set(label_words(name)) for name in properties}
        for name, inner in properties.items():
            siblings = [w for other, w in names.items() if other != name]
            deeper = context | (set(label_words(path[-1])) if path and isinstance(path[-1], str) else set())
            value = self._value(inner, (*path, name), siblings, deeper, depth + 1)
            if value is not None or name in required:
                filled[name] = value
        return filled

    # scalars --------------------------------------------------------------------------------------------------

    def _scalars(
        self, schema: Mapping[str, Any], kind: str, path: Path, siblings: Sequence[set[str]], context: set[str]
    ) -> Iterator[Any]:
        wanted = _Wanted.of(path, schema, context)
        if kind == "string" and not schema.get("enum") and wanted.head & _ANSWER and self.answer:
            yield self.answer
            return
        pairs = self._ranked(wanted, siblings, kind)
        read = _reader(schema, kind, wanted, self.document)
        strong = [p for p in pairs if kind != "string" or p.words & (wanted.name | wanted.title)]
        found = [value for pair in strong for value in read(pair.value)]
        found += self._unlabelled(schema, kind, wanted)
        found += [value for pair in pairs if pair not in strong for value in read(pair.value)]
        yield from (v for v in dict.fromkeys(found) if _allowed(v, schema))

    def _ranked(self, wanted: "_Wanted", siblings: Sequence[set[str]], kind: str) -> list[Pair]:
        scored: list[tuple[float, float, Pair]] = []
        for pair in self.document.pairs:
            score = wanted.score(pair.words)
            rival = max((_plain_score(other, pair.words) for other in siblings), default=0.0)
            score -= 2.0 if rival > _plain_score(wanted.name, pair.words) else 0.0
            if score > 0:
                size = _largest(pair.value, self.document) if kind == "number" and "total" in wanted.name else 0.0
                scored.append((-score, -size, pair))
        return [pair for *_, pair in sorted(scored, key=lambda entry: (entry[0], entry[1], entry[2].line))]

    def _unlabelled(self, schema: Mapping[str, Any], kind: str, wanted: "_Wanted") -> list[Any]:
        """Guesses for a property that no label names."""
        text = self.document.text
        if "currency" in wanted.name:
            return [code for code, _ in Counter(currencies(text)).most_common()]
        if schema.get("enum"):
            return _mentioned(schema["enum"], text)
        if kind == "string" and wanted.is_date(schema):
            return [reading for *_, readings in dates(text) for reading in readings]
        if kind == "string" and wanted.all & {"vendor", "company", "compan"}:
            return _firms(self.document)
        if kind == "number" and "total" in wanted.name:
            return sorted(
                (r for *_, rs in numbers(text, _sign(self.document)) for r in rs[:1] if isinstance(r, float))
            )[::-1]
        return []

    # arrays ---------------------------------------------------------------------------------------------------

    def _arrays(self, schema: Mapping[str, Any], path: Path, context: set[str], depth: int) -> list[list[Any]]:
        items, _ = resolved(schema.get("items"), self.root)
        if kind_of(items) == "object":
            tables = [self._rows(items, table, path) for table in self.document.tables]
            scored = [(score, rows) for score, rows in tables if rows and score > 0]
            return [rows for _, rows in sorted(scored, key=lambda entry: -entry[0])]
        wanted = _Wanted.of(path, schema, context)
        if self.sources and wanted.name & set(words("sources citations references files passages")):
            return [list(self.sources)]
        if self.quotes and wanted.name & set(words("quotes quotations evidence excerpts")):
            return [list(self.quotes)]
        read = _reader(items, kind_of(items), wanted, self.document)
        lists = [
            re.split(r"\s*[,;]\s+|\s+(?:and|und|et|y|и)\s+", pair.value) for pair in self._ranked(wanted, (), "array")
        ]
        return [[v for part in parts for v in read(part)[:1] if _allowed(v, items)] for parts in lists]

    def _rows(self, items: Mapping[str, Any], table: Sequence[Row], path: Path) -> tuple[float, list[Any]]:
        """A table as objects, and how well its header names the properties."""
        wanted = {
            name: (_Wanted.of((name,), inner, set()), inner)
            for name, raw in _mapping(items.get("properties")).items()
            for inner, _ in [resolved(raw, self.root)]
        }
        header, required = table[0].header, _required(items)
        places = _by_header(header, wanted, table) if header else {}
        rows: list[Any] = []
        for number, row in enumerate(table):
            cell_of = (
                {n: row.cells[i] for n, i in places.items()} if header else _by_arithmetic(row, wanted, self.document)
            )
            rows.append(
                {
                    name: self._cell(cell_of.get(name), want, inner, (*path, number, name))
                    for name, (want, inner) in wanted.items()
                    if name in cell_of or name in required
                }
            )
        return (len(places) if header else 1.5) + len(rows) / 1000, rows

    def _cell(self, cell: str | None, wanted: "_Wanted", schema: Mapping[str, Any], path: Path) -> Any:
        if cell is None:
            return schema.get("default")
        read = _reader(schema, kind_of(schema), wanted, self.document)
        return self._pick(path, read(cell), cell if kind_of(schema) == "string" else None)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The words that a label of this property would have, by where they come from."""

    name: set[str]
    head: set[str]
    title: set[str]
    description: set[str]
    context: set[str]

    @staticmethod
    def of(path: Path, schema: Mapping[str, Any], context: set[str]) -> "_Wanted":
        own = next((part for part in reversed(path) if isinstance(part, str)), "")
        name = label_words(own)
        title, description = schema.get("title"), schema.get("description")
        return _Wanted(
            set(name),
            set(name[-1:]),
            set(words(title)) if isinstance(title, str) else set(),
            set(words(description)) if isinstance(description, str) else set(),
            context,
        )

    @property
    def all(self) -> set[str]:
        return self.name | self.title | self.description

    def is_date(self, schema: Mapping[str, Any]) -> bool:
        return schema.get("format") in ("date", "date-time") or "date" in self.head

    def score(self, label: frozenset[str]) -> float:
        """How well a label fits; 0 or less when it does not."""
        score, hit = 0.0, False
        for word in label:
            weight = 4.0 if word in self.head else 2.0 if word in self.name | self.title else 0.0
            described = word in self.description
            hit = hit or weight > 0 or described
            other = -3.5 if word in _QUALIFIERS else 0.5 if word in self.context else -0.7
            score += weight or (float(word not in _QUALIFIERS) if described else other)
        return score if hit else 0.0


def _plain_score(name: set[str], label: frozenset[str]) -> float:
    return len(name & label) / len(name | label) if name | label else 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _required(schema: Mapping[str, Any]) -> Sequence[Any]:
    required = schema.get("required")
    return required if isinstance(required, list) else ()


def _title(schema: Mapping[str, Any]) -> set[str]:
    title = schema.get("title")
    return set(label_words(title)) if isinstance(title, str) else set()


def _pointed(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    place: Any = root
    for part in reference.lstrip("#/").split("/") if reference != "#" else []:
        place = _mapping(place).get(part.replace("~1", "/").replace("~0", "~"))
    return _mapping(place)


def resolved(schema: Any, root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema with references followed and one branch of its alternatives taken, and whether null is among them."""
    nullable = False
    for _ in range(_DEPTH):
        schema = _mapping(schema)
        around = {k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "oneOf", "allOf")}
        if isinstance(schema.get("$ref"), str):
            schema = {**_pointed(schema["$ref"], root), **around}
            continue
        branches = next((b for k in ("anyOf", "oneOf", "allOf") if isinstance(b := schema.get(k), list) and b), None)
        if branches is None:
            break
        nullable = nullable or any(_mapping(b).get("type") == "null" for b in branches)
        real = [_mapping(b) for b in branches if _mapping(b).get("type") != "null"]
        merged = {k: v for b in real for k, v in b.items()} if "allOf" in schema else dict(real[0] if real else {})
        schema = {**merged, **around}
    schema = _sound(_mapping(schema))
    return schema, nullable or "null" in (schema.get("type") if isinstance(schema.get("type"), list) else ())


def _sound(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without an `enum` that is no list of plain values."""
    if "enum" not in schema:
        return schema
    options = schema["enum"]
    plain = [o for o in options if isinstance(o, str | int | float)] if isinstance(options, list) else []
    return {**{k: v for k, v in schema.items() if k != "enum"}, **({"enum": plain} if plain else {})}


def kind_of(schema: Mapping[str, Any]) -> str:
    """The schema's type in one word; "integer" counts as "number"."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "string")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return "number" if kind == "integer" else kind if isinstance(kind, str) else "string"


_Read = Callable[[str], list[Any]]


def _sign(document: Document) -> Literal[".", ","]:
    return "," if document.decimal == "," else "."


def _largest(text: str, document: Document) -> float:
    return max((float(rs[0]) for *_, rs in numbers(text, _sign(document))), default=0.0)


def _reader(schema: Mapping[str, Any], kind: str, wanted: _Wanted, document: Document) -> _Read:
    """How a written value becomes a value of this type: its readings, none when it cannot be one."""
    options = schema.get("enum")
    if isinstance(options, list):
        return lambda text: _mentioned(options, text)
    if kind == "boolean":
        return _truth
    if kind == "number":
        whole = schema.get("type") == "integer"
        percent = bool(wanted.all & set(words("percent rate percentage")))
        return lambda text: _figures(text, document, whole=whole, percent=percent)
    if wanted.is_date(schema):
        suffix = "T00:00:00Z" if schema.get("format") == "date-time" else ""
        return lambda text: [reading + suffix for *_, readings in dates(text) for reading in readings]
    if "currency" in wanted.name:
        return currencies
    return lambda text: _strings(text, wanted) if kind == "string" else []


def _figures(text: str, document: Document, *, whole: bool, percent: bool) -> list[Any]:
    found = [(end, readings) for _, end, readings in numbers(text, _sign(document))]
    rest = [rs for end, rs in found if percent or not text[end:].lstrip().startswith("%")]
    readings = [r for rs in reversed(rest or [rs for _, rs in found]) for r in rs]
    return [int(r) for r in readings if r == int(r)] if whole else readings


def _truth(text: str) -> list[Any]:
    first = text.casefold().split()[:1]
    if first and first[0].strip(".,") in ("yes", "ja", "oui", "sí", "si", "да", "true", "x", "✓", "y"):
        return [True]
    return [False] if first and first[0].strip(".,") in ("no", "nein", "non", "нет", "false", "n") else []


def _strings(text: str, wanted: _Wanted) -> list[Any]:
    """A value as text; an identifier ends where a date or a remark begins."""
    text = text.strip(" .:,")
    if wanted.head & {"number", "id", "code", "reference", "referen", "referenc"} and re.search(r"\d", text):
        first = re.split(r"\s+(?:du|vom|dated|of|del|de|от|from|on|am|le)\s+|[,;(]|\s{2,}", text)[0].strip()
        token = next((t for t in first.split() if re.search(r"\d", t)), first)
        return list(dict.fromkeys((token, first, text)))
    if wanted.head & {"number"}:
        return []
    return [text] if text else []


def _mentioned(options: Sequence[Any], text: str) -> list[Any]:
    """The options of an enum, best first, that share a word with the text."""
    if text.strip() in options:
        return [text.strip()]
    scored = [(overlap(words(str(o)), text) / max(1, len(words(str(o)))), o) for o in options if words(str(o))]
    return [o for score, o in sorted(scored, key=lambda entry: -entry[0]) if score > 0]


def _allowed(value: Any, schema: Mapping[str, Any]) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or not isinstance(value, str) or len(value) > 200:
        return True
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _firms(document: Document) -> list[Any]:
    """Who wrote this: the names with a legal form, in order, then the letterhead."""
    parts = [cell.split(":")[0] for line in document.lines for cell in re.split(r"\s{2,}|[|,;·•]", line)]
    firms = [part for part in parts if _FIRM.search(part)]
    heads = [line for line in document.lines[:6] if re.search(r"[^\W\d]{3}", line) and ":" not in line]
    dull = {"invoice", "number", "date", "tax", "original"}
    named = [head for head in heads if set(label_words(head)) - dull and not dates(head)]
    return [firm.strip(" .:,-") for firm in (*firms, *named[:2])]


def _by_header(
    header: Sequence[str], wanted: Mapping[str, tuple[_Wanted, Mapping[str, Any]]], table: Sequence[Row]
) -> dict[str, int]:
    """Which column each property is in: the best matches first, then what is left by its type, in order."""
    scored = sorted(
        (-want.score(frozenset(label_words(cell))), column, name)
        for column, cell in enumerate(header)
        for name, (want, _) in wanted.items()
    )
    places: dict[str, int] = {}
    for score, column, name in scored:
        if score < 0 and name not in places and column not in places.values():
            places[name] = column
    if len(places) < 2:
        return places
    for name in [n for n in wanted if n not in places]:
        written = kind_of(wanted[name][1]) == "string"
        free = (c for c in range(len(header)) if c not in places.values())
        fitting = next((c for c in free if bool(_WORD.search(table[0].cells[c])) == written), None)
        if fitting is not None:
            places[name] = fitting
    return places


def _by_arithmetic(
    row: Row, wanted: Mapping[str, tuple[_Wanted, Mapping[str, Any]]], document: Document
) -> dict[str, str]:
    """Cells of a line without a header: the text, and the figures told apart by a * b = c."""
    figures = [(cell, float(rs[0])) for cell in row.cells[1:] for *_, rs in numbers(cell, _sign(document))]
    roles = {"quantity": figures[0][0], "price": figures[1][0]} if len(figures) > 1 else {}
    for i, (a, x) in enumerate(figures):
        for j, (b, y) in enumerate(figures[i + 1 :], i + 1):
            product = next((c for k, (c, z) in enumerate(figures) if k not in (i, j) and abs(x * y - z) < 0.011), None)
            if product is not None and "total" not in roles:
                roles = {"quantity": a, "price": b, "total": product}
    placed: dict[str, str] = {}
    for name, (want, schema) in wanted.items():
        if kind_of(schema) == "string" and row.cells[0] not in placed.values():
            placed[name] = row.cells[0]
            continue
        role = next((r for r in ("quantity", "total", "price") if want.all & _ROLE[r] and r in roles), None)
        if role:
            placed[name] = roles.pop(role)
    return placed


_ROLE = {"quantity": {"quantity"}, "price": {"price", "unit"}, "total": {"total", "amount"}}
