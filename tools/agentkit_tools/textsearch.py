"""A tool that finds passages in the text files of one folder by the words of a question. Files are read at each call,
so what it finds is what they say now.
"""

import os
from dataclasses import dataclass

from agentkit import ToolRetry, Toolset, tool
from agentkit_tools.jail import Jail
from agentkit_tools.passages import Passage, passages, ranked, words
from agentkit_tools.patterns import matcher

_MAX_RESULTS = 50
_SNIFFED = 8192


def search(
    root: str | os.PathLike[str],
    *,
    pattern: str = "*",
    max_files: int = 2000,
    max_file_bytes: int = 1_000_000,
    max_total_bytes: int = 20_000_000,
) -> Toolset:
    """A tool `search(query, limit=5)` over the text files below `root`, which returns the passages that fit best.

    Binary files and links are passed over. The order is the same on each machine.

    Args:
        root: The folder.
        pattern: Which files to search, for example "*.md".
        max_files: The most files that a call reads, in order of name.
        max_file_bytes: How much of a file is searched, from its beginning.
        max_total_bytes: How much a call reads in all.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    library = _Library(Jail(root), pattern, max_files, max_file_bytes, max_total_bytes)

    @tool(name="search", effect="read", timeout=30)
    def search_files(query: str, limit: int = 5) -> list[Passage]:
        """Find the passages in the documents that fit a question best; an empty list when no word of it occurs.

        Args:
            query: The words to look for.
            limit: The most passages to return, 1 to 50.
        """
        if not 1 <= limit <= _MAX_RESULTS:
            raise ToolRetry(f"limit must be between 1 and {_MAX_RESULTS}.")
        if not any(words(query)):
            raise ToolRetry("The query has no words in it.")
        return ranked(library.passages(), query, limit)

    return Toolset([search_files])


@dataclass(frozen=True, slots=True)
class _Library:
    jail: Jail
    pattern: str
    max_files: int
    max_file_bytes: int
    max_total_bytes: int

    def passages(self) -> list[Passage]:
        found: list[Passage] = []
        room = self.max_total_bytes
        for path in self._paths():
            data = self._beginning(path, min(room, self.max_file_bytes))
            room -= len(data)
            if b"\0" not in data[:_SNIFFED]:
                found.extend(passages(path, data.decode("utf-8-sig", errors="replace")))
        return found

    def _paths(self) -> list[str]:
        wanted = matcher(self.pattern)
        return [path for path in self.jail.files(most=100_000) if wanted(path)][: self.max_files]

    def _beginning(self, path: str, size: int) -> bytes:
        try:
            with self.jail.open(path) as file:
                return file.read(size)
        except ToolRetry:
            # Gone or unreadable since the listing: no mistake of the model's, and the others can still be searched.
            return b""
