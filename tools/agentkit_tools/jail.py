"""A folder that nothing leads out of: the files below a root, by the relative paths that a model gives.

Links are never followed, not even those that stay inside: what a link points to can change between the check and the
use. Hard links cannot be told from files. Above it stand the tools (`workspace`, `textsearch`), below it `paths` (the
text of a path) and `directories` (the system calls).
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import BinaryIO, TypeVar

from agentkit import ToolRetry
from agentkit_tools.directories import Directory, open_root
from agentkit_tools.paths import addressable, path_parts

_MAX_DEPTH = 64

_Opened = TypeVar("_Opened")


class Jail:
    """The files below one folder; may be used from several threads.

    Args:
        root: The folder; may itself be reached through links, because the developer gives it.
        opener: Opens the root directory.

    Raises:
        NotADirectoryError: there is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str], *, opener: Callable[[str], Directory] = open_root) -> None:
        self._root = os.path.realpath(root)
        self._opener = opener
        if not os.path.isdir(self._root):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(root))

    def open(self, path: str) -> BinaryIO:
        """The regular file at `path`, open for reading, to be closed by the caller.

        Raises:
            ToolRetry: the path leads outside, or there is no such regular file.
        """
        *folders, name = _file_parts(path)
        return self._within(path, folders, lambda directory: directory.read(name))

    def replace(self, path: str, data: bytes) -> None:
        """Make `data` the content of the file at `path`, in one step; missing folders are created.

        Raises:
            ToolRetry: the path leads outside, or names something that is not a regular file.
        """
        *folders, name = _file_parts(path)
        self._within(path, folders, lambda directory: directory.replace(name, data), make=True)

    def files(self, path: str = "", *, most: int) -> list[str]:
        """The paths of up to `most` regular files below the folder at `path`, relative to the root, in order of name.

        Files whose names cannot be written in a path (a backslash, not UTF-8) are left out, and so are links.

        Raises:
            ToolRetry: the path leads outside, or there is no such folder.
        """
        found: list[str] = []
        parts = path_parts(path)
        self._within(path, parts, lambda directory: _collect(directory, parts, found, most))
        return found

    def _within(
        self, path: str, folders: Sequence[str], work: Callable[[Directory], _Opened], *, make: bool = False
    ) -> _Opened:
        with ExitStack() as held:
            # Outside of the translation below: that the root is gone is no mistake of the model's.
            directory = held.enter_context(self._opener(self._root))
            try:
                for folder in folders:
                    if make:
                        directory.make(folder)
                    directory = held.enter_context(directory.child(folder))
                return work(directory)
            except OSError as error:
                raise _explained(path, error) from None


def _file_parts(path: str) -> tuple[str, ...]:
    parts = path_parts(path)
    if not parts:
        raise ToolRetry("The path is empty: name a file.")
    return parts


def _collect(directory: Directory, parts: tuple[str, ...], found: list[str], most: int) -> None:
    for entry in directory.entries():
        if len(found) >= most:
            return
        if not addressable(entry.name):
            continue
        if entry.kind == "file":
            found.append("/".join((*parts, entry.name)))
        elif entry.kind == "directory" and len(parts) < _MAX_DEPTH:
            _collect_child(directory, parts, entry.name, found, most)


def _collect_child(directory: Directory, parts: tuple[str, ...], name: str, found: list[str], most: int) -> None:
    try:
        child = directory.child(name)
    except OSError:
        # Not readable, or gone since the listing: the other folders are still worth listing.
        return
    with child:
        _collect(child, (*parts, name), found, most)


# What a model can put right by another path. Anything else (a full or failing disk) is not its mistake.
_REASONS = {
    errno.ENOENT: "does not exist",
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "has a name in it that is not a folder",
    errno.ELOOP: "is a link or goes through one, and links are not followed",
    errno.ENXIO: "is not a regular file",
    errno.EACCES: "may not be accessed",
    errno.EPERM: "may not be accessed",
    errno.ENAMETOOLONG: "is too long for a file name",
    errno.EROFS: "cannot be written: the folder is read-only",
}


def _explained(path: str, error: OSError) -> Exception:
    reason = _REASONS.get(error.errno or 0)
    return error if reason is None else ToolRetry(f"{path[:200]!r} {reason}.")
