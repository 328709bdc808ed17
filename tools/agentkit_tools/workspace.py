"""Tools over the files of one folder: list, read and, when asked for, write. `jail` keeps them inside."""

import os
from dataclasses import dataclass, field
from typing import BinaryIO

from agentkit import Tool, ToolRetry, Toolset, tool
from agentkit_tools.jail import Jail
from agentkit_tools.paths import path_parts
from agentkit_tools.patterns import matcher

_MAX_LISTED = 1000
_MAX_WALKED = 100_000
_MAX_SKIPPED = 256 * 1024 * 1024
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class FileListing:
    """Paths relative to the folder, in order, and how many more there are."""

    files: list[str] = field(default_factory=list[str])
    left_out: int = 0


def files(root: str | os.PathLike[str], *, write: bool = False, max_bytes: int = 100_000) -> Toolset:
    """Tools `list_files`, `read_file` and, with `write`, `write_file`, for the files below `root` and no others.

    Paths are relative to `root` with "/" between the names. Absolute paths, "..", links, devices and pipes are refused
    with a sentence for the model.

    Args:
        root: The folder.
        write: Whether files may be created and replaced.
        max_bytes: The most that one call reads or writes, in bytes.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    jail = Jail(root)

    @tool(effect="read", timeout=30)
    def list_files(path: str = "", pattern: str = "*") -> FileListing:
        """List the files in a folder and in the folders below it.

        Args:
            path: The folder to list, "" for all.
            pattern: Which files to list, for example "*.csv" or "reports/**/2024-*.md".
        """
        return _listing(jail, path, pattern)

    @tool(effect="read", timeout=30)
    def read_file(path: str, start_line: int = 1, max_lines: int = 1000) -> str:
        """Read a text file, or a range of its lines.

        Args:
            path: The file, as list_files names it.
            start_line: The first line to read, counted from 1.
            max_lines: The most lines to read.
        """
        if start_line < 1 or max_lines < 1:
            raise ToolRetry("start_line and max_lines must be 1 or more.")
        with jail.open(path) as file:
            return _lines(file, path, start_line, max_lines, max_bytes)

    @tool(effect="write", timeout=30)
    def write_file(path: str, content: str) -> str:
        """Create a text file or replace the whole of it; folders in the path are created.

        Args:
            path: The file, relative to the folder.
            content: The whole text of the file.
        """
        data = _encoded(content)
        if len(data) > max_bytes:
            raise ToolRetry(f"The content has {len(data)} bytes; at most {max_bytes} can be written.")
        jail.replace(path, data)
        return f"Wrote {len(data)} bytes to {path}."

    tools: list[Tool[..., object]] = [list_files, read_file]
    return Toolset([*tools, write_file] if write else tools)


def _listing(jail: Jail, path: str, pattern: str) -> FileListing:
    wanted = matcher(pattern)
    below = "".join(f"{part}/" for part in path_parts(path))
    found = [name for name in jail.files(path, most=_MAX_WALKED) if wanted(name) or wanted(name.removeprefix(below))]
    return FileListing(found[:_MAX_LISTED], max(0, len(found) - _MAX_LISTED))


def _lines(file: BinaryIO, path: str, start_line: int, max_lines: int, max_bytes: int) -> str:
    last_skipped = _skip(file, path, start_line - 1)
    taken: list[bytes] = []
    room = max_bytes
    while len(taken) < max_lines and room > 0:
        line = file.readline(room)
        if not line:
            break
        taken.append(line)
        room -= len(line)
    if not taken and start_line > 1:
        raise ToolRetry(f"{path!r} has only {last_skipped} lines.")
    more = bool(file.read(1))
    if not more:
        return _decoded(b"".join(taken), path)
    whole = sum(line.endswith(b"\n") for line in taken)
    if not whole:
        return f"{_decoded(taken[0], path)}\n[line {start_line} is longer than {max_bytes} bytes and is cut here]"
    # A line that did not fit is left out: the next call reads it in full.
    return (
        f"{_decoded(b''.join(taken[:whole]), path)}[there are more lines; go on with start_line={start_line + whole}]"
    )


def _skip(file: BinaryIO, path: str, count: int) -> int:
    """How many of the next `count` lines there were."""
    passed = 0
    skipped = 0
    ended = True
    while passed < count:
        line = file.readline(_CHUNK)
        if not line:
            break
        skipped += len(line)
        if skipped > _MAX_SKIPPED:
            raise ToolRetry(f"{path!r} is too large to read from line {count + 1}: only its first 256 MB can be read.")
        ended = line.endswith(b"\n")
        passed += ended
    return passed + (not ended)


def _decoded(data: bytes, path: str) -> str:
    if b"\0" in data:
        raise ToolRetry(f"{path!r} is not a text file.")
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def _encoded(content: str) -> bytes:
    try:
        return content.encode()
    except UnicodeEncodeError:
        raise ToolRetry("The content is not valid Unicode text.") from None
