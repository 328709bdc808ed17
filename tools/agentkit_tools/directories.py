"""Directories that are walked without ever following a link: the ground that `jail` stands on.

`HeldDirectory` keeps a descriptor of the directory it has reached and opens each next name relative to it (openat with
O_NOFOLLOW), so that nothing that is swapped in meanwhile can lead elsewhere. `CheckedDirectory` is for systems without
that (Windows): it works with paths and checks after opening that the file it holds is the one it looked at and still
lies inside the root. Both know nothing of what a model asks.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, Self

_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
# O_NONBLOCK: a FIFO that takes a file's place after it was looked at must not hang the open.
_READ = (
    os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | getattr(os, "O_BINARY", 0)
_DIRECTORY = os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory; links, devices, sockets and pipes are "other"."""

    name: str
    kind: Literal["file", "directory", "other"]


class Directory(Protocol):
    """An open directory below a root. Every method raises `OSError` where a name is a link or of another kind."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def child(self, name: str) -> "Directory":
        """The directory of that name, to be closed by the caller."""
        ...

    def entries(self) -> list[Entry]:
        """What the directory holds, by name."""
        ...

    def read(self, name: str) -> BinaryIO:
        """The regular file of that name, open for reading."""
        ...

    def make(self, name: str) -> None:
        """Create a directory of that name unless there is one."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write the file in full under another name, then rename it: readers see the old file or the new one."""
        ...


class HeldDirectory:
    """A directory by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def root(cls, path: str) -> Self:
        return cls(os.open(path, _DIRECTORY & ~_NO_FOLLOW))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def child(self, name: str) -> "HeldDirectory":
        try:
            return HeldDirectory(os.open(name, _DIRECTORY, dir_fd=self._descriptor))
        except NotADirectoryError:
            # Some systems say this of a link, too.
            if stat.S_ISLNK(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode):
                raise _link(name) from None
            raise

    def entries(self) -> list[Entry]:
        return _entries(self._descriptor)

    def read(self, name: str) -> BinaryIO:
        # Looked at first, because opening a device may already do something, and again once it is open.
        _require_file(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
        return _opened_file(os.open(name, _READ, dir_fd=self._descriptor), _require_file)

    def make(self, name: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self._descriptor)

    def replace(self, name: str, data: bytes) -> None:
        mode = self._mode(name)
        temporary = _temporary_name()
        descriptor = os.open(temporary, _CREATE, 0o666, dir_fd=self._descriptor)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if mode is not None:
                    os.fchmod(descriptor, mode)
                _write_through(file, data)
            os.replace(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self._descriptor)
            raise
        os.fsync(self._descriptor)

    def _mode(self, name: str) -> int | None:
        try:
            present = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        _require_file(present)
        return stat.S_IMODE(present.st_mode)


class CheckedDirectory:
    """A directory by its path; what is opened is compared with what was looked at."""

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._path = path

    @classmethod
    def root(cls, path: str) -> Self:
        os.stat(path)
        return cls(path, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def child(self, name: str) -> "CheckedDirectory":
        path = os.path.join(self._path, name)
        if not stat.S_ISDIR(_looked_at(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        self._require_inside(path)
        return CheckedDirectory(self._root, path)

    def entries(self) -> list[Entry]:
        self._require_inside(self._path)
        return _entries(self._path)

    def read(self, name: str) -> BinaryIO:
        path = os.path.join(self._path, name)
        seen = _looked_at(path)
        _require_file(seen)

        def check(opened: os.stat_result) -> None:
            _require_file(opened)
            self._require_inside(path)
            if not os.path.samestat(opened, seen) or not os.path.samestat(opened, os.stat(os.path.realpath(path))):
                raise _link(name)

        return _opened_file(os.open(path, _READ), check)

    def make(self, name: str) -> None:
        self._require_inside(self._path)
        with suppress(FileExistsError):
            os.mkdir(os.path.join(self._path, name))

    def replace(self, name: str, data: bytes) -> None:
        target = os.path.join(self._path, name)
        with suppress(FileNotFoundError):
            _require_file(_looked_at(target))
        self._require_inside(self._path)
        temporary = os.path.join(self._path, _temporary_name())
        try:
            with os.fdopen(os.open(temporary, _CREATE, 0o666), "wb") as file:
                self._require_inside(temporary)
                _write_through(file, data)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _require_inside(self, path: str) -> None:
        real = os.path.normcase(os.path.realpath(path))
        root = os.path.normcase(os.path.realpath(self._root))
        if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
            raise _link(os.path.basename(path))


def open_root(path: str) -> Directory:
    """The directory at an absolute path, which the developer chose and which may itself be a link."""
    return HeldDirectory.root(path) if holds_descriptors() else CheckedDirectory.root(path)


def holds_descriptors() -> bool:
    """Whether this system opens names relative to a descriptor without following links."""
    return (
        bool(_NO_FOLLOW)
        and {os.open, os.stat, os.mkdir, os.unlink} <= os.supports_dir_fd
        and os.scandir in os.supports_fd
    )


def _entries(directory: int | str) -> list[Entry]:
    with os.scandir(directory) as found:
        return sorted((Entry(entry.name, _kind(entry)) for entry in found), key=lambda entry: entry.name)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "directory", "other"]:
    if entry.is_symlink() or (os.name == "nt" and _is_reparse_point(entry.stat(follow_symlinks=False))):
        return "other"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _looked_at(path: str) -> os.stat_result:
    seen = os.lstat(path)
    if stat.S_ISLNK(seen.st_mode) or _is_reparse_point(seen):
        raise _link(os.path.basename(path))
    return seen


def _is_reparse_point(seen: os.stat_result) -> bool:
    # A junction on Windows is a link that `is_symlink` does not name.
    attributes: int = getattr(seen, "st_file_attributes", 0)
    return bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _require_file(seen: os.stat_result) -> None:
    if stat.S_ISLNK(seen.st_mode):
        raise _link("")
    if stat.S_ISDIR(seen.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(seen.st_mode):
        raise OSError(errno.ENXIO, "not a regular file")


def _opened_file(descriptor: int, check: Callable[[os.stat_result], None]) -> BinaryIO:
    try:
        check(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _link(name: str) -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)


def _write_through(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _temporary_name() -> str:
    return f".{secrets.token_hex(8)}.tmp"
