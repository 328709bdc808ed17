"""Whatever a server answers to a task, it is an answer or an error of the tree."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from agentkit.errors import GatewayError
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelResponse, Profile, ToolDefinition
from agentkit.providers.runware.decode import TaskDecoder
from agentkit.providers.runware.parcel import Parcel
from agentkit.providers.runware.webhook import WebhookReceiver
from agentkit.transport import ServerSentEvent, ServerSentEvents

TASK = "a770f077-f413-47de-9dac-be0b26a35da6"
TOOL = ToolDefinition("get_weather", "Weather.", {"type": "object"})
NAMES = st.sampled_from(
    [
        "data", "errors", "error", "text", "reasoningContent", "finishReason", "usage", "cost", "taskUUID", "status",
        "tools", "name", "input", "id", "delta", "costBreakdown", "total", "tokens", "cache", "billableTokens", "code",
        "message", "parameter", "promptTokens", "completionTokens", "thoughtSignature", "taskType", "toolCalls",
    ]
)  # fmt: skip
WORDS = st.sampled_from(["stop", "length", "success", "error", "processing", TASK, "textInference", "1e999", "\ud800"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
ITEMS = st.dictionaries(NAMES, VALUES, max_size=6)
BODIES = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    ITEMS.map(lambda value: json.dumps({"data": [value]}).encode()),
    st.builds(lambda a, b: json.dumps({"data": [a], "errors": [b]}).encode(), ITEMS, VALUES),
    st.binary(max_size=50),
    st.just(b'{"data":[{"text":"a","cost":' + b"9" * 5000 + b"}]}"),
    st.just(b'{"data":[{"text":"a","usage":{"promptTokens":1e400}}]}'),
    st.just(b'{"data":' * 400 + b"1" + b"}" * 400),
)


def decoder(*, tools: bool) -> TaskDecoder:
    request = ModelRequest([UserMessage("Hi")], tools=[TOOL] if tools else [])
    return TaskDecoder(Profile(gateway="runware/tasks"), request, {}, secret="rw-key")


@given(BODIES, st.booleans())
def test_any_body_is_an_answer_or_an_error_of_the_tree(body: bytes, tools: bool) -> None:
    reader = decoder(tools=tools)
    try:
        response = reader.plain(body)
    except GatewayError:
        return
    if not tools:  # with them there is one result
        results = [*reader.results(response.raw)]
        assert response in results
        assert all(isinstance(result, (ModelResponse, GatewayError)) for result in results)


@given(st.lists(BODIES | st.just(b"[DONE]"), max_size=5), st.booleans())
def test_any_stream_is_an_answer_or_an_error_of_the_tree(events: list[bytes], tools: bool) -> None:
    reader = decoder(tools=tools)
    try:
        for data in events:
            reader.feed(ServerSentEvent("", data))
        assert isinstance(reader.close(), ModelResponse)
    except GatewayError:
        return


@given(st.lists(BODIES, max_size=4), st.integers(1, 4))
def test_any_calls_and_polls_leave_a_parcel_that_is_complete_or_not(bodies: list[bytes], wanted: int) -> None:
    receiver = WebhookReceiver()
    parcel = receiver._parcels[TASK] = Parcel(TASK, wanted)
    for body in bodies:
        receiver.deliver(body)
        try:
            value: Any = decoder(tools=False).decoded(body)
        except GatewayError:
            continue
        parcel.polled(value)
        before = len(parcel.items), len(parcel.errors)
        parcel.polled(value)  # polls repeat what came before
        assert (len(parcel.items), len(parcel.errors)) == before
    if parcel.missing == 0:
        assert parcel.complete.is_set()


@given(st.binary(max_size=200), st.integers(1, 7))
def test_any_bytes_of_a_stream_are_read_in_pieces_as_in_one(data: bytes, size: int) -> None:
    def outcome(pieces: list[bytes]) -> object:
        parser, reader = ServerSentEvents(), decoder(tools=False)
        try:
            for piece in pieces:
                for event in parser.feed(piece):
                    reader.feed(event)
            for event in parser.close():
                reader.feed(event)
            return reader.close()
        except GatewayError as error:
            return type(error), str(error)

    stream = b'data: {"delta":{"text":"Hi"}}\n\n' + data + b'\n\ndata: {"finishReason":"stop"}\n\n'
    assert outcome([stream[start : start + size] for start in range(0, len(stream), size)]) == outcome([stream])


def test_a_secret_in_what_cannot_be_read_is_not_told() -> None:
    with pytest.raises(GatewayError) as caught:
        decoder(tools=False).plain(b'{"note": "rw-key"}')

    assert "rw-key" not in str(caught.value)
