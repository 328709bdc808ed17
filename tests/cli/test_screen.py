"""What the screens write, at each width."""

import io
import re

import pytest

from agentkit.cli.row import Row
from agentkit.cli.screen import PlainScreen, RichScreen, screen_for
from agentkit.usage import Usage

FILES = Row(
    job="files",
    turns=3,
    calls=4,
    usage=Usage(input_tokens=1200, output_tokens=30),
    cost=0.00125,
    retries=1,
    reasks=0,
    outcome="answered",
)
INVOICES = Row(
    job="invoices",
    turns=24,
    calls=0,
    usage=Usage(input_tokens=11_000, output_tokens=2_000),
    cost=None,
    retries=0,
    reasks=2,
    outcome="21 of 22 read; en_05_nimbus_coffee.txt refused",
)


def written(width: int | None, *rows: Row) -> str:
    """What a table looks like: on a terminal of that width, or plain."""
    out = io.StringIO()
    screen = PlainScreen(out) if width is None else RichScreen(out, width=width)
    screen.table(rows)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_plain_table_has_a_line_for_each_job_and_their_sum() -> None:
    assert written(None, FILES, INVOICES) == (
        "\n"
        "job       turns  calls  tokens in  tokens out     cost  retries  re-asks  outcome\n"
        "files         3      4      1,200          30  $0.0013        1        0  answered\n"
        "invoices     24      0     11,000       2,000  unknown        0        2  "
        "21 of 22 read; en_05_nimbus_coffee.txt refused\n"
        "total        27      4     12,200       2,030  unknown        1        2"
    )


def test_a_single_job_has_no_sum() -> None:
    assert "total" not in written(None, FILES)


def test_a_terminal_of_80_columns_gets_a_table_that_fits() -> None:
    assert written(80, FILES, INVOICES) == (
        "\n"
        "                     tokens tokens\n"
        "job      turns calls     in    out    cost retries re-asks outcome\n"
        "files        3     4  1,200     30 $0.0013       1       0 answered\n"
        "invoices    24     0 11,000  2,000 unknown       0       2 21 of 22 read;\n"
        "                                                           en_05_nimbus_coffee.\n"
        "                                                           txt refused\n"
        "total       27     4 12,200  2,030 unknown       1       2"
    )


def test_a_narrow_terminal_gets_sentences() -> None:
    text = written(40, FILES, INVOICES)
    assert max(len(line) for line in text.splitlines()) <= 40
    assert " ".join(text.split()) == (
        "files: answered (turns 3, calls 4, tokens in 1,200, tokens out 30, cost $0.0013, retries 1, re-asks 0) "
        "invoices: 21 of 22 read; en_05_nimbus_coffee.txt refused (turns 24, calls 0, tokens in 11,000, tokens out "
        "2,000, cost unknown, retries 0, re-asks 2) "
        "total: turns 27, calls 4, tokens in 12,200, tokens out 2,030, cost unknown, retries 1, re-asks 2"
    )


@pytest.mark.parametrize("width", [None, 40])
def test_steps_have_their_seconds_and_brackets_are_shown_as_they_are(width: int | None) -> None:
    out = io.StringIO()
    screen = PlainScreen(out) if width is None else RichScreen(out, width=width)
    screen.title("files: an agent")
    with screen.busy("waiting"):
        screen.step("call f(a=[1], b='[red]')", "bad")
    screen.text("[1] done")
    assert re.sub(r"\d+\.\d\d", "0.00", out.getvalue()).split() == [
        *(["=="] if width is None else []),
        *["files:", "an", "agent", "0.00", "s", "call", "f(a=[1],", "b='[red]')", "[1]", "done"],
    ]


def test_what_is_no_terminal_gets_plain_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(screen_for(io.StringIO(), plain=False), PlainScreen)
    assert isinstance(screen_for(Terminal(), plain=True), PlainScreen)
    assert isinstance(screen_for(Terminal(), plain=False), RichScreen)
