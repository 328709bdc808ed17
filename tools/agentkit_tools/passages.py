"""Cut texts into passages and rank them by the words of a question (BM25). Pure: no files, no model."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MAX_LINES = 12
_MAX_CHARACTERS = 1200
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75

# Chinese, Japanese and Korean are written without blanks: there each sign is a word.
_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_HEADING = re.compile(r"#{1,6}\s+\S")


@dataclass(frozen=True, slots=True)
class Passage:
    """A few lines of a file that stand together.

    Attributes:
        file: Path relative to the folder searched.
        line: Line of the file that the text begins at, counted from 1.
        text: The lines as they stand in the file.
        heading: The Markdown heading above the passage, "" where there is none or where the text begins with it.
    """

    file: str
    line: int
    text: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


def passages(file: str, text: str) -> list[Passage]:
    """The passages of a text, in order: paragraphs, each heading with the paragraph below it, long ones cut."""
    found: list[Passage] = []
    heading = ""
    block: list[_Line] = []
    for line in _lines(text):
        is_heading = _HEADING.match(line.text) is not None
        if block and (is_heading or _is_complete(block, line)):
            found.append(_passage(file, block, heading))
            block = []
        if is_heading:
            heading = line.text.lstrip("#").strip()
        if block or line.text.strip():
            block.append(line)
    return [*found, _passage(file, block, heading)] if block else found


def ranked(candidates: Sequence[Passage], query: str, limit: int) -> list[Passage]:
    """The passages that share words with the query, the best first; equal ones by file and line."""
    wanted = list(dict.fromkeys(words(query)))
    counts = [Counter(words(f"{passage.heading} {passage.text}")) for passage in candidates]
    average = sum(count.total() for count in counts) / max(1, len(counts))
    rarity = {word: _rarity(sum(word in count for count in counts), len(counts)) for word in wanted}
    scored: list[tuple[float, str, int, Passage]] = []
    for passage, count in zip(candidates, counts, strict=True):
        score = sum(rarity[word] * _weight(count[word], count.total() / average) for word in wanted if word in count)
        if score > 0:
            # Rounded, so that the last bit of a float does not decide the order.
            scored.append((-round(score, 9), passage.file, passage.line, passage))
    return [passage for *_, passage in sorted(scored, key=lambda row: row[:3])[:limit]]


def words(text: str) -> Iterator[str]:
    """The words of a text in the form in which they are compared: no case, no accents of width, no plural s."""
    return (_stem(word) for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        for start in range(0, max(1, len(line)), _MAX_CHARACTERS):
            yield _Line(number, line[start : start + _MAX_CHARACTERS])


def _is_complete(block: list[_Line], following: _Line) -> bool:
    if not following.text.strip():
        # The blank line below a heading does not part it from its paragraph.
        return not _HEADING.match(block[0].text) or any(line.text.strip() for line in block[1:])
    return len(block) >= _MAX_LINES or sum(len(line.text) for line in [*block, following]) > _MAX_CHARACTERS


def _passage(file: str, block: list[_Line], heading: str) -> Passage:
    text = "\n".join(line.text for line in block).rstrip()
    return Passage(file, block[0].number, text, "" if _HEADING.match(block[0].text) else heading)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _rarity(holding: int, count: int) -> float:
    return math.log(1 + (count - holding + 0.5) / (holding + 0.5))


def _weight(occurrences: int, relative_length: float) -> float:
    return (
        occurrences
        * (_SATURATION + 1)
        / (occurrences + _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * relative_length))
    )
