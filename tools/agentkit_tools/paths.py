"""The path that a model wrote, taken apart and refused where it could mean a place outside of a folder.

Pure text work, and the same on each system: a path that is refused on Windows for its drive is refused everywhere. What
the file system makes of the parts (links, devices) is `directories`' business.
"""

import os
import re

from agentkit import ToolRetry

_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_FORBIDDEN_ON_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]')


def path_parts(path: str, *, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """The names in a path relative to a folder; empty for the folder itself.

    Raises:
        ToolRetry: an absolute path, a drive or share, "..", a backslash, or a character that no file name has.
    """
    if "\0" in path:
        raise ToolRetry("The path has a NUL character in it.")
    if not _is_text(path):
        raise ToolRetry("The path is not valid Unicode text.")
    if path.startswith("/") or _DRIVE.match(path):
        raise ToolRetry(f"{path!r} is an absolute path: give one relative to the folder.")
    if "\\" in path:
        raise ToolRetry(f"{path!r} has a backslash: give a path relative to the folder, with / between the names.")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise ToolRetry(f"{path!r} leads upwards with '..': give a path inside the folder.")
    if windows and any(_means_something_else_on_windows(part) for part in parts):
        raise ToolRetry(f"{path!r} is not a file name on this system.")
    return parts


def addressable(name: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether a name found in a folder can be written in a path that `path_parts` takes."""
    try:
        return path_parts(name, windows=windows) == (name,)
    except ToolRetry:
        return False


def _is_text(path: str) -> bool:
    # Lone surrogates are how Python spells bytes that are not UTF-8; they cannot be sent to a model and back.
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _means_something_else_on_windows(part: str) -> bool:
    # Trailing dots and blanks are dropped there, NUL.txt is a device, and file.txt:x is another stream of the file.
    return (
        part.endswith((".", " "))
        or _RESERVED_ON_WINDOWS.fullmatch(part) is not None
        or _FORBIDDEN_ON_WINDOWS.search(part) is not None
    )
