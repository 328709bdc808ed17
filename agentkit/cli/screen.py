"""Where commands show what they do: a terminal with rich, or plain lines. Neither knows what a run is."""

import re
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, Protocol, TextIO, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentkit.cli.row import COLUMNS, Row, total

Kind: TypeAlias = Literal["plain", "good", "bad", "dim"]

_NARROW = 76  # columns; below it a table would break in the middle of words
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline
_OUTCOME = len(COLUMNS) - 1
_STYLES: dict[Kind, str] = {"plain": "", "good": "green", "bad": "yellow", "dim": "dim"}


class Screen(Protocol):
    """What the jobs write to, in order."""

    def title(self, text: str) -> None:
        """A heading; the clock of the steps begins at 0 again."""
        ...

    def text(self, text: str) -> None:
        """A paragraph."""
        ...

    def step(self, text: str, kind: Kind = "plain") -> None:
        """Something that has just happened, with the seconds since the heading."""
        ...

    def table(self, rows: Sequence[Row]) -> None:
        """What the jobs took, with the sum where there is more than one."""
        ...

    def grid(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Any other table; the last column may be long."""
        ...

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Shows that something is under way while the block runs."""
        ...


class _Clock:
    """Seconds since the heading, as the steps show them."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._started:6.2f} s"


class PlainScreen:
    """Plain lines, each written when it happens: for pipes, files and logs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._clock = _Clock()

    def title(self, text: str) -> None:
        self._clock = _Clock()
        self._line(f"\n== {text}")

    def text(self, text: str) -> None:
        self._line(text)

    def step(self, text: str, kind: Kind = "plain") -> None:
        self._line(f"{self._clock}  {text}")

    def table(self, rows: Sequence[Row]) -> None:
        lines = [COLUMNS, *(row.cells() for row in _with_total(rows))]
        widths = [max(len(line[index]) for line in lines) for index in range(len(COLUMNS))]
        self._line("")
        for line in lines:
            cells = [_padded(index, cell, width) for index, (cell, width) in enumerate(zip(line, widths, strict=True))]
            self._line("  ".join(cells).rstrip())

    def grid(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [header, *rows]
        widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
        for line in lines:
            self._line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def busy(self, text: str) -> AbstractContextManager[object]:
        return nullcontext()

    def _line(self, text: str) -> None:
        print(_shown(text), file=self._out, flush=True)


class RichScreen:
    """A terminal: colours, a moving sign while something is under way, a table that fits the width."""

    def __init__(self, out: TextIO, *, width: int | None = None) -> None:
        self._console = Console(file=out, highlight=False, markup=False, emoji=False, width=width)
        self._clock = _Clock()

    def title(self, text: str) -> None:
        self._clock = _Clock()
        self._console.print()
        self._console.print(_shown(text), style="bold cyan")

    def text(self, text: str) -> None:
        self._console.print(_shown(text))

    def step(self, text: str, kind: Kind = "plain") -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, style="dim")
        line.add_column(overflow="fold")
        line.add_row(Text(str(self._clock)), Text(_shown(text), style=_STYLES[kind]))
        self._console.print(line)

    def table(self, rows: Sequence[Row]) -> None:
        self._console.print()
        if self._console.width < _NARROW:
            for row in _with_total(rows):
                self._console.print(row.sentence())
            return
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold cyan")
        for index, name in enumerate(COLUMNS):
            number = _is_number(index)
            table.add_column(
                name.replace(" ", "\n"),
                justify="right" if number else "left",
                no_wrap=index < _OUTCOME,
                overflow="fold",
            )
        for row in _with_total(rows):
            table.add_row(*row.cells(), style="bold" if row.job == "total" else "")
        self._console.print(table)

    def grid(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if self._console.width < _NARROW:
            for row in rows:
                self._console.print(Text(f"{row[0]}: " + ", ".join(map(_shown, filter(None, row[1:])))))
            return
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold cyan")
        for name in header:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(_shown, row))
        self._console.print(table)

    @contextmanager
    def busy(self, text: str) -> Generator[None, None, None]:
        with self._console.status(text, spinner="line"):
            yield


def screen_for(out: TextIO, *, plain: bool) -> Screen:
    """The screen that suits `out`: plain lines when asked for, or when it is no terminal."""
    return PlainScreen(out) if plain or not out.isatty() else RichScreen(out)


def _shown(text: str) -> str:
    """`text` without what would steer the terminal: it may come from a file or a model."""
    return _CONTROLS.sub("?", text)


def _with_total(rows: Sequence[Row]) -> list[Row]:
    return [*rows, total(list(rows))] if len(rows) > 1 else list(rows)


def _is_number(index: int) -> bool:
    return 0 < index < _OUTCOME


def _padded(index: int, cell: str, width: int) -> str:
    return cell.rjust(width) if _is_number(index) else cell.ljust(width)
