"""Tools over the CSV and text files of one folder; nothing outside of it is read."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from agentkit.tools import Tool, ToolRetry, tool

_TEXTS = frozenset({".md", ".txt", ".rst"})
_MOST_FILES = 200
_MOST_VALUES = 12  # of a column of words, to be listed
_MOST_BYTES = 200_000  # of a text


@dataclass(frozen=True, slots=True)
class Folder:
    """The files below `root`, links that lead out of it excepted."""

    root: Path

    def files(self) -> list[Path]:
        """CSV and text files, in order of name; hidden ones are left out."""
        kept: list[Path] = []
        for path in sorted(self.root.rglob("*")):
            shown = not any(part.startswith(".") for part in path.relative_to(self.root).parts)
            if shown and path.suffix.lower() in _TEXTS | {".csv"} and self._holds(path):
                kept.append(path)
        return kept[:_MOST_FILES]

    def name(self, path: Path) -> str:
        """The path as the model is told it."""
        return path.relative_to(self.root).as_posix()

    def file(self, name: str) -> Path:
        """The file of that name.

        Raises:
            ToolRetry: there is none in the folder.
        """
        path = self.root / name
        if "\0" in name or not self._holds(path):
            known = ", ".join(self.name(file) for file in self.files())
            raise ToolRetry(f"There is no file {name!r} in the folder. The files are: {known or 'none'}.")
        return path

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file.

        Raises:
            ToolRetry: it is no table.
        """
        try:
            with self.file(name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
                return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
        except csv.Error as error:
            raise ToolRetry(f"{name} cannot be read as CSV: {error}.") from error

    def _holds(self, path: Path) -> bool:
        return path.is_file() and path.resolve().is_relative_to(self.root.resolve())


def folder_tools(root: Path) -> list[Tool[..., Any]]:
    """The tools `list_files`, `read_text` and `column_total` over the files below `root`."""
    folder = Folder(root)

    @tool(effect="read", timeout=30)
    def list_files() -> list[dict[str, Any]]:
        """List the files of the folder, with the columns of each CSV file."""
        return [_described(folder, path) for path in folder.files()]

    @tool(effect="read", timeout=30)
    def read_text(path: Annotated[str, "as list_files gives it"]) -> str:
        """Read a text or Markdown file."""
        with folder.file(path).open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8-sig", errors="replace")

    @tool(effect="read", timeout=30)
    def column_total(
        path: str,
        column: Annotated[str, "the column of numbers"],
        group_by: Annotated[str | None, "the column that names the groups"] = None,
    ) -> dict[str, Any]:
        """Add up a column of numbers, such as revenue or units, of a CSV file, in groups if asked."""
        rows = folder.rows(path)
        columns = list(rows[0]) if rows else []
        for name in (column, group_by):
            if name is not None and name not in columns:
                raise ToolRetry(f"{path} has no column {name!r}. Its columns are: {', '.join(columns) or 'none'}.")
        totals: defaultdict[str, float] = defaultdict(float)
        for number, row in enumerate(rows, 2):
            value = _number(row.get(column, ""))
            if value is None:
                raise ToolRetry(f"{path} has {row.get(column)!r} in column {column!r} of line {number}: not a number.")
            totals["all" if group_by is None else row.get(group_by, "")] += value
        return {"path": path, "column": column, "totals": {name: round(total, 2) for name, total in totals.items()}}

    return [list_files, read_text, column_total]


def _described(folder: Folder, path: Path) -> dict[str, Any]:
    name = folder.name(path)
    if path.suffix.lower() != ".csv":
        return {"path": name, "title": _title(path)}
    try:
        rows = folder.rows(name)
    except ToolRetry as error:
        return {"path": name, "problem": str(error)}
    columns = list(rows[0]) if rows else []
    return {"path": name, "columns": {column: _kind(row.get(column, "") for row in rows) for column in columns}}


def _title(path: Path) -> str:
    with path.open("rb") as file:
        lines = file.read(2000).decode("utf-8-sig", errors="replace").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.strip("# ")), "")


def _kind(values: Iterable[str]) -> str | list[str]:
    """`number`, the values themselves where they are few, else `text`."""
    distinct = sorted(set(values))
    if all(_number(value) is not None for value in distinct):
        return "number"
    return distinct if len(distinct) <= _MOST_VALUES else "text"


def _number(text: str) -> float | None:
    """A number; an empty cell is 0."""
    try:
        return float(text) if text.strip() else 0.0
    except ValueError:
        return None
