"""Damaged answers: whatever comes is an answer or an error of the tree, soon, in memory that what came accounts for."""

import itertools
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.emulator import Emulator, Raw
from agentkit.errors import AgentkitError, GatewayError, MalformedResponse
from agentkit.messages import History, ToolMessage, UserMessage
from agentkit.models import ModelRequest, ModelResponse, ModelSettings, Profile
from agentkit.providers import ProviderModel
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.providers.chat_completions.encode import Encoder
from agentkit.transport import RetryPolicy, ServerSentEvents

from .wire_samples import SAMPLES, TOOLS

PROFILE = Profile(gateway="g", text_tool_calls=True)
STREAMS = [b"".join(sample.chunks) for sample in SAMPLES if sample.streamed]
BODIES = [b"".join(sample.chunks) for sample in SAMPLES if not sample.streamed]
ALL = [*STREAMS, *BODIES]

DEEP = 10_000
BYTES = (
    *(b"\x00", b"\xff\xfe", b"\xc3", b"\r", b"\n", b"\n\n", b"\r\n\r\n", b"data:", b"data: [DONE]\n\n", b": ping\n\n"),
    *(b"event: error\n", b"\xef\xbb\xbf", b"{", b"}", b'"', b"\\", b"\\ud800", b"NaN", b"null", b"9" * 5000),
    *(b"<think>", b"</think>", b"<tool_call>", b"[" * DEEP, b'{"a":' * DEEP),
)
JSONS = (
    *("null", "true", "-1", "0", "1.5", "1e400", "-1e400", "9" * 400, "9" * 5000, "NaN", "-Infinity"),
    *(
        '""',
        '"x"',
        '"429"',
        '"²²²"',
        f'"{"9" * 5000}"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"<think>"',
        '"{}{}"',
    ),
    *("[]", "{}", "[null]", "[[]]", "[{}]", '[{"a":1}]', '{"a":{"b":[1]}}', '{"error":"x"}', '"[DONE]"'),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP),
    *("[" * 600 + "]" * 600, '{"error":' * 600 + '"\\ud800"' + "}" * 600),
    *("[" * 280 + "]" * 280, '{"a":' * 280 + '"\\ud800"' + "}" * 280),
)

Kind = Literal["flip", "delete", "repeat", "cut", "splice", "insert", "value", "field", "double"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One piece of damage; the numbers are taken modulo whatever there is to choose from."""

    kind: Kind
    place: int
    size: int
    other: int


def damaged(data: bytes, edits: Sequence[Edit]) -> bytes:
    for edit in edits:
        data = edited(data, edit)
    return data


def edited(data: bytes, edit: Edit) -> bytes:
    at, size = edit.place % (len(data) + 1), edit.size % 200
    end, other = at + size, ALL[edit.other % len(ALL)]
    match edit.kind:
        case "flip":
            changed = bytes([data[at] ^ (1 << edit.other % 8)]) if at < len(data) else b""
            return data[:at] + changed + data[at + 1 :]
        case "delete":
            return data[:at] + data[end:]
        case "repeat":
            return data[:end] + data[at:end] * (1 + edit.other % 3) + data[end:]
        case "cut":
            return data[:at]
        case "splice":
            return data[:at] + other[edit.size % (len(other) + 1) :]
        case "insert":
            return data[:at] + BYTES[edit.other % len(BYTES)] + data[at:]
        case "value" | "field" | "double":
            return with_odd_json(data, edit)


def with_odd_json(data: bytes, edit: Edit) -> bytes:
    """The same with another value somewhere inside one of its JSON texts."""
    lines = data.split(b"\n")
    texts: list[tuple[int, bytes, Any]] = []
    for number, line in enumerate(lines):
        head, body = (b"data: ", line[6:]) if line.startswith(b"data: ") else (b"", line)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, (dict, list)):
            texts.append((number, head, value))
    if not texts:
        return data
    number, head, value = texts[edit.place % len(texts)]
    places = list(places_in(value))
    if not places:
        return data
    outer, key = places[edit.size % len(places)]
    if edit.kind == "double" and isinstance(outer, list):
        outer.append(outer[key])
    elif edit.kind == "field" and isinstance(outer, dict):
        outer["errors" if edit.other % 5 == 0 else "arguments"] = "\x00odd"
    else:
        outer[key] = "\x00odd"
    text = json.dumps(value).replace('"\\u0000odd"', JSONS[edit.other % len(JSONS)])
    lines[number] = head + text.encode()
    return b"\n".join(lines)


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place of a JSON value, as its container and key; a chain of 280 levels is not walked to its end."""
    todo = [(value, 0)]
    while todo:
        outer, depth = todo.pop()
        for key, inner in list(outer.items() if isinstance(outer, dict) else enumerate(outer)):
            yield outer, key
            if isinstance(inner, (dict, list)) and depth < 20:
                todo.append((inner, depth + 1))


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(edge % (len(data) + 1) for edge in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def streamed(pieces: Sequence[bytes]) -> ModelResponse | AgentkitError:
    parser, decoder = ServerSentEvents(), Decoder(PROFILE, [tool.name for tool in TOOLS], {})
    try:
        for piece in pieces:
            for event in parser.feed(piece):
                decoder.feed(event)
        for event in parser.close():
            decoder.feed(event)
        return decoder.close()
    except AgentkitError as error:
        return error


def plain(body: bytes) -> ModelResponse | AgentkitError:
    try:
        return Decoder(PROFILE, [tool.name for tool in TOOLS], {}).plain(body)
    except AgentkitError as error:
        return error


def check(outcome: ModelResponse | AgentkitError) -> None:
    """It is of use: an error can be shown, an answer stored, read again and sent back."""
    if isinstance(outcome, AgentkitError):
        assert isinstance(outcome, GatewayError)
        assert str(outcome)
        return
    calls = outcome.message.tool_calls
    answers = [ToolMessage(call.id, call.name, "done") for call in calls]
    history = History([UserMessage("Hi"), outcome.message, *answers])
    assert len(History.from_json(history.to_json())) == len(history)
    if outcome.message.parts:
        assert json.loads(Encoder("m", PROFILE).body(ModelRequest(history), stream=False))
    assert len({call.id for call in calls}) == len(calls)
    assert all(call.name and (call.arguments is not None or call.problem) for call in calls)


NUMBER = st.integers(0, 1 << 20)
EDITS = st.lists(st.builds(Edit, st.sampled_from(get_args(Kind)), NUMBER, NUMBER, NUMBER), min_size=1, max_size=5)
CUTS = st.lists(NUMBER, max_size=8)


@given(st.sampled_from(STREAMS), EDITS, CUTS)
@settings(max_examples=300, deadline=None)
def test_a_damaged_stream_is_an_answer_or_an_error_wherever_it_is_cut(
    stream: bytes, edits: list[Edit], cuts: list[int]
) -> None:
    check(streamed(cut(damaged(stream, edits), cuts)))


@given(st.sampled_from(ALL), EDITS)
@settings(max_examples=300, deadline=None)
def test_a_damaged_body_is_an_answer_or_an_error(body: bytes, edits: list[Edit]) -> None:
    check(plain(damaged(body, edits)))


@given(st.sampled_from(ALL), EDITS, CUTS)
@settings(max_examples=300, deadline=None)
def test_the_events_of_a_damaged_stream_are_the_same_wherever_it_is_cut(
    stream: bytes, edits: list[Edit], cuts: list[int]
) -> None:
    stream = damaged(stream, edits)
    whole, pieces = ServerSentEvents(), ServerSentEvents()

    expected = [*whole.feed(stream), *whole.close()]
    found = [event for piece in cut(stream, cuts) for event in pieces.feed(piece)]

    assert [*found, *pieces.close()] == expected
    assert sum(len(event.data) for event in expected) <= len(stream)


@pytest.mark.parametrize("odd", range(len(JSONS)))
def test_each_odd_value_at_each_place_of_each_sample_is_an_answer_or_an_error(odd: int) -> None:
    for sample in SAMPLES:
        for chunk in sample.chunks[:2]:
            body = chunk.removeprefix(b"data: ").strip()
            try:
                count = len(list(places_in(json.loads(body))))
            except (ValueError, AttributeError, TypeError):
                continue
            for place in range(count):
                changed = edited(body, Edit("value", 0, place, odd))
                check(plain(changed))
                check(streamed([b"data: ", changed, b"\n\ndata: [DONE]\n\n"]))


def sent(body: bytes, cuts: Sequence[int], way: int) -> Raw:
    """`body` as a server may send it: in chunks, with its length, with a wrong one, or broken off."""
    kind = "text/event-stream" if b"data:" in body else "application/json"
    lengths: tuple[dict[str, str], ...] = (
        {},
        {"content-length": str(len(body))},
        {"content-length": str(len(body) + 7)},
        {},
    )
    pieces = tuple(piece for piece in cut(body, cuts) if piece)
    return Raw(pieces, headers={"content-type": kind, **lengths[way % 4]}, close=way % 4 > 1)


@pytest.mark.anyio
async def test_a_damaged_answer_over_http_is_an_answer_or_an_error() -> None:
    dice, kinds = random.Random(20261120), get_args(Kind)
    answers: list[Raw] = []
    for case in range(200):
        edits = [Edit(dice.choice(kinds), *dice.choices(range(1 << 20), k=3)) for _ in range(1 + case % 4)]
        cuts = dice.choices(range(1 << 20), k=case % 7)
        answers.append(sent(damaged(dice.choice(ALL), edits), cuts, dice.randrange(4)))
    request = ModelRequest([UserMessage("Hi")], tools=TOOLS, settings=ModelSettings(timeout=5))
    with Emulator(answers) as gateway:
        async with gateway.model(profile=PROFILE, retry=RetryPolicy(retries=0)) as model:
            for case in range(len(answers)):
                with anyio.fail_after(10):
                    check(await answered(model, request, stream=case % 2 == 0))


async def answered(model: ProviderModel, request: ModelRequest, *, stream: bool) -> ModelResponse | GatewayError:
    try:
        return await model.respond(request, stream=stream)
    except GatewayError as error:
        return error


CALL = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"%s","arguments":"%s"}}]}}]}\n\n'
BIG: list[Any] = [
    pytest.param(b"\n" * 4_000_000, id="blank lines"),
    pytest.param(b": ping\n\n" * 500_000, id="comments"),
    pytest.param(b"data\n" * 800_000, id="an event of empty lines"),
    pytest.param(b"x" * 4_000_000, id="a line that does not end"),
    pytest.param(b"data: " + b"[" * 4_000_000 + b"\n\n", id="a deep list"),
    pytest.param(b'data: {"a":"' + b"\\u0041" * 600_000 + b'"}\n\n', id="a string of escapes"),
    pytest.param(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n' * 100_000, id="many deltas"),
    pytest.param(CALL % (b"a", b"x") * 100_000, id="many pieces of arguments"),
    pytest.param(CALL % (b"abcdefgh", b"") * 40_000, id="a name that grows"),
]


@pytest.mark.parametrize("stream", BIG)
@pytest.mark.parametrize("size", [100, 60_000])
def test_the_memory_that_a_stream_takes_is_bounded_by_its_bytes(stream: bytes, size: int) -> None:
    def pieces() -> Iterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    assert peak(lambda: check_unread(pieces())) < 12 * len(stream)


def check_unread(pieces: Iterator[bytes]) -> None:
    """Reads a stream whose deltas nobody keeps."""
    parser, decoder = ServerSentEvents(), Decoder(PROFILE, ["a"], {})
    try:
        for piece in pieces:
            for event in parser.feed(piece):
                decoder.feed(event)
    except MalformedResponse:
        pass


def peak(work: Callable[[], None]) -> int:
    """The most bytes that Python objects took at one time during `work`, beyond what there was."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
