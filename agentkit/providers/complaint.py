"""What a server finds wrong with a request, read out of the error that it sent. Pure.

Servers name a parameter in `param`, in a list of `loc` paths (FastAPI), or only in words. Names in a field count more
than names in words, which may quote anything: what they repeat of the conversation is taken out first, and a name
counts only in a sentence that refuses something, and outside the list of what would be taken.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from agentkit.errors import GatewayError

_REFUSES = re.compile(
    r"unsupported|(not|n't|only|never)( \S+)? support|(is|are|value is|values are) supported|unavailable|unknown"
    r"|unrecogni[sz]ed|unexpected|extraneous|incompatible|disabled|deprecated|no endpoints? found"
    r"|not (\S+ )?(permitted|allowed|accepted|available|implemented|recogni[sz]ed|enabled|compatible)"
    r"|(extra|additional) (inputs?|fields?|properties|parameters?)|does(n't| not) accept"
    r"|(cannot|can't|can not) (both )?(be )?(used?|set|specif(y|ied)|combined?|provided?|mix(ed)?)\b"
    r"|(may|must|should) (not|only) be |only \S+ (is|are) (allowed|accepted|permitted)"
    r"|(invalid|illegal|not a valid|no such) (parameter|argument|field|option|role|enum)|(are|is) not valid"
    r"|(not|isn't) one of|must (either )?be (one of|a named)|allowed values|please (remove|use)|use .{1,40} instead"
    r"|不支持",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"too (large|small|long|short|high|low|many|few)|out of range|range of|within|non-negative|at (least|most)"
    r"|(less|greater|more|fewer|larger|smaller|higher|lower) than|(minimum|maximum) (value|allowed|length|of|is)"
    r"|between|exceed|[<>]=? ?-?\d|(must|should|has to) be (a|an|of type|positive|in|one of|\[)\b|invalid type"
    r"|type must be|unrecogni[sz]ed (type|schema|value)|failed to parse|expected (a|an)\b|not one of|allowed values"
    r"|_(above|below)_m|is required|requires",
    re.IGNORECASE,
)
_REFUSING_CODE = re.compile(r"unsupported|not_supported|unknown_(param|field|arg)|extra_forbidden", re.IGNORECASE)
_SEGMENT = re.compile(r"[A-Za-z_][\w-]*|\d+")
_NOUN = r"(?:field|parameter|param|argument|propert(?:y|ie)|option|setting|key|name|input)"
_PROSE = frozenset(
    {"user", "stop", "store", "include", "prediction", "think", "thinking", "reasoning", "text"}
)  # names that prose has as well
# Paths that stand in words: after a noun, before a colon that says what is wrong, or in a report that became a text.
_WRITTEN = (
    re.compile(rf"{_NOUN}s?:?\s+['\"`]([\w.\[\]]+)['\"`]", re.IGNORECASE),
    re.compile(r"(?:^|[\s'\"(])((?:messages|input|tools)[.\[][\w.\[\]]*):\s"),
    re.compile(r"([\w.\[\]-]+)(?::|\n) *extra inputs", re.IGNORECASE),
    re.compile(r"['\"]loc['\"]: ?[(\[]([^)\]]+)[)\]]"),
)
_REPEATED = re.compile(r"['\"]input['\"]: .*?(?=\}, ?\{['\"]|$)", re.DOTALL)
_ITEM = r"['\"`]?[\w.-]+['\"`]?"
_LIST = re.compile(
    r"(?:expected|one of|should be|did you mean|(?:supported|valid|allowed) values(?: are)?)\b:?\s*(?:one of\b:?\s*)?"
    rf"[\[(]?{_ITEM}(?:\s*(?:,\s*(?:and\b|or\b)?|\||\band\b|\bor\b)\s*{_ITEM})*",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.;!?]+(?=\s|$)|[。\n]|\s-\s")
_START, _END = r"(?<![a-z0-9_])", r"(?![a-z0-9_])"  # of a name; letters of other scripts may touch it
_WORD = re.compile(r"\w+")
_REACH = 3000  # characters of one text of an error that are read
_ECHO = 3  # so many words in a row that stand in the conversation are a quotation of it
# Unless they are no more than how a refusal is put, which a conversation may hold by chance.
_PHRASES = frozenset(
    {"a", "an", "and", "are", "be", "by", "does", "extra", "field", "for", "in", "inputs", "instead", "is", "it",
     "model", "not", "of", "on", "only", "or", "parameter", "permitted", "please", "support", "supported", "supports",
     "the", "this", "to", "unsupported", "use", "value", "with"}
)  # fmt: skip
_SILENT = frozenset({"input", "loc", "url", "ctx", "code", "type", "param", "status", "object", "id", "request_id"})


class Complaint:
    """One refusal of a request whose conversation has the texts `conversation`.

    `paths` are the fields that it names as data, each as its segments (`("tools", "0", "function", "strict")`);
    `words` is all that it says, in lower case; `sentences` are the same without lists of what would be taken.
    """

    def __init__(self, error: GatewayError, conversation: Iterable[str] = ()) -> None:
        texts = [error.provider_message or "", *(() if isinstance(error.body, str) else _texts(error.body))]
        texts = [_REPEATED.sub(" ", text[:_REACH]) for text in dict.fromkeys(texts)]
        own = _without_echo(texts, conversation)
        self.words = " ".join(own).lower()
        self.sentences = tuple(
            sentence for text in own for sentence in _SENTENCE.split(_LIST.sub(" ", text.lower())) if sentence.strip()
        )
        found = [_segments(path) for path in _named_paths(error)]
        found += [_segments(match[1]) for text in own for form in _WRITTEN for match in form.finditer(text)]
        codes = " ".join((error.code or "", *_codes(error.body)))
        self.paths = tuple(dict.fromkeys(path for path in found if path and not _is_code(path, error)))
        self._refusing_code = bool(_REFUSING_CODE.search(codes))
        self._codes = codes

    @property
    def refuses(self) -> bool:
        """Whether it says that something is not taken at all, rather than that a value is wrong."""
        return self._refusing_code or bool(_REFUSES.search(self.words))

    @property
    def about_value(self) -> bool:
        """Whether it finds a value too large, too small or of the wrong type."""
        return bool(_VALUE.search(f"{self.words} {self._codes}"))

    def has(self, *fields: str) -> bool:
        """Whether a path that it names as data holds one of `fields`, as a segment or as several joined."""
        wanted = {_plain(name) for name in fields}
        return any(
            _plain("".join(path)) in wanted or any(_plain(step) in wanted for step in path) for path in self.paths
        )

    def says(self, *words: str) -> bool:
        """Whether one of `words` stands in it, as a word of its own, outside a list of what would be taken."""
        return any(_stands(word, sentence) for sentence in self.sentences for word in words)

    def names(self, *fields: str) -> bool:
        """Whether it is about one of `fields`: as data, or in words when it names nothing as data."""
        if self.paths:
            return self.has(*fields)
        return self.says(*fields)

    def refuses_field(self, *fields: str) -> bool:
        """Whether it says of one of `fields` that it is not taken: no mere mention, and nothing about its value."""
        if self.paths:
            return self.has(*fields) and self.refuses and not self.about_value
        return self._refuses_in_words(fields)

    def refuses_whole(self, *fields: str) -> bool:
        """Whether it says so of one of `fields` itself: of a field inside of it, it says nothing."""
        if self.paths:
            wanted = {_plain(name) for name in fields}
            ends = {next((_plain(step) for step in reversed(path) if not step.isdigit()), "") for path in self.paths}
            return not wanted.isdisjoint(ends) and self.refuses and not self.about_value
        return self._refuses_in_words(fields)

    def _refuses_in_words(self, fields: Iterable[str]) -> bool:
        return any(
            _is_subject(name, sentence)
            for sentence in self.sentences
            if (self._refusing_code or _REFUSES.search(sentence)) and not _VALUE.search(f"{sentence} {self._codes}")
            for name in fields
        )

    def quoted(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Which of `words` it gives in quotes, in their own order: the values that it would take, mostly."""
        return tuple(word for word in words if re.search(rf"['\"`]{re.escape(word)}['\"`]", self.words))


def _plain(name: str) -> str:
    """A name without what differs between spellings: `reasoning_effort`, `reasoningEffort`, `reasoning.effort`."""
    return name.replace("_", "").replace("-", "").lower()


def _spelled(name: str) -> str:
    """A pattern for a name as servers spell it: with underscores, in one (as of camel case), or as words."""
    return r"[_ ]?".join(map(re.escape, name.lower().split("_")))


def _stands(name: str, sentence: str) -> bool:
    return bool(re.search(rf"{_START}{_spelled(name)}{_END}", sentence))


def _is_subject(name: str, sentence: str) -> bool:
    """Whether a refusing sentence is about a parameter of that name.

    A name of several parts is no word of a language, and speaks for itself. Any other (`user`, `stop`, `temperature`)
    has to stand where a parameter stands.
    """
    if "_" in name:
        return _stands(name, sentence)
    bare = rf"{_START}{_spelled(name)}{_END}"
    spelled = rf"['\"`\[$]*(?:body[./])?{bare}['\"`\]]*"
    before = r"(?:^|: |and |setting |the )\s*" if name in _PROSE else ""
    verb = r"\s*(?:is|are|was|and|may|must|can|cannot|can't|does|do|:|$)"
    places = (
        rf"{_NOUN}s?\b\W{{1,4}}{spelled}",
        rf"{_NOUN}s?\b[^:]*:[\[\s\w,'\"`]*?{spelled}\s*(?:,|$|\])",
        rf"{spelled} {_NOUN}s?\b",
        rf"{before}{spelled}(?:=\S+|(?: value)?(?: ['\"`]\S+['\"`])?){verb}",
        rf"['\"`]{bare}['\"`]{verb}",
        rf"(?:supports?|unsupported|unknown|unrecogni[sz]ed|invalid|accepts?|without|不支持)\s*(?:the )?{spelled}",
    )
    return any(re.search(place, sentence) for place in places)


def _without_echo(texts: Iterable[str], conversation: Iterable[str]) -> list[str]:
    """The texts without what they repeat of the conversation, which says nothing of the server."""
    said = [f" {' '.join(_WORD.findall(text.lower()))} " for text in conversation]
    return [_without_quotations(text, [each for each in said if each.strip()]) for text in texts]


def _without_quotations(text: str, said: list[str]) -> str:
    words = [(match.start(), match.end(), match[0].lower()) for match in _WORD.finditer(text)]
    gone: set[int] = set()
    for each in said:
        length = min(_ECHO, each.count(" ") - 1)
        for start in range(len(words) - length + 1):
            run = [word for _, _, word in words[start : start + length]]
            end = "" if start + length == len(words) else " "  # a quotation may be cut in the middle of a word
            if (
                not _PHRASES.issuperset(run)
                and f" {' '.join(run)}{end}" in each
                and (length > 1 or _is_shown(text, words[start]))
            ):
                gone.update(range(start, start + length))
    kept, at = [], 0
    for index in sorted(gone):
        kept.append(text[at : words[index][0]])
        at = words[index][1]
    return "".join([*kept, text[at:]])


def _is_shown(text: str, word: tuple[int, int, str]) -> bool:
    """Whether a single word stands at the end of a text, as what is shown does: no sentence ends in its subject."""
    return not text[word[1] :].strip(" .'\"`)]}…") and len(text) > len(word[2])


def _named_paths(error: GatewayError) -> Iterator[str]:
    if error.param:
        yield from error.param.split(", ")
    yield from _locations(error.body, 6)


def _is_code(path: tuple[str, ...], error: GatewayError) -> bool:
    """Whether `param` holds no field but the kind of the error, as some servers have it."""
    return len(path) == 1 and (path[0] == error.code or path[0].endswith("error"))


def _locations(value: Any, depth: int) -> Iterator[str]:
    """The `loc` paths of a validation report, wherever it is wrapped."""
    if depth == 0:
        return
    if isinstance(value, list):
        for item in value:
            yield from _locations(item, depth - 1)
    elif isinstance(value, dict):
        loc = value.get("loc")
        if isinstance(loc, list) and loc:
            yield ".".join(str(segment) for segment in loc)
            return  # what stands beside it repeats the user's input
        for item in value.values():
            yield from _locations(item, depth - 1)


def _texts(value: Any, depth: int = 8) -> Iterator[str]:
    """The texts of an error object, without its codes and the input that a validation report repeats."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            if key not in _SILENT:
                yield from _texts(item, depth - 1)


def _codes(value: Any, depth: int = 8) -> Iterator[str]:
    """The kinds that an error object gives itself and its parts."""
    if depth and isinstance(value, list):
        for item in value:
            yield from _codes(item, depth - 1)
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            if key in ("code", "type") and isinstance(item, str):
                yield item
            elif key not in _SILENT:
                yield from _codes(item, depth - 1)


def _segments(path: str) -> tuple[str, ...]:
    segments = tuple(_SEGMENT.findall(path))
    return segments[1:] if segments[:1] == ("body",) else segments
