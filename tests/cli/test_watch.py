"""The line that each event of a run becomes."""

import io
import re

import pytest

from agentkit import RateLimited
from agentkit.cli.screen import PlainScreen
from agentkit.cli.watch import show
from agentkit.events import AttemptDiscarded, Event, OutputRejected, TextDelta, ToolFinished, ToolStarted, TurnFinished
from agentkit.messages import ToolCall, ToolMessage
from agentkit.usage import Usage

CALL = ToolCall("1", "add", {"a": 1, "b": ["x"]}, '{"a":1,"b":["x"]}')
BROKEN = ToolCall("1", "add", None, '{"a":\n1', "not JSON")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ToolStarted(CALL), "call add(a=1, b=['x'])"),
        (ToolStarted(BROKEN), 'call add({"a": 1)'),
        (ToolFinished(CALL, ToolMessage("1", "add", "a\nb"), "ok", None, 0.25), "add ok in 0.250 s: a b"),
        (
            ToolFinished(CALL, ToolMessage("1", "add", "failed"), "error", ValueError("no"), 0.25),
            "add error in 0.250 s: ValueError: no",
        ),
        (ToolFinished(CALL, ToolMessage("1", "add", "x" * 500), "ok", None, 1), f"add ok in 1.000 s: {'x' * 157}..."),
        (
            AttemptDiscarded(RateLimited("too fast for sk-0123456789"), Usage(), None, 1, 3, 1.04),
            "retry 1 of 3 in 1.0 s: too fast for [key]",
        ),
        (OutputRejected(("total: missing", "date: missing"), 2), "re-ask 2: total: missing; date: missing"),
        (
            TurnFinished(1, "stop", Usage(input_tokens=1234, output_tokens=5)),
            "turn 1 ended with stop: 1,234 tokens in, 5 out",
        ),
        (TextDelta("a"), None),
    ],
)
def test_an_event_is_one_line_or_none(event: Event, line: str | None) -> None:
    out = io.StringIO()
    show(event, PlainScreen(out))
    assert [re.sub(r"^ *\d+\.\d\d s  ", "", shown) for shown in out.getvalue().splitlines()] == [line] * (
        line is not None
    )


def test_text_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    PlainScreen(out).text("a\x1b[31mred\x07\x9b2J\tb\nc")
    assert out.getvalue() == "a?[31mred??2J\tb\nc\n"
