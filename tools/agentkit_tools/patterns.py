"""Which paths a file name pattern takes: * and ? within a name, ** for any number of folders."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from agentkit import ToolRetry

_MAX_LENGTH = 200


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of relative paths: a pattern without "/" is held against the name in any folder, one with "/" against the
    whole path.

    Raises:
        ToolRetry: a pattern longer than 200 characters.
    """
    if len(pattern) > _MAX_LENGTH:
        raise ToolRetry(f"The pattern is longer than {_MAX_LENGTH} characters.")
    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    if "/" not in pattern:
        wanted = ["**", *wanted]
    return lambda path: _matches(wanted, path.split("/"))


def _matches(wanted: list[str], names: list[str]) -> bool:
    # reached[i]: the first i names are taken by the patterns so far. A table, because backtracking over many ** takes
    # for ever.
    reached = [True] + [False] * len(names)
    for part in wanted:
        if part == "**":
            first = reached.index(True) if True in reached else len(reached)
            reached = [index >= first for index in range(len(reached))]
        else:
            reached = [False] + [
                before and fnmatchcase(name, part) for before, name in zip(reached, names, strict=False)
            ]
    return reached[-1]
