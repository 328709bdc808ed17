"""A tool that finds the passages of a folder of documents that share the rarest words with a question."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from agentkit.cli.folder import Folder
from agentkit.tools import Tool, tool

_WORD = re.compile(r"\w{3,}")
_STEM = 6  # letters by which words are compared, so that endings do not matter
_HEADING_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class _Line:
    file: str
    line: int
    text: str
    heading: str


def handbook_tools(root: Path) -> list[Tool[..., Any]]:
    """The tool `search_handbook` over the text files below `root`, which are read anew at each call."""
    folder = Folder(root)

    @tool(effect="read", timeout=30)
    def search_handbook(query: Annotated[str, "words to look for"], limit: int = 5) -> list[dict[str, Any]]:
        """Search the company handbook for passages."""
        return [
            {"file": line.file, "line": line.line, "text": line.text}
            for line in _ranked(list(_lines(folder)), query)[: max(1, limit)]
        ]

    return [search_handbook]


def _lines(folder: Folder) -> Iterator[_Line]:
    for path in folder.files():
        if path.suffix.lower() == ".csv":
            continue
        heading = ""
        for number, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
            if text.startswith("#"):
                heading = text.lstrip("# ")
            elif text.strip():
                yield _Line(folder.name(path), number, text.strip(), heading)


def _ranked(lines: list[_Line], query: str) -> list[_Line]:
    """Those that share a word with the query, the best first; equals stay in order of file and line."""
    spread = Counter(stem for line in lines for stem in _stems(line.text) | _stems(line.heading))
    asked = {stem: math.log(1 + len(lines) / spread[stem]) for stem in _stems(query) if spread[stem]}

    def score(line: _Line) -> float:
        text, heading = _stems(line.text), _stems(line.heading)
        own = sum(weight for stem, weight in asked.items() if stem in text)
        return own + _HEADING_WEIGHT * sum(weight for stem, weight in asked.items() if stem in heading - text)

    scored = [(score(line), line) for line in lines]
    return [line for points, line in sorted(scored, key=lambda pair: -pair[0]) if points > 0]


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.casefold())}
