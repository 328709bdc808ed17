"""What a server finds wrong with a request, read out of the error that it sent. Pure.

Servers name a parameter in `param`, in a list of `loc` paths (FastAPI), or only in words. Names in a field count more
than names in words, which may quote anything.
"""

import re
from collections.abc import Iterator
from typing import Any

from agentkit.errors import GatewayError

_REFUSES = re.compile(
    r"unsupported|(not|n't|only|never)( \S+)? support|(is|are|value is|values are) supported|unavailable|unknown"
    r"|unrecogni[sz]ed|unexpected|not (permitted|allowed|accepted|available|implemented|recogni[sz]ed|enabled)"
    r"|(extra|additional) (inputs?|fields?|properties|parameters?)|extra_forbidden|does(n't| not) accept|deprecated"
    r"|(cannot|can't|can not) (both )?be (used|set|specified|combined|provided)|incompatible|not compatible|disabled"
    r"|(invalid|not a valid|no such) (parameter|argument|field|option)|(not|isn't) one of|must be one of"
    r"|allowed values|please (remove|use)|use .{1,40} instead|should not be set",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"too (large|small|long|short|high|low)|out of range|at (least|most)|(less|greater|more|fewer) than"
    r"|(minimum|maximum) (value|allowed|of|is)|between|exceed|must be (a|an|of type|positive|in)\b|invalid type"
    r"|type must be|expected (a|an)\b|_(above|below)_m|less_than|greater_than",
    re.IGNORECASE,
)
_SEGMENT = re.compile(r"[A-Za-z_][\w-]*|\d+")
_FIELD = re.compile(r"(?:field|parameter|argument|property)s?:?\s+['\"`]([\w.\[\]]+)['\"`]", re.IGNORECASE)


class Complaint:
    """One refusal.

    `paths` are the fields that it names as data, each as its segments (`("tools", "0", "function", "strict")`);
    `words` is all that it says, in lower case.
    """

    def __init__(self, error: GatewayError) -> None:
        said = error.provider_message or ""
        body = "" if isinstance(error.body, str) else " ".join(_texts(error.body))
        self.words = f"{said} {body} {error.code or ''}".lower()
        found = [_segments(path) for path in _named_paths(error)]
        found += [_segments(match[1]) for match in _FIELD.finditer(f"{said} {body}")]
        self.paths = tuple(dict.fromkeys(path for path in found if path))

    @property
    def refuses(self) -> bool:
        """Whether it says that something is not taken at all, rather than that a value is wrong."""
        return bool(_REFUSES.search(self.words))

    @property
    def about_value(self) -> bool:
        """Whether it finds a value too large, too small or of the wrong type."""
        return bool(_VALUE.search(self.words))

    def has(self, *segments: str) -> bool:
        """Whether a path that it names as data holds one of `segments`."""
        return any(segment in path for path in self.paths for segment in segments)

    def says(self, *words: str) -> bool:
        """Whether one of `words` stands in it, as a word of its own."""
        return any(re.search(rf"(?<![\w]){re.escape(word.lower())}(?![\w])", self.words) for word in words)

    def names(self, *fields: str) -> bool:
        """Whether it is about one of `fields`: as data, or in words when it names nothing as data."""
        if self.paths:
            return self.has(*fields)
        return self.says(*fields)

    def quoted(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Which of `words` it gives in quotes, in their own order: the values that it would take, mostly."""
        return tuple(word for word in words if re.search(rf"['\"`]{re.escape(word)}['\"`]", self.words))


def _named_paths(error: GatewayError) -> Iterator[str]:
    if error.param:
        yield from error.param.split(", ")
    yield from _locations(error.body, 6)


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


def _texts(value: Any, depth: int = 6) -> Iterator[str]:
    """The texts of an error object, without the input that a validation report repeats."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            if key not in ("input", "loc", "url", "ctx"):
                yield from _texts(item, depth - 1)


def _segments(path: str) -> tuple[str, ...]:
    segments = tuple(_SEGMENT.findall(path))
    return segments[1:] if segments[:1] == ("body",) else segments
