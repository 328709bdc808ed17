"""Arguments for a tool call, out of a question in plain words and out of earlier results."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .conversation import Definition, mapping
from .fill import kind_of, resolved
from .listing import Entry, files_in, paths
from .values import currency_spans, dates, numbers
from .words import fold, keywords, label_words, words

MOST_CALLS = 8
_QUOTED = re.compile(r"[\"“„«]([^\"”“»]{1,200})[\"”“»]|(?<!\w)['‘]([^'’]{2,200})['’](?!\w)")
_NAMED = re.compile(r"(?<![\w.])[^\W\d_a-z][\w’'-]*(?:[ -](?:(?:de|of|la|am|der) )?[^\W\d_a-z][\w’'-]*)*")
_AFTER = re.compile(r"(?i)(?<!\w)(?:in|for|at|of|to|into|from|about|für|nach|à|en|в)\s+((?:[^\W\d_][\w-]*\s?){1,3})")
_LIST = re.compile(r"\s*(?:,|;|\band\b|\bor\b|\bund\b|\bet\b|&)\s*")
_EXPRESSION = re.compile(r"[(\d][\d\s.()]*(?:(?:\*\*|[-+*/^%×÷])\s*[(\d][\d\s.()]*)+")
_PERCENT_OF = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent)\s+of\s+(\d+(?:[.,]\d+)*)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"https?://[^\s<>\"')]+")
_CODE = re.compile(r"(?<!\w)#?((?:[A-Z]{1,5}[-_/]?)?\d[\w/-]*)")
_NOT_NAME_WORDS = (
    "what which who how when where why is are do does can could please show list tell find give convert "
    "calculate compute search read open get the a an and i if should would will was were did has have monday "
    "tuesday wednesday thursday friday saturday sunday q1 q2 q3 q4 fetch add send book translate look check create "
    "write compare"
)
_NOT_NAMES = frozenset(_NOT_NAME_WORDS.split())
_SOURCE = {"from", "source", "origin", "base", "start", "departur", "vendor"}
_TARGET = {"to", "target", "destinat", "into", "quot", "end", "arrival", "result"}
_GROUPS = {"group", "by", "per", "each", "categor"}
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("email", frozenset({"mail", "recipient"})),
    ("url", frozenset({"url", "link", "uri", "website"})),
    ("currency", frozenset({"currency", "iso4217", "4217"})),
    ("expression", frozenset({"expressi", "formula", "compute", "equation", "term"})),
    ("query", frozenset({"search", "query", "keyword", "question", "topic", "text", "phrase", "words", "word"})),
    ("date", frozenset({"date"})),
    ("path", frozenset({"path", "file", "document", "page", "slug", "table", "sheet"})),
    ("column", frozenset({"column", "field", "group", "header"})),
    ("id", frozenset({"id", "number", "code", "sku", "referenc", "identifi", "uuid"})),
    ("message", frozenset({"body", "message", "content", "note", "comment", "subject", "prompt"})),
)
_FORMATS = {"email": "email", "uri": "url", "date": "date", "date-time": "date"}
_TELLING = frozenset({"currency", "path", "email", "url", "expression", "column"})
_SURE = frozenset({"expression", "email", "url", "enum", "currency", "date", "id"})


@dataclass(frozen=True, slots=True)
class Filled:
    """Arguments for one or more calls, how sure they are (0 and up), or the parameter that could not be filled."""

    calls: tuple[dict[str, Any], ...] = ()
    evidence: float = 0.0
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter of a tool: its words, its kind, whether a call must have it."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    words: frozenset[str]
    about: frozenset[str]
    kind: str


def slots(tool: Definition) -> list[Slot]:
    """The parameters of a tool, in order."""
    found: list[Slot] = []
    for name, raw in tool.properties.items():
        schema, _ = resolved(raw, tool.parameters)
        own = frozenset(label_words(name))
        about = schema.get("description") or mapping(raw).get("description")
        said = frozenset(words(about)) if isinstance(about, str) else frozenset[str]()
        kind = _slot_kind(schema, name, own, said)
        if kind == "entity" and name.casefold() in ("to", "cc", "bcc", "address") and "mail" in words(tool.name):
            kind = "email"
        found.append(Slot(name, schema, name in tool.required, own, said, kind))
    return found


def _slot_kind(schema: Mapping[str, Any], name: str, own: frozenset[str], said: frozenset[str]) -> str:
    kind = kind_of(schema)
    if schema.get("enum"):
        return "enum"
    if kind != "string":
        return kind
    by_format = _FORMATS.get(str(schema.get("format")))
    if by_format:
        return by_format
    raw = frozenset(words(name)) | {w for w in re.split(r"[_\W]+", name.casefold()) if w}
    by_name = next((k for k, signs in _KINDS if signs & (own | raw)), None)
    told = [
        k for k, signs in _KINDS if k in ("currency", "path", "email", "url", "expression", "column") and signs & said
    ]
    return by_name or (told[0] if told else "entity")


def fill(tool: Definition, clause: str, offered: Sequence[Entry], refused: Mapping[str, Sequence[Any]]) -> Filled:
    """Arguments for the calls of `tool` that a clause asks for; several values of one parameter become several calls.

    `refused` holds, per parameter, the values that the tool has sent back.
    """
    arguments: dict[str, Any] = {}
    several: tuple[str, list[Any]] | None = None
    evidence, used = 0.0, set[str]()
    ordered = sorted(slots(tool), key=lambda s: (not s.required, s.kind == "column"))
    for slot in ordered:
        if slot.kind == "column":
            continue
        values = [v for v in _values(slot, clause, offered, used) if v not in refused.get(slot.name, ())]
        if not values:
            if slot.required:
                return Filled(missing=slot.name)
            continue
        sure = (
            slot.kind in ("expression", "email", "url", "enum", "currency", "date", "id")
            and "default" not in slot.schema
        )
        evidence += (1.5 if sure else 0.5) if slot.required else 0.5
        arguments[slot.name] = values[0]
        used.add(str(values[0]))
        if slot.required and several is None and len(values) > 1 and _spreads(slot, ordered):
            several = (slot.name, values[:MOST_CALLS])
    spread = [{**arguments, several[0]: value} for value in several[1]] if several else [arguments]
    calls = [c for c in (_with_columns(a, ordered, clause, offered) for a in spread) if c is not None]
    missing = None if calls else next((s.name for s in ordered if s.kind == "column" and s.required), "")
    return Filled(tuple(calls), evidence, missing)


def _spreads(slot: Slot, all_slots: Sequence[Slot]) -> bool:
    """Whether several values of this parameter mean several calls: it is the only one of its kind."""
    return slot.kind in ("path", "entity", "id") and sum(s.kind == slot.kind and s.required for s in all_slots) == 1


def reads(tool: Definition, offered: Sequence[Entry]) -> list[dict[str, Any]]:
    """A call of a tool with one required parameter for every path or id on offer, whatever it is about."""
    slot = next(s for s in slots(tool) if s.required)
    values = dict.fromkeys(e.value for e in paths(offered, _path_words(slot)))
    return [{slot.name: value} for value in list(values)[:MOST_CALLS]]


def _path_words(slot: Slot) -> set[str]:
    return set(slot.words | slot.about) | ({"file", "path"} if slot.kind == "path" else set())


def guess(tool: Definition, clause: str) -> dict[str, Any]:
    """Arguments for a call that must be made although nothing fits: whatever comes nearest."""
    blank: Mapping[str, Any] = {"number": 0, "boolean": False, "array": [], "object": {}}
    guessed: dict[str, Any] = {}
    for slot in slots(tool):
        if slot.required:
            values = _values(slot, clause, (), {str(v) for v in guessed.values()})
            options = slot.schema.get("enum")
            first = (
                options[0]
                if isinstance(options, list) and options
                else blank.get(slot.kind, keywords(clause) or clause)
            )
            guessed[slot.name] = values[0] if values else slot.schema.get("default", first)
    return guessed


# values for one parameter -------------------------------------------------------------------------------------------


def _values(slot: Slot, clause: str, offered: Sequence[Entry], used: set[str]) -> list[Any]:
    if "const" in slot.schema:
        return [slot.schema["const"]]
    found = [v for v in _found(slot, clause, offered, used) if str(v) not in used]
    pattern = slot.schema.get("pattern")
    if isinstance(pattern, str):
        found = [v for v in found if not isinstance(v, str) or _matches(pattern, v)]
    return list(dict.fromkeys(found)) if slot.kind not in ("array", "object") else found


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value[:200]) is not None
    except re.error:
        return True


def _found(slot: Slot, clause: str, offered: Sequence[Entry], used: set[str]) -> list[Any]:
    match slot.kind:
        case "enum":
            return _options(slot, clause)
        case "boolean":
            hit = slot.words & set(words(clause))
            return [not re.search(r"(?i)\b(?:not|no|without|ohne|sans)\b", clause)] if hit else []
        case "number":
            return _figures(slot, clause, used)
        case "array":
            return _listed(slot, clause, used)
        case "object":
            return []
        case "path" | "id":
            return _from_results(slot, clause, offered)
        case _:
            return _text_values(slot, clause, used)


def _options(slot: Slot, clause: str) -> list[Any]:
    """The options that the clause names; "c" is named by a word of the description or by "celsius"."""
    options = slot.schema.get("enum")
    told = fold(clause)
    hits: list[tuple[int, Any]] = []
    for option in options if isinstance(options, list) else []:
        written = fold(str(option)).replace("_", " ")
        ends = r"(?:elsius|ahrenheit)?(?!\w)" if len(written) < 4 else ""  # "c" is said as "celsius"
        place = re.search(rf"(?<!\w){re.escape(written)}{ends}", told) if written else None
        if place and (len(written) > 1 or written in ("c", "f")):
            hits.append((place.start(), option))
    return [option for _, option in sorted(hits, key=lambda h: h[0])]


def _figures(slot: Slot, clause: str, used: set[str]) -> list[Any]:
    """The numbers of the clause, those beside a word of the parameter first; optional parameters take only these."""
    taken = [(a, b) for a, b, _ in dates(clause)] + [(m.start(), m.end()) for m in _PERCENT_OF.finditer(clause)]
    beside: list[Any] = []
    other: list[Any] = []
    for start, end, readings in numbers(clause):
        if any(a <= start < b for a, b in taken):
            continue
        value = int(readings[0]) if slot.schema.get("type") == "integer" else readings[0]
        around = set(words(clause[end : end + 16])[:1]) | set(words(clause[max(0, start - 20) : start])[-1:])
        (beside if around & (slot.words | slot.about) else other).append(value)
    return beside + (other if slot.required else [])


def _listed(slot: Slot, clause: str, used: set[str]) -> list[Any]:
    items, _ = resolved(slot.schema.get("items"), slot.schema)
    found: list[Any]
    if kind_of(items) == "number":
        found = [r[0] for *_, r in numbers(clause)]
    elif items.get("enum"):
        found = _options(Slot(slot.name, items, True, slot.words, slot.about, "enum"), clause)
    else:
        found = _entities(slot, clause, used) if slot.required else []
    return [found] if found else []


def _from_results(slot: Slot, clause: str, offered: Sequence[Entry]) -> list[Any]:
    """A file or id that the clause names, else those out of results that share a word with it, else all of them."""
    named = files_in(clause) if slot.kind == "path" else [m for m in _CODE.findall(clause) if re.search(r"\d", m)]
    if named:
        return list(named)
    entries = paths(offered, _path_words(slot))
    wanted = set(words(clause))
    scored = [(_near(e, wanted), e.value) for e in entries]
    highest = max((score for score, _ in scored), default=0)
    best = [v for score, v in sorted(scored, key=lambda entry: -entry[0]) if score > 0.7 * highest]
    return (best or [v for _, v in scored])[:MOST_CALLS]


def _near(entry: Entry, wanted: set[str]) -> int:
    return 2 * len(wanted & set(words(entry.value))) + len(wanted & set(words(entry.around)))


def _text_values(slot: Slot, clause: str, used: set[str]) -> list[Any]:
    match slot.kind:
        case "email":
            return list(_EMAIL.findall(clause))
        case "url":
            return [u.rstrip(".,;?!") for u in _URL.findall(clause)]
        case "date":
            return [r for *_, rs in dates(clause) for r in rs] or re.findall(
                r"(?i)\b(?:today|tomorrow|yesterday)\b", clause
            )
        case "currency":
            return _by_role(slot, clause, currency_spans(clause), used)
        case "expression":
            return _expressions(clause)
        case "query":
            return _quotes(clause) or ([keywords(clause)] if slot.required and keywords(clause) else [])
        case "message":
            said = re.search(r"(?:\bsaying\b|\bthat says\b|:)\s*(.+)$", clause)
            spoken = [said[1].strip()] if said else []
            return [*_quotes(clause), *spoken] if "subject" in slot.name.casefold() else [*spoken, *_quotes(clause)]
        case _:
            return _entities(slot, clause, used)


def _quotes(clause: str) -> list[str]:
    return [a or b for a, b in _QUOTED.findall(clause)]


def _expressions(clause: str) -> list[str]:
    share = [f"{a} / 100 * {b.replace(',', '')}" for a, b in _PERCENT_OF.findall(clause)]
    return share or [
        e.strip().replace("×", "*").replace("÷", "/").replace("^", "**") for e in _EXPRESSION.findall(clause)
    ]


def _entities(slot: Slot, clause: str, used: set[str]) -> list[str]:
    """Names in the clause: quoted, or written with a capital, or what follows a preposition."""
    quoted = _quotes(clause)
    if quoted:
        return quoted
    spans = _names(clause)
    if not spans:
        spans = [
            (m.start(1), name)
            for m in _AFTER.finditer(clause)
            for name in _LIST.split(_until_stop(m[1]))
            if name and words(name) and not (set(words(name)) & slot.words)
        ]
    if not slot.required:
        cue = {w for w in slot.name.casefold().split("_") if len(w) > 2}
        spans = [(at, name) for at, name in spans if set(clause[:at].casefold().split()[-2:]) & cue]
    return _by_role(slot, clause, spans, used)


def _names(clause: str) -> list[tuple[int, str]]:
    """Where words with a capital stand; the word that begins the clause has one anyway and counts only in a name."""
    spans: list[tuple[int, str]] = []
    found = list(_NAMED.finditer(clause))
    for match in found:
        first, _, rest = match[0].partition(" ")
        begins = match.start() == 0 and len(clause.split()) > 2
        if fold(first) in _NOT_NAMES or (begins and (len(found) > 1 or not rest)):
            spans.append((match.start() + len(first) + 1, rest))
        else:
            spans.append((match.start(), match[0]))
    named = ((at, name) for at, name in spans if name and fold(name) not in _NOT_NAMES)
    return [(at, name) for at, name in named if not currency_spans(name)]


def _until_stop(text: str) -> str:
    kept: list[str] = []
    for word in text.split():
        if not words(word) and word.casefold() not in ("and", "or", "und", "et"):
            break
        kept.append(word)
    return " ".join(kept)


def _by_role(slot: Slot, clause: str, spans: Sequence[tuple[int, str]], used: set[str]) -> list[str]:
    """The candidates in order, those first whose preposition suits a parameter such as `from_city` or `target`."""
    raw = set(slot.words) | {w for w in re.split(r"[_\W]+", slot.name.casefold()) if w}
    cues = ("to", "into", "in") if raw & _TARGET else ("from", "of") if raw & _SOURCE else ()
    cued = [name for at, name in spans if set(clause[:at].casefold().split()[-1:]) & set(cues)]
    rest = [name for _, name in spans]
    return [n for n in dict.fromkeys((*cued, *(rest[::-1] if raw & _TARGET else rest))) if n not in used]


# columns of a table -------------------------------------------------------------------------------------------------


def _with_columns(
    arguments: dict[str, Any], all_slots: Sequence[Slot], clause: str, offered: Sequence[Entry]
) -> dict[str, Any] | None:
    """The call with its column parameters, which depend on its file; None when a needed one cannot be had."""
    columns = [s for s in all_slots if s.kind == "column"]
    if not columns:
        return arguments
    chosen = {str(v) for v in arguments.values()}
    left = dict(next((e.columns for e in offered if e.value in chosen and e.columns), {}))
    filled = dict(arguments)
    for slot in sorted(columns, key=lambda s: not _groups(s)):
        column = _column(slot, clause, left)
        if column is None and slot.required:
            return None
        if column is not None:
            filled[slot.name] = column
            del left[column]
    return filled


def _groups(slot: Slot) -> bool:
    raw = {w for w in re.split(r"[_\W]+", slot.name.casefold()) if w}
    return bool((raw | slot.words) & _GROUPS)


def _column(slot: Slot, clause: str, left: Mapping[str, str]) -> str | None:
    """The column that a parameter means: a grouping follows "which" or "per", or has a value that the clause names."""
    if _groups(slot):
        after = re.findall(r"(?i)\b(?:which|what|per|by|each|every|for)\s+(?:the\s+)?([\w-]+)", clause)
        named = [c for word in after for c in left if set(words(word)) & set(words(c))]
        return next(iter(named or [c for c, said in left.items() if set(words(said)) & set(words(clause))]), None)
    wanted, told = set(words(clause)), set(slot.about)
    scored = [
        (2 * len(wanted & set(words(c))) + len(told & set(words(f"{c} {said}"))), -i, c)
        for i, (c, said) in enumerate(left.items())
    ]
    best = max(scored, default=None)
    return best[2] if best and best[0] > 0 else None


def said_kinds(clause: str) -> Iterator[str]:
    """Words for what a clause holds without naming it: amounts of money, sums to do, addresses."""
    if currency_spans(clause):
        yield "currency"
        if len({code for _, code in currency_spans(clause)}) > 1:
            yield "convert"
    if _EXPRESSION.search(clause) or _PERCENT_OF.search(clause):
        yield from ("compute", "expressi")
    if _EMAIL.search(clause):
        yield "mail"
    if _URL.search(clause):
        yield from ("url", "fetch", "page")
