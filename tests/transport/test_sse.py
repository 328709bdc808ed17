"""Server-sent events: the cases of the specification, of real gateways, and every cut."""

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import MalformedResponse
from agentkit.transport import ServerSentEvent, ServerSentEvents


def events(*pieces: bytes) -> list[ServerSentEvent]:
    parser = ServerSentEvents()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return [*found, *parser.close()]


def data(*texts: bytes) -> list[ServerSentEvent]:
    return [ServerSentEvent("", text) for text in texts]


def one_by_one(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


SPEC = [
    pytest.param(b"data: YHOO\ndata: +2\ndata: 10\n\n", data(b"YHOO\n+2\n10"), id="data lines are joined with LF"),
    pytest.param(
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        data(b"first event", b"second event", b" third event"),
        id="comments and ids are skipped and one blank after the colon is taken off",
    ),
    pytest.param(b"data\n\ndata\ndata\n\ndata:", data(b"", b"\n", b""), id="a field without a colon is an empty value"),
    pytest.param(b"data:test\n\ndata: test\n\n", data(b"test", b"test"), id="the blank after the colon may be missing"),
    pytest.param(
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [ServerSentEvent("add", b"73857293"), ServerSentEvent("remove", b"2153")],
        id="each event has its own name",
    ),
    pytest.param(b"\xef\xbb\xbfdata: x\n\n", data(b"x"), id="a byte order mark at the start is skipped"),
    pytest.param(b"data: \xef\xbb\xbfx\n\n", data(b"\xef\xbb\xbfx"), id="a byte order mark elsewhere is kept"),
    pytest.param(b"data: a\r\ndata: b\r\n\r\n", data(b"a\nb"), id="CRLF ends a line"),
    pytest.param(b"data: a\rdata: b\r\r", data(b"a\nb"), id="CR ends a line"),
    pytest.param(b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", data(b"a", b"b", b"c"), id="line ends may be mixed"),
    pytest.param(
        "data: \u2028\u2029\u0085\x0b\x0c\x1c\n\n".encode(),
        data("\u2028\u2029\u0085\x0b\x0c\x1c".encode()),
        id="other separators are ordinary characters",
    ),
    pytest.param(b"data: a", data(b"a"), id="the last event may lack its blank line and line end"),
    pytest.param(b"data: a\n", data(b"a"), id="the last event may lack its blank line"),
    pytest.param(b"retry: 10\nfoo: bar\n\n", [], id="unknown fields are skipped"),
    pytest.param(b"", [], id="nothing is no event"),
    pytest.param(b"\n\n\n", [], id="blank lines are no events"),
    pytest.param(b"event: error\n\n", [ServerSentEvent("error", b"")], id="an event may have a name only"),
]


@pytest.mark.parametrize(("stream", "expected"), SPEC)
def test_a_stream_is_cut_into_the_events_of_the_specification(stream: bytes, expected: list[ServerSentEvent]) -> None:
    assert events(stream) == expected


@pytest.mark.parametrize(("stream", "expected"), SPEC)
def test_the_events_are_the_same_one_byte_at_a_time(stream: bytes, expected: list[ServerSentEvent]) -> None:
    assert events(*one_by_one(stream)) == expected


def test_an_event_comes_with_the_byte_that_completes_it() -> None:
    parser = ServerSentEvents()

    assert [parser.feed(piece) for piece in (b"data: a\r", b"\n\r", b"\n", b"data: b\n\n")] == [
        [],
        data(b"a"),
        [],
        data(b"b"),
    ]


def test_a_line_that_never_ends_is_refused_at_32_mebibytes() -> None:
    parser, mebibyte = ServerSentEvents(), b"x" * 2**20
    for _ in range(32):
        parser.feed(mebibyte)

    with pytest.raises(MalformedResponse, match="sent more than 32 MiB without a line end"):
        parser.feed(b"x")


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1017 + b"\n", b"data\n" * 256], ids=["data", "empty data"])
def test_an_event_that_never_ends_is_refused_at_32_mebibytes(line: bytes) -> None:
    parser = ServerSentEvents()
    for _ in range(31):
        assert parser.feed(line * 1024) == []

    with pytest.raises(MalformedResponse, match="sent more than 32 MiB of data without the blank line"):
        parser.feed(line * 2048)


def test_a_long_stream_of_short_lines_is_not_refused() -> None:
    parser = ServerSentEvents()

    assert sum(len(parser.feed(b"data: " + b"x" * 2**20 + b"\n\n")) for _ in range(40)) == 40


def test_feeding_one_byte_at_a_time_costs_the_same_for_each_byte() -> None:
    assert _calls(4000) == pytest.approx(4 * _calls(1000), rel=0.02)


def _calls(size: int) -> int:
    """Calls made, of Python and C functions, while a line of `size` bytes is fed byte by byte."""
    count = 0

    def count_calls(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    parser, pieces = ServerSentEvents(), one_by_one(b"data: " + b"x" * size + b"\n\n")
    previous = sys.getprofile()
    sys.setprofile(count_calls)
    try:
        for piece in pieces:
            parser.feed(piece)
    finally:
        sys.setprofile(previous)
    return count


_LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])
_TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
_EVENT = st.tuples(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8),
    st.lists(_TEXT, min_size=1, max_size=3),
)


@given(st.lists(_EVENT, max_size=6), st.lists(_LINE_END, min_size=1), st.lists(st.integers(0, 400), max_size=10))
def test_events_that_are_written_are_read_back_wherever_the_stream_is_cut(
    written: list[tuple[str, list[str]]], line_ends: list[bytes], cuts: list[int]
) -> None:
    end = itertools.cycle(line_ends)
    stream = b""
    for name, lines in written:
        if name:
            stream += b"event: " + name.encode() + next(end)
        for line in lines:
            stream += b"data: " + line.encode() + next(end)
        stream += b": comment" + b"\n\n"
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    read = events(*(stream[a:b] for a, b in itertools.pairwise(edges)))

    assert read == [ServerSentEvent(name, "\n".join(lines).encode()) for name, lines in written]
