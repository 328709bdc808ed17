"""Tools that let a model ask questions of an SQLite file and change nothing.

Three independent bars: the file is opened with `mode=ro`; an authorizer lets through only reading and a list of
functions, whatever the text of the query looks like; and time, rows and characters are bounded. Each call has a
connection of its own, so nothing is carried from one call to the next.
"""

import contextlib
import math
import os
import sqlite3
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from agentkit import ToolRetry, Toolset, tool

Cell: TypeAlias = str | int | float | None

_MAX_VALUE_BYTES = 10_000_000
_STEPS_BETWEEN_CLOCK_LOOKS = 1000

# Only functions that compute. What reads files, loads code or makes blobs of any size is not among them.
# fmt: off
_FUNCTIONS = frozenset({
    "->", "->>", "abs", "acos", "asin", "atan", "atan2", "avg", "bm25", "ceil", "ceiling", "char", "coalesce", "concat",
    "concat_ws", "cos", "count", "cume_dist", "date", "datetime", "degrees", "dense_rank", "exp", "first_value",
    "floor", "format", "glob", "group_concat", "hex", "highlight", "if", "ifnull", "iif", "instr", "json", "json_array",
    "json_array_length", "json_extract", "json_group_array", "json_group_object", "json_object", "json_quote",
    "json_type", "json_valid", "julianday", "lag", "last_value", "lead", "length", "like", "likelihood", "likely", "ln",
    "log", "log10", "log2", "lower", "ltrim", "match", "max", "min", "mod", "nth_value", "ntile", "nullif",
    "octet_length", "percent_rank", "pi", "pow", "power", "printf", "quote", "radians", "random", "rank", "regexp",
    "replace", "round", "row_number", "rtrim", "sign", "sin", "snippet", "sqrt", "strftime", "string_agg", "substr",
    "substring", "sum", "tan", "time", "timediff", "total", "trim", "trunc", "typeof", "unicode", "unixepoch",
    "unlikely", "upper",
})
# fmt: on
_READ_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a query.

    Attributes:
        columns: The names of the columns.
        rows: A list of cells for each row; binary cells are described, long texts are cut.
        complete: False where there were more rows than were handed out.
    """

    columns: list[str]
    rows: list[list[Cell]]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its declared type ("" where none is), whether it is part of the primary key, and "table.column" where
    it refers to one.
    """

    name: str
    type: str = ""
    key: bool = False
    refers_to: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view with its columns in order."""

    name: str
    kind: Literal["table", "view"]
    columns: list[Column]


def sql(
    path: str | os.PathLike[str],
    *,
    max_rows: int = 200,
    max_cell: int = 2000,
    max_characters: int = 100_000,
    timeout: float = 5,
) -> Toolset:
    """Tools `sql_schema` and `sql_query` over one SQLite file, which is never changed.

    Args:
        path: The database file.
        max_rows: The most rows that a query hands out.
        max_cell: The most characters of one cell.
        max_characters: The most characters of all cells.
        timeout: The most time that a query may take, in seconds; also how long to wait for a writer.

    Raises:
        FileNotFoundError: there is no such file.
    """
    database = _Database(Path(path).resolve(strict=True), max_rows, max_cell, max_characters, timeout)

    @tool(effect="read", timeout=timeout + 10)
    def sql_schema() -> list[Table]:
        """List the tables and views of the database with their columns."""
        return database.tables()

    @tool(effect="read", timeout=timeout + 10)
    def sql_query(query: str) -> Rows:
        """Run one SELECT query in SQLite's dialect and return its rows. Nothing can be changed.

        Args:
            query: The query, one statement.
        """
        return database.rows(query)

    return Toolset([sql_schema, sql_query])


@dataclass(frozen=True, slots=True)
class _Database:
    path: Path
    max_rows: int
    max_cell: int
    max_characters: int
    timeout: float

    def rows(self, query: str) -> Rows:
        with self._connection() as connection:
            _open_virtual_tables(connection)
            connection.set_authorizer(_authorize)
            try:
                cursor = connection.execute(query)
                if cursor.description is None:
                    raise ToolRetry("The query returns no rows: only a SELECT is possible.")
                rows, complete = self._taken(cursor)
            except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
                raise _explained(error, self.timeout) from None
            return Rows([str(column[0]) for column in cursor.description], rows, complete)

    def tables(self) -> list[Table]:
        with self._connection() as connection:
            named = connection.execute(
                "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
            ).fetchall()
            return [
                Table(name, kind, _columns(connection, name))
                for name, kind in named
                if not name.startswith("sqlite_")  # SQLite's own
            ]

    @contextlib.contextmanager
    def _connection(self) -> Generator[sqlite3.Connection, None, None]:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=ro", uri=True, timeout=self.timeout, isolation_level=None
        )
        with contextlib.closing(connection):
            deadline = time.monotonic() + self.timeout
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CLOCK_LOOKS)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            # The clock is not looked at within one comparison, so a pattern must not be able to take long.
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
            connection.text_factory = _text
            # A view in the file must not reach functions with effects; a broken file is found out here, as the
            # developer's problem.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection

    def _taken(self, cursor: sqlite3.Cursor) -> tuple[list[list[Cell]], bool]:
        taken: list[list[Cell]] = []
        room = self.max_characters
        for row in cursor:
            cells = [self._cell(value) for value in row]
            room -= sum(len(str(cell)) for cell in cells)
            if len(taken) >= self.max_rows or room < 0:
                return taken, False
            taken.append(cells)
        return taken, True

    def _cell(self, value: str | bytes | float | None) -> Cell:
        if isinstance(value, bytes):
            return f"({len(value)} bytes)"
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)  # JSON has no infinity
        if isinstance(value, str) and len(value) > self.max_cell:
            return f"{value[: self.max_cell]}... (cut, {len(value)} characters)"
        return value


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action == sqlite3.SQLITE_READ:
        # pragma_... tables run a PRAGMA when they are read.
        allowed = not (first or "").lower().startswith("pragma_")
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() in _FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        # Full-text tables ask for this counter before each search.
        allowed = first == "data_version" and second is None
    else:
        allowed = action in _READ_ACTIONS
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _open_virtual_tables(connection: sqlite3.Connection) -> None:
    # Opening one declares its columns, which the authorizer sees as a change of the schema: so it happens before the
    # authorizer is there.
    named = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    for name in ("json_each", "json_tree", *(row[0] for row in named)):
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute(f"SELECT 1 FROM {_quoted(name)} LIMIT 0")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _columns(connection: sqlite3.Connection, table: str) -> list[Column]:
    try:
        described = connection.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) ORDER BY cid", (table,)
        ).fetchall()
        references = connection.execute(
            'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (table,)
        ).fetchall()
    except sqlite3.OperationalError:
        return []  # a view over a table that is gone, or a virtual table whose module is not there
    targets = {column: f"{other}.{target}" if target else other for column, other, target in references}
    return [Column(name, declared, bool(key), targets.get(name)) for name, declared, key in described]


def _explained(error: Exception, timeout: float) -> ToolRetry:
    text = str(error)
    if text == "interrupted":
        return ToolRetry(f"The query took longer than {timeout:g} s and was stopped: ask for less.")
    if "not authorized" in text or "prohibited" in text:
        return ToolRetry(f"Only reading is possible, with functions that compute: {text}.")
    return ToolRetry(f"SQLite refused the query: {text.rstrip('.')}.")


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
