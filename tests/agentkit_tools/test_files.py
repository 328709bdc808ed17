"""The file tools: they list, read and write below one folder, and nothing gets out of it."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from agentkit import ToolRetry
from agentkit_tools import FileListing, files
from agentkit_tools.directories import CheckedDirectory, Directory, HeldDirectory, holds_descriptors
from agentkit_tools.jail import Jail
from agentkit_tools.paths import path_parts

posix = pytest.mark.skipif(not holds_descriptors(), reason="this system has no openat")
OPENERS = [
    pytest.param(HeldDirectory.root, id="descriptor", marks=posix),
    pytest.param(CheckedDirectory.root, id="path"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, beside a secret."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "reports" / "2024").mkdir(parents=True)
    (root / "a.txt").write_text("one\ntwo\nthree\n")
    (root / "sales.csv").write_text("region,total\nnorth,1\n")
    (root / "reports" / "q1.md").write_text("# Q1\n")
    (root / "reports" / "2024" / "q2.md").write_text("# Q2\n")
    return root


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("", "*", ["a.txt", "reports/2024/q2.md", "reports/q1.md", "sales.csv"]),
        (".", "*", ["a.txt", "reports/2024/q2.md", "reports/q1.md", "sales.csv"]),
        ("", "*.md", ["reports/2024/q2.md", "reports/q1.md"]),
        ("", "reports/*.md", ["reports/q1.md"]),
        ("", "reports/**/*.md", ["reports/2024/q2.md", "reports/q1.md"]),
        ("", "**/q?.md", ["reports/2024/q2.md", "reports/q1.md"]),
        ("", "**/2024/**", ["reports/2024/q2.md"]),
        ("", "*.pdf", []),
        ("reports", "*", ["reports/2024/q2.md", "reports/q1.md"]),
        ("reports/", "2024/*", ["reports/2024/q2.md"]),
        ("./reports//2024", "*.md", ["reports/2024/q2.md"]),
    ],
)
def test_list_files_names_what_fits_in_order(
    root: Path, named: Any, path: str, pattern: str, expected: list[str]
) -> None:
    assert named(files(root), "list_files")(path, pattern) == FileListing(expected)


def test_list_files_says_how_many_it_left_out(tmp_path: Path, named: Any) -> None:
    for number in range(1003):
        (tmp_path / f"{number:04}.txt").touch()
    listing = named(files(tmp_path), "list_files")()
    assert (listing.files[-1], len(listing.files), listing.left_out) == ("0999.txt", 1000, 3)


@posix
def test_a_folder_that_cannot_be_opened_does_not_hide_the_others(
    root: Path, monkeypatch: pytest.MonkeyPatch, named: Any
) -> None:
    real_open = os.open

    def refusing_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "2024":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    list_files = named(files(root), "list_files")
    monkeypatch.setattr(os, "open", refusing_open)
    monkeypatch.setattr(os, "supports_dir_fd", os.supports_dir_fd | {refusing_open})
    assert list_files() == FileListing(["a.txt", "reports/q1.md", "sales.csv"])
    with pytest.raises(ToolRetry, match=r"^'reports/2024' may not be accessed.$"):
        list_files("reports/2024")


def test_a_listing_stops_at_the_number_asked_for(root: Path) -> None:
    assert Jail(root).files(most=2) == ["a.txt", "reports/2024/q2.md"]


def test_a_pattern_with_many_stars_is_quick_and_an_overlong_one_is_refused(tmp_path: Path, named: Any) -> None:
    deep = tmp_path.joinpath(*["a"] * 30)
    deep.mkdir(parents=True)
    (deep / "a.txt").touch()
    list_files = named(files(tmp_path), "list_files")
    assert list_files("", "**/a/" * 25 + "b") == FileListing([])
    with pytest.raises(ToolRetry, match=r"^The pattern is longer than 200 characters.$"):
        list_files("", "*" * 201)


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        (b"one\ntwo\nthree\n", {}, "one\ntwo\nthree\n"),
        (b"one\r\ntwo\r\n", {}, "one\ntwo\n"),
        (b"\xef\xbb\xbfone", {}, "one"),
        (b"", {}, ""),
        (b"caf\xe9", {}, "caf�"),
        (b"one\ntwo\nthree\n", {"start_line": 2}, "two\nthree\n"),
        (
            b"one\ntwo\nthree\n",
            {"start_line": 2, "max_lines": 1},
            "two\n[there are more lines; go on with start_line=3]",
        ),
        (b"one\ntwo\nthree", {"start_line": 3}, "three"),
        (b"one\ntwo\nthree", {"max_lines": 3}, "one\ntwo\nthree"),
        (b"0123456789\n" * 3, {}, "0123456789\n[there are more lines; go on with start_line=2]"),
        (b"x" * 30, {}, "x" * 20 + "\n[line 1 is longer than 20 bytes and is cut here]"),
        (b"x" * 20, {}, "x" * 20),
    ],
)
def test_read_file_gives_the_lines_and_says_where_to_go_on(
    tmp_path: Path, named: Any, content: bytes, arguments: dict[str, int], expected: str
) -> None:
    (tmp_path / "f.txt").write_bytes(content)
    assert named(files(tmp_path, max_bytes=20), "read_file")("f.txt", **arguments) == expected


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (b"a\0b", {}, "'f.txt' is not a text file."),
        (b"one\ntwo", {"start_line": 3}, "'f.txt' has only 2 lines."),
        (b"one\ntwo\n", {"start_line": 9}, "'f.txt' has only 2 lines."),
        (b"one", {"start_line": 0}, "start_line and max_lines must be 1 or more."),
        (b"one", {"max_lines": -1}, "start_line and max_lines must be 1 or more."),
    ],
)
def test_read_file_says_what_is_wrong(
    tmp_path: Path, named: Any, content: bytes, arguments: dict[str, int], sentence: str
) -> None:
    (tmp_path / "f.txt").write_bytes(content)
    with pytest.raises(ToolRetry) as refusal:
        named(files(tmp_path), "read_file")("f.txt", **arguments)
    assert str(refusal.value) == sentence


def test_lines_far_into_an_endless_file_are_refused(tmp_path: Path, named: Any) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    with pytest.raises(ToolRetry, match="only its first 256 MB can be read"):
        named(files(tmp_path), "read_file")("sparse", start_line=2)


OUTSIDE = [
    ("../secret.txt", "'../secret.txt' leads upwards with '..': give a path inside the folder."),
    ("reports/../../secret.txt", "'reports/../../secret.txt' leads upwards with '..': give a path inside the folder."),
    ("reports/..", "'reports/..' leads upwards with '..': give a path inside the folder."),
    ("/etc/passwd", "'/etc/passwd' is an absolute path: give one relative to the folder."),
    ("//server/share/x", "'//server/share/x' is an absolute path: give one relative to the folder."),
    ("C:/Windows/x", "'C:/Windows/x' is an absolute path: give one relative to the folder."),
    ("C:x", "'C:x' is an absolute path: give one relative to the folder."),
    (
        "\\\\server\\share",
        "'\\\\\\\\server\\\\share' has a backslash: give a path relative to the folder, with / between the names.",
    ),
    (
        "..\\secret.txt",
        "'..\\\\secret.txt' has a backslash: give a path relative to the folder, with / between the names.",
    ),
    ("a.txt\0.png", "The path has a NUL character in it."),
    ("caf\udce9.txt", "The path is not valid Unicode text."),
    ("", "The path is empty: name a file."),
    ("./", "The path is empty: name a file."),
    ("missing.txt", "'missing.txt' does not exist."),
    ("reports", "'reports' is a folder, not a file."),
    ("a.txt/x", "'a.txt/x' has a name in it that is not a folder."),
    ("x" * 300, f"{'x' * 200!r} is too long for a file name."),
]


@pytest.mark.parametrize(("path", "sentence"), OUTSIDE)
@pytest.mark.parametrize("opener", OPENERS)
def test_a_path_that_is_no_file_inside_is_refused_with_a_sentence(
    root: Path, opener: Callable[[str], Directory], path: str, sentence: str
) -> None:
    with pytest.raises(ToolRetry) as refusal:
        Jail(root, opener=opener).open(path)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "path", ["con", "NUL.txt", "reports/com1", "a.txt:stream", "a.txt.", "a.txt ", "a?.txt", "LPT¹.log", "a\x01b"]
)
def test_names_with_another_meaning_on_windows_are_refused_there(path: str) -> None:
    assert path_parts(path, windows=False) == tuple(path.split("/"))
    with pytest.raises(ToolRetry, match="is not a file name on this system"):
        path_parts(path, windows=True)


LINKS: list[tuple[str, str, str]] = [
    ("leak.txt", "../secret.txt", "leak.txt"),
    ("leak.txt", "a.txt", "leak.txt"),
    ("leak", "../outside", "leak/secret.txt"),
    ("leak", "reports", "leak/q1.md"),
    ("reports/up", "..", "reports/up/a.txt"),
    ("leak.txt", "/etc/passwd", "leak.txt"),
    ("loop", "loop", "loop"),
    ("dangling", "../nothing", "dangling"),
]


@pytest.mark.parametrize(("link", "target", "path"), LINKS)
@pytest.mark.parametrize("opener", OPENERS)
def test_a_link_is_neither_listed_nor_read_nor_written(
    root: Path, opener: Callable[[str], Directory], link: str, target: str, path: str
) -> None:
    _link(root / link, target)
    jail = Jail(root, opener=opener)
    before = sorted(jail.files(most=100))
    sentence = f"^{path!r} is a link or goes through one, and links are not followed.$"
    with pytest.raises(ToolRetry, match=sentence):
        jail.open(path)
    with pytest.raises(ToolRetry, match=sentence):
        jail.replace(path, b"overwritten")
    assert before == ["a.txt", "reports/2024/q2.md", "reports/q1.md", "sales.csv"]
    assert (root.parent / "secret.txt").read_text() == "secret"
    assert (root / "a.txt").read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize("opener", OPENERS)
def test_a_root_that_is_itself_a_link_works(root: Path, opener: Callable[[str], Directory]) -> None:
    _link(root.parent / "alias", "root")
    with Jail(root.parent / "alias", opener=opener).open("a.txt") as file:
        assert file.read() == b"one\ntwo\nthree\n"


@posix
@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("victim", ["a.txt", "reports"])
def test_a_link_swapped_in_between_check_and_use_gives_nothing_away(
    root: Path, monkeypatch: pytest.MonkeyPatch, opener: Callable[[str], Directory], victim: str
) -> None:
    real_open = os.open
    swapped: list[str] = []

    def swapping_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.path.basename(str(path)) in (victim, "q1.md") and not swapped:
            swapped.append(victim)
            (root / victim).rename(root / "moved")
            _link(root / victim, "../secret.txt" if victim == "a.txt" else "../outside")
            (root.parent / "outside" / "q1.md").write_text("secret")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    jail = Jail(root, opener=opener)
    monkeypatch.setattr(os, "open", swapping_open)
    path = "a.txt" if victim == "a.txt" else "reports/q1.md"
    assert _read_or_refused(jail, path) != b"secret"
    assert swapped == [victim]


@posix
@pytest.mark.parametrize("opener", OPENERS)
def test_a_folder_swapped_for_a_link_while_it_is_walked_gives_nothing_away(
    root: Path, opener: Callable[[str], Directory]
) -> None:
    (root.parent / "outside" / "q1.md").write_text("secret")
    with opener(str(root)) as top, top.child("reports") as reports:
        (root / "reports").rename(root / "moved")
        _link(root / "reports", "../outside")
        # Either the folder that was reached, wherever it is now, or nothing.
        assert _content_or_error(reports, "q1.md") in (b"# Q1\n", errno.ELOOP)


@pytest.mark.parametrize("target", ["../secret.txt", "sales.csv"])
def test_where_links_are_always_followed_what_was_opened_is_compared_with_what_was_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    real_open = os.open

    def swapping_open(path: Any, flags: int, mode: int = 0o777) -> int:
        os.replace(path, root / "moved")
        _link(root / "a.txt", target)
        return real_open(path, flags & ~getattr(os, "O_NOFOLLOW", 0), mode)

    jail = Jail(root, opener=CheckedDirectory.root)
    monkeypatch.setattr(os, "open", swapping_open)
    with pytest.raises(ToolRetry, match=r"^'a.txt' is a link or goes through one, and links are not followed.$"):
        jail.open("a.txt")


@posix
@pytest.mark.parametrize("opener", OPENERS)
def test_what_is_not_a_file_is_never_even_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch, opener: Callable[[str], Directory]
) -> None:
    os.mkfifo(root / "pipe")
    opened: list[str] = []
    real_open = os.open

    def recording_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(os.path.basename(str(path)))
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", recording_open)
    with pytest.raises(ToolRetry, match=r"^'pipe' is not a regular file.$"):
        Jail(root, opener=opener).open("pipe")
    assert "pipe" not in opened


@posix
@pytest.mark.parametrize("opener", OPENERS)
def test_devices_pipes_and_sockets_are_refused_without_hanging(root: Path, opener: Callable[[str], Directory]) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.getcwd()
        os.chdir(root)  # the path of a socket may have about 100 characters only
        try:
            unix.bind("socket")
        finally:
            os.chdir(here)
        jail = Jail(root, opener=opener)
        for name in ("pipe", "socket"):
            with pytest.raises(ToolRetry, match=f"^'{name}' is not a regular file.$"):
                jail.open(name)
            with pytest.raises(ToolRetry, match=f"^'{name}' is not a regular file.$"):
                jail.replace(name, b"")
        assert jail.files(most=100) == ["a.txt", "reports/2024/q2.md", "reports/q1.md", "sales.csv"]


@posix
@pytest.mark.parametrize("opener", OPENERS)
def test_a_pipe_swapped_in_does_not_hang_the_open(
    root: Path, monkeypatch: pytest.MonkeyPatch, opener: Callable[[str], Directory]
) -> None:
    real_open = os.open

    def swapping_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.path.basename(str(path)) == "a.txt":
            (root / "a.txt").unlink()
            os.mkfifo(root / "a.txt")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    jail = Jail(root, opener=opener)
    monkeypatch.setattr(os, "open", swapping_open)
    with pytest.raises(ToolRetry, match=r"^'a.txt' is not a regular file.$"):
        jail.open("a.txt")


@posix
def test_names_that_cannot_be_written_in_a_path_are_left_out_of_listings(root: Path, named: Any) -> None:
    try:
        with open(os.fsencode(root) + b"/caf\xe9.txt", "wb"):
            pass
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (root / "back\\slash.txt").touch()
    assert named(files(root), "list_files")("", "*.txt") == FileListing(["a.txt"])


@pytest.mark.parametrize("opener", OPENERS)
def test_replace_creates_folders_and_leaves_nothing_else_behind(root: Path, opener: Callable[[str], Directory]) -> None:
    jail = Jail(root, opener=opener)
    jail.replace("notes/2025/new.txt", b"first")
    jail.replace("notes/2025/new.txt", b"second")
    assert (root / "notes" / "2025" / "new.txt").read_bytes() == b"second"
    assert os.listdir(root / "notes" / "2025") == ["new.txt"]
    with pytest.raises(ToolRetry, match=r"^'notes' is a folder, not a file.$"):
        jail.replace("notes", b"")


@pytest.mark.parametrize("opener", OPENERS)
def test_a_failed_write_keeps_the_old_file_and_is_raised_as_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch, opener: Callable[[str], Directory]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    jail = Jail(root, opener=opener)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        jail.replace("a.txt", b"new")
    assert sorted(os.listdir(root)) == ["a.txt", "reports", "sales.csv"]
    assert (root / "a.txt").read_text() == "one\ntwo\nthree\n"


@posix
def test_a_replaced_file_keeps_its_permissions(root: Path, named: Any) -> None:
    (root / "a.txt").chmod(0o640)
    assert named(files(root, write=True), "write_file")("a.txt", "näw") == "Wrote 4 bytes to a.txt."
    assert ((root / "a.txt").read_text(encoding="utf-8"), (root / "a.txt").stat().st_mode & 0o777) == ("näw", 0o640)


def test_what_is_too_large_or_not_text_is_not_written(root: Path, named: Any) -> None:
    write_file = named(files(root, write=True, max_bytes=3), "write_file")
    with pytest.raises(ToolRetry, match=r"^The content has 4 bytes; at most 3 can be written.$"):
        write_file("b.txt", "abcd")
    with pytest.raises(ToolRetry, match=r"^The content is not valid Unicode text.$"):
        write_file("b.txt", "\ud800")
    assert not (root / "b.txt").exists()


def test_writing_is_there_only_when_asked_for(root: Path) -> None:
    assert [tool.name for tool in files(root).tools] == ["list_files", "read_file"]
    assert [tool.name for tool in files(root, write=True).tools] == ["list_files", "read_file", "write_file"]


def test_a_root_that_is_no_folder_is_refused_when_configured(root: Path) -> None:
    for wrong in (root / "missing", root / "a.txt"):
        with pytest.raises(NotADirectoryError):
            files(wrong)


def _read_or_refused(jail: Jail, path: str) -> bytes | None:
    try:
        file: BinaryIO = jail.open(path)
    except ToolRetry:
        return None
    with file:
        return file.read()


def _content_or_error(directory: Directory, name: str) -> bytes | int | None:
    try:
        with directory.read(name) as file:
            return file.read()
    except OSError as error:
        return error.errno


def _link(link: Path, target: str) -> None:
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this user may not make links")
