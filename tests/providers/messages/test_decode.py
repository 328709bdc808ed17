"""What comes: bodies and streams of a Messages endpoint, and the one answer that both mean."""

import contextlib
import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ContextOverflow,
    GatewayError,
    GatewayTimeout,
    MalformedResponse,
    Overloaded,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ServerError,
    StreamTruncated,
)
from agentkit.messages import AssistantMessage, History, ReasoningPart, RefusalPart, TextPart, ToolCall, UserMessage
from agentkit.models import ArgumentsDelta, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.errors import error_from_response
from agentkit.providers.messages.blocks import BLOCKS
from agentkit.providers.messages.decode import Decoder
from agentkit.providers.usage import decode_usage
from agentkit.transport import ServerSentEvent, ServerSentEvents
from agentkit.usage import Usage

from .answers import (
    CALL,
    FOUND,
    GIVEN,
    REDACTED,
    SEARCH,
    TEXT,
    THOUGHT,
    USAGE,
    block_events,
    body,
    decoder,
    events,
    from_bytes,
    plain,
    sse,
    streamed,
    text,
)
from .test_encode import SAMPLE, messages, use, user

GO_ON = UserMessage("Go on.")
CITED = {**text("7 C"), "citations": [{"type": "web_search_result_location"}, {"type": "char_location"}]}
EMPTY_CALL = {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}
ANSWERS = {
    "text": body(TEXT),
    "thinking, text, calls": body(THOUGHT, TEXT, CALL, EMPTY_CALL, stop="tool_use"),
    "redacted": body(REDACTED, THOUGHT, CALL, stop="tool_use"),
    "thinking that is not shown": body({**THOUGHT, "thinking": ""}, TEXT),
    "unsigned thinking": body({"type": "thinking", "thinking": "Hm."}, TEXT),
    "thinking with an empty signature": body({"type": "thinking", "thinking": "Hm.", "signature": ""}, TEXT),
    "the server's own tools": body(text("I search."), SEARCH, FOUND, CITED),
    "several texts": body(TEXT, text(""), TEXT),
    "a caller": body({**CALL, "caller": {"type": "direct"}}, stop="tool_use"),
    "cut": body(TEXT, CALL, EMPTY_CALL, stop="max_tokens"),
    "refused": body(text("No."), stop="refusal"),
    "refused with a reason": body(text("We"), stop="refusal", stop_details={"type": "refusal", "explanation": "No."}),
    "paused": body(text("I search."), SEARCH, stop="pause_turn"),
    "nothing": body(),
}
every = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())


def delta(index: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def start(index: Any, block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def ended(stop: str | None = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 15}}


STOP = {"type": "message_stop"}


def told(response: ModelResponse) -> Any:
    """All that an answer says, but for `raw`, which is what the server sent, and a usage's."""
    usage = response.usage
    return (
        response.message,
        response.finish_reason,
        (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens),
        (response.model, response.id, response.headers),
        tuple(warning.replace("the stream", "the answer") for warning in response.warnings),
    )


def test_the_documented_stream_is_a_call() -> None:
    response = from_bytes([chunk.encode() for chunk in SAMPLE["chunks"]])

    usage = {**USAGE, "output_tokens": 15}
    assert response == ModelResponse(
        message=AssistantMessage([ToolCall("toolu_1", "get_weather", {"city": "Oslo"}, '{"city":"Oslo"}')]),
        finish_reason="tool_calls",
        usage=Usage(input_tokens=25, output_tokens=15, total_tokens=40, requests=1, raw=usage),
        model="claude-x",
        id="msg_1",
        raw={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "stop_reason": "tool_use",
            "stop_sequence": None,
        },
        headers={"request-id": "req_1"},
    )


@every
def test_a_streamed_and_a_plain_answer_are_the_same(answer: dict[str, Any]) -> None:
    for size in (1, 3, 1000):
        assert told(streamed(events(answer, size))) == told(plain(answer))


@every
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_stream_means_the_same_wherever_it_is_cut(answer: dict[str, Any], data: st.DataObject) -> None:
    stream = sse(events(answer, data.draw(st.integers(1, 9))))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40))), len(stream)]

    pieces = [stream[a:b] for a, b in itertools.pairwise(cuts)]

    assert told(from_bytes(pieces)) == told(plain(answer))


@every
def test_an_answer_goes_back_as_it_came(answer: dict[str, Any]) -> None:
    """But for what the API does not take back: empty and unsigned blocks, and a call that was cut."""
    message = streamed(events(answer)).message
    again = History.from_json(History([message]).to_json())
    cut = answer["content"][:-1] if answer["stop_reason"] == "max_tokens" else answer["content"]
    unsigned = [block for block in cut if block["type"] == "thinking" and not block.get("signature")]
    expected = [block for block in cut if block != text("") and block not in unsigned]

    if answer.get("stop_details"):
        expected.append(text("No."))
    expected = [{**block, "text": block["text"].rstrip()} if "text" in block else block for block in expected]
    sent = messages(*again, GO_ON)
    assert sent == [*([{"role": "assistant", "content": expected}] if expected else []), user(text("Go on."))]


def test_parts_stand_in_the_servers_order() -> None:
    assert plain(body(REDACTED, THOUGHT, TEXT, CALL, SEARCH, stop="tool_use")).message == AssistantMessage(
        [
            ReasoningPart("First the city.", "thinking"),
            TextPart(TEXT["text"], "tool"),
            ToolCall("toolu_1", "get_weather", GIVEN, '{"city":"Oslo","days":[1.0,2]}'),
        ],
        extra={BLOCKS: [REDACTED, {"part": 0, "signature": "EqQBCgIYAhIM"}, {"part": 1}, {"part": 2}, SEARCH]},
    )


def test_an_answer_of_texts_and_calls_has_no_fields_of_its_own() -> None:
    assert plain(body(TEXT, CALL, stop="tool_use")).message.extra == {}
    assert plain(body({"type": "thinking", "thinking": "Hm."}, TEXT)).message.extra == {}


def test_deltas_are_shown_as_they_come() -> None:
    reader = decoder()
    shown = [
        shown
        for event in events(body(THOUGHT, text("Hello"), CALL, EMPTY_CALL, stop="tool_use"), 1000)
        for shown in reader.feed(ServerSentEvent("", json.dumps(event).encode()))
    ]

    assert shown == [
        ReasoningDelta("First the city."),
        TextDelta("Hello"),
        ArgumentsDelta(0, "get_weather", ""),
        ArgumentsDelta(0, "get_weather", json.dumps(GIVEN, indent=1)),
        ArgumentsDelta(1, "now", ""),
        ArgumentsDelta(1, "now", "{}"),
    ]
    assert reader.flush() == []


def test_what_a_block_begins_with_is_shown_too() -> None:
    reader = decoder()
    for block, expected in ((text("Hel"), TextDelta("Hel")), (THOUGHT, ReasoningDelta("First the city."))):
        assert reader.feed(ServerSentEvent("", json.dumps(start(0, block)).encode())) == [expected]
    for event in (delta(0, type="thinking_delta", thinking=" Then."), ended()):
        reader.feed(ServerSentEvent("", json.dumps(event).encode()))

    assert (reader.close().message.text, reader.close().message.reasoning) == ("Hel", "First the city. Then.")


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("content_filter", "content_filter"),
        ("pause_turn", "other"),
        ("compaction", "other"),
        ("tool_use", "stop"),
    ],
)
def test_a_stop_reason_is_one_of_ours(stop: str, reason: str) -> None:
    assert plain(body(TEXT, stop=stop)).finish_reason == reason


def test_a_call_is_a_call_whatever_the_stop_reason_says() -> None:
    for stop in ("end_turn", "tool_use", "stop_sequence", None):
        assert plain(body(CALL, stop=stop)).finish_reason == "tool_calls"


def test_a_paused_answer_says_what_to_do() -> None:
    assert "send the history with this answer again" in plain(body(TEXT, SEARCH, stop="pause_turn")).warnings[0]
    assert "the model's context" in plain(body(TEXT, stop="model_context_window_exceeded")).warnings[0]


def test_the_text_of_a_refusal_is_the_refusal() -> None:
    assert plain(body(text("No."), stop="refusal")).message == AssistantMessage([RefusalPart("No.")])
    reasoned = plain(body(text("We"), stop="refusal", stop_details={"explanation": "It may harm."})).message
    assert (reasoned.text, reasoned.refusal) == ("We", "It may harm.")


def test_a_call_that_was_cut_is_left_out() -> None:
    half = [start(1, {**CALL, "input": {}}), delta(1, type="input_json_delta", partial_json='{"city":"Os')]
    response = streamed([start(0, TEXT), *half, ended("max_tokens"), STOP])

    assert (response.message, response.finish_reason) == (AssistantMessage([TextPart(TEXT["text"], "tool")]), "length")
    assert response.warnings == ("the call of get_weather was cut at the output limit and left out",)
    assert plain(body(TEXT, {**CALL, "input": {"city": "Os"}}, stop="max_tokens")).message == response.message


def test_usage_comes_in_two_halves_and_a_later_nothing_takes_nothing_away() -> None:
    begun = {**USAGE, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7}
    final = {"input_tokens": 0, "output_tokens": 9, "cache_read_input_tokens": None, "server_tool_use": {"a": 1}}
    response = streamed(
        [{"type": "message_start", "message": body(usage=begun)}, start(0, TEXT), {**ended(), "usage": final}, STOP]
    )

    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (132, 9, 141)
    assert (usage.cached_tokens, usage.cache_write_tokens) == (100, 7)
    assert usage.raw == {**begun, "output_tokens": 9, "server_tool_use": {"a": 1}}


def test_what_was_written_to_the_cache_alone_stands_beside_the_input_too() -> None:
    usage = decode_usage({"input_tokens": 5, "output_tokens": 1, "cache_creation_input_tokens": 90})

    assert (usage.input_tokens, usage.cache_write_tokens, usage.total_tokens) == (95, 90, 96)


def test_thinking_is_counted_inside_of_the_output() -> None:
    usage = decode_usage({**USAGE, "output_tokens_details": {"thinking_tokens": 9}})

    assert (usage.output_tokens, usage.reasoning_tokens) == (15, 9)


def test_an_answer_without_usage_reports_none() -> None:
    assert plain(body(TEXT, usage=None)).usage == Usage(requests=1)


BARE_CALL = {"type": "tool_use", "id": "a", "name": "b", "input": {}}
HABITS: dict[str, tuple[list[Any], list[Any]]] = {
    "no index": (
        [start(None, text("")), delta(None, type="text_delta", text="Hi"), start(None, BARE_CALL)]
        + [delta(None, type="input_json_delta", partial_json=piece) for piece in ('{"x"', ":1}")],
        [TextPart("Hi", "tool"), ToolCall("a", "b", {"x": 1}, '{"x":1}')],
    ),
    "index always 0": (
        [
            start(0, text("")),
            delta(0, type="text_delta", text="Hi"),
            start(0, BARE_CALL),
            delta(0, type="input_json_delta", partial_json='{"x":1}'),
        ],
        [TextPart("Hi", "tool"), ToolCall("a", "b", {"x": 1}, '{"x":1}')],
    ),
    "blocks at once": (
        [start(0, BARE_CALL), start(1, {**BARE_CALL, "id": "c"})]
        + [delta(i, type="input_json_delta", partial_json=p) for p in ('{"x":', "1}") for i in (0, 1)],
        [ToolCall(id_, "b", {"x": 1}, '{"x":1}') for id_ in ("a", "c")],
    ),
    "no start": (
        [delta(0, type="thinking_delta", thinking="Hm."), delta(1, type="text_delta", text="Hi")],
        [ReasoningPart("Hm.", "thinking"), TextPart("Hi", "tool")],
    ),
    "input in the start": (
        [start(0, {**BARE_CALL, "input": {"x": 1}})],
        [ToolCall("a", "b", {"x": 1}, '{"x":1}')],
    ),
    "input in the start and in deltas": (
        [start(0, {**BARE_CALL, "input": {"x": 1}}), delta(0, type="input_json_delta", partial_json='{ "x": 1}')],
        [ToolCall("a", "b", {"x": 1}, '{"x":1}')],
    ),
    "input as a text": ([start(0, {**BARE_CALL, "input": '{"x":1}'})], [ToolCall("a", "b", {"x": 1}, '{"x":1}')]),
    "no input": ([start(0, {"type": "tool_use", "id": "a", "name": "b"})], [ToolCall("a", "b", {}, "{}")]),
    "the id once more": (
        [start(0, BARE_CALL), delta(0, type="input_json_delta", partial_json="{}", id="a", name="b")],
        [ToolCall("a", "b", {}, "{}")],
    ),
    "the whole answer in message_start": (
        [{"type": "message_start", "message": body(text("Hi"))}],
        [TextPart("Hi", "tool")],
    ),
    "the whole answer as one event": ([body(text("Hi"))], [TextPart("Hi", "tool")]),
    "unknown events and fields": (
        [
            *({"type": "news", "content": 1}, {"no": "type"}, [], 7, {"type": "content_block_start"}),
            *({"type": "message_start"}, {"type": "message_delta"}, {"type": "content_block_delta", "index": 0}),
            start(0, {**text("Hi"), "new": None}),
            delta(0, type="x_delta", y="z"),
        ],
        [TextPart("Hi", "tool")],
    ),
}


@pytest.mark.parametrize("habit", HABITS)
def test_habits_of_servers_change_nothing(habit: str) -> None:
    sent, parts = HABITS[habit]

    message = streamed([*sent, ended(), STOP]).message

    assert message.parts == tuple(parts)


def test_an_event_without_a_type_is_of_the_kind_that_its_name_says() -> None:
    reader = decoder()
    for event in (start(0, text("Hi")), ended(), STOP):
        data = {name: value for name, value in event.items() if name != "type"}
        reader.feed(ServerSentEvent(event["type"], json.dumps(data).encode()))

    assert reader.done
    assert reader.close().message.text == "Hi"


def test_calls_that_came_glued_together_are_taken_apart() -> None:
    glued = delta(0, type="input_json_delta", partial_json='{"x":1}{"x":2}')
    response = streamed([start(0, BARE_CALL), glued, ended("tool_use"), STOP])

    calls = response.message.tool_calls
    assert [(call.name, call.arguments) for call in calls] == [("b", {"x": 1}), ("b", {"x": 2})]
    assert calls[0].id == "a"
    assert calls[1].id not in ("", "a")
    assert response.warnings == ("2 calls of b came glued together and were taken apart",)


def test_ids_are_made_where_they_are_missing_or_used_twice() -> None:
    calls = plain(body(BARE_CALL, BARE_CALL, {**BARE_CALL, "id": None}, stop="tool_use")).message.tool_calls

    assert calls[0].id == "a"
    assert len({call.id for call in calls} - {""}) == 3


def test_a_call_without_a_name_and_a_block_without_a_type_are_left_out_with_a_word() -> None:
    response = plain(body({"type": "tool_use", "id": "a", "input": {}}, {"text": "?"}, 7, TEXT))

    assert response.message.parts == (TextPart(TEXT["text"], "tool"),)
    assert response.warnings == (
        "a tool call without a name was left out",
        "a content block without a type was left out",
    )


def test_arguments_that_are_no_object_say_why() -> None:
    for said in ('{"x":', "[1]"):
        sent = [start(0, BARE_CALL), delta(0, type="input_json_delta", partial_json=said), ended("tool_use"), STOP]
        call = streamed(sent).message.tool_calls[0]
        assert (call.arguments, call.arguments_text) == (None, said)
        assert call.problem is not None


def test_an_unknown_block_is_kept_with_what_its_deltas_add() -> None:
    sent = [start(0, {"type": "compaction", "content": "So "}), delta(0, type="compaction_delta", content="far.")]

    message = streamed([*sent, delta(0, type="compaction_delta", count=3), ended(), STOP]).message

    assert message.extra == {BLOCKS: [{"type": "compaction", "content": "So far.", "count": 3}]}


# How an answer ends


def test_a_cut_stream_is_never_an_answer() -> None:
    sent = list(events(body(THOUGHT, text("Hello"), CALL, stop="tool_use")))

    for end in range(len(sent) - 2):
        with pytest.raises(StreamTruncated, match="g ended the stream before the answer's end"):
            streamed(sent[:end])


def test_a_cut_stream_shows_what_had_come_but_no_call() -> None:
    sent = list(events(body(THOUGHT, text("Hello"), CALL, stop="tool_use")))

    with pytest.raises(StreamTruncated) as caught:
        streamed(sent[:-2])

    assert caught.value.partial == AssistantMessage(
        [ReasoningPart("First the city.", "thinking"), TextPart("Hello", "tool")]
    )


def test_a_stop_reason_ends_an_answer_without_message_stop() -> None:
    sent = list(events(body(TEXT)))

    assert told(streamed(sent[:-1])) == told(streamed(sent))


def test_an_end_without_a_stop_reason_is_taken_with_a_word() -> None:
    assert streamed([start(0, TEXT), STOP]).warnings == (
        "the stream came without a stop_reason and was taken as complete",
    )
    assert streamed([start(0, TEXT), b"[DONE]"]).message.text == TEXT["text"]
    assert plain(body(TEXT, stop=None)).warnings == ("the answer came without a stop_reason and was taken as complete",)


def test_nothing_counts_after_the_end() -> None:
    sent = [start(0, text("Hi")), ended(), STOP, delta(0, type="text_delta", text="!"), b"no JSON"]

    assert streamed(sent).message.text == "Hi"


# Errors

ERRORS: list[tuple[str, int, type[GatewayError]]] = [
    ("invalid_request_error", 400, BadRequest),
    ("authentication_error", 401, AuthenticationError),
    ("billing_error", 402, QuotaExhausted),
    ("permission_error", 403, PermissionDenied),
    ("not_found_error", 404, BadRequest),
    ("request_too_large", 413, BadRequest),
    ("rate_limit_error", 429, RateLimited),
    ("api_error", 500, ServerError),
    ("timeout_error", 504, GatewayTimeout),
    ("overloaded_error", 529, Overloaded),
]


def failure(kind: str, message: str = "It failed.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_2"}


@pytest.mark.parametrize(("kind", "status", "error"), ERRORS)
def test_an_error_is_the_same_in_a_body_a_status_and_a_stream(
    kind: str, status: int, error: type[GatewayError]
) -> None:
    with pytest.raises(GatewayError) as whole:
        plain(failure(kind))
    with pytest.raises(GatewayError) as cut:
        streamed([*list(events(body(TEXT)))[:-2], failure(kind)])
    refused = error_from_response(status, {}, json.dumps(failure(kind)).encode(), gateway="g")

    assert [type(whole.value), type(cut.value), type(refused)] == [error] * 3
    assert [e.code for e in (whole.value, cut.value, refused)] == [kind] * 3
    assert refused.request_id == "req_2"
    assert whole.value.partial is None
    assert cut.value.partial == AssistantMessage([TextPart(TEXT["text"], "tool")])


def test_an_event_called_error_is_one_whatever_it_holds() -> None:
    with pytest.raises(ServerError):
        decoder().feed(ServerSentEvent("error", b'{"message":"It failed."}'))


def test_a_prompt_that_is_too_long_is_a_context_overflow() -> None:
    said = failure("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")

    assert type(error_from_response(400, {}, json.dumps(said).encode(), gateway="g")) is ContextOverflow


def test_a_spend_limit_is_a_quota_and_no_reason_to_wait() -> None:
    said = failure("rate_limit_error")
    said["error"]["details"] = {"error_code": "enforced_spend_limit_reached"}
    error = error_from_response(429, {}, json.dumps(said).encode(), gateway="g")

    assert (type(error), error.code, error.retryable) == (QuotaExhausted, "enforced_spend_limit_reached", False)


def test_the_rate_limit_headers_of_the_vendor_are_kept() -> None:
    headers = {"anthropic-ratelimit-requests-remaining": "0", "retry-after": "3", "request-id": "r", "server": "x"}
    error = error_from_response(429, headers, json.dumps(failure("rate_limit_error")).encode(), gateway="g")

    assert error.headers == {name: value for name, value in headers.items() if name != "server"}
    assert (error.retry_after, error.request_id) == (3.0, "r")


@pytest.mark.parametrize(
    "answer", [b"<html>hush-hush</html>", b"[1]", b"{}", b'{"content":7}', b'{"type":"message","content":null}']
)
def test_a_body_that_is_no_answer_is_malformed(answer: bytes) -> None:
    with pytest.raises(MalformedResponse, match="g answered") as caught:
        plain(answer)

    assert "hush-hush" not in str(caught.value)


def test_an_event_that_is_no_json_is_malformed_and_shows_what_had_come() -> None:
    with pytest.raises(MalformedResponse, match="g sent an event that is not JSON") as caught:
        streamed([start(0, TEXT), b'{"type": hush-hush'])

    assert caught.value.partial == AssistantMessage([TextPart(TEXT["text"], "tool")])
    assert "hush-hush" not in str(caught.value)


def test_a_body_may_hold_a_text_in_place_of_blocks() -> None:
    assert plain(body() | {"content": "Hi"}).message == AssistantMessage([TextPart("Hi", "tool")])
    assert plain(body(stop="refusal") | {"content": None}).finish_reason == "refusal"


NOISE = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**30) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WHOLE = body(REDACTED, THOUGHT, CITED, CALL, SEARCH, stop="tool_use")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, each in inner for found in places(each, (*path, key))]


def mutated(value: Any, data: st.DataObject) -> Any:
    """A copy with some things in it dropped, or replaced by anything."""
    value = copy.deepcopy(value)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(value) or [()]))
        if not path:
            return value
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[path[-1]] = data.draw(NOISE)
        else:
            del holder[path[-1]]
    return value


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_an_answer_that_can_go_back_or_a_gateway_error(data: st.DataObject) -> None:
    streaming = data.draw(st.booleans())
    try:
        response = streamed(mutated(list(events(WHOLE, 20)), data)) if streaming else plain(mutated(WHOLE, data))
    except GatewayError:
        return
    again = History.from_json(History([response.message]).to_json())
    assert again == History([response.message])
    messages(*again, GO_ON)


@pytest.mark.parametrize("depth", [100, 300, 900, 100_000])
def test_deep_nesting_is_an_answer_or_a_gateway_error(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    whole = json.dumps(body({**CALL, "input": {"x": "DEEP"}}, stop="tool_use")).replace('"DEEP"', deep).encode()
    sent = [start(0, BARE_CALL), delta(0, type="input_json_delta", partial_json=f'{{"x":{deep}}}'), ended(), STOP]
    with contextlib.suppress(MalformedResponse):
        assert len(plain(whole).message.tool_calls) == 1
    assert len(streamed(sent).message.tool_calls) == 1


def test_blocks_are_cut_into_the_events_that_the_vendor_documents() -> None:
    """The tests' own streams have the shape of the sample's."""
    sample = [json.loads(chunk.partition("data: ")[2]) for chunk in SAMPLE["chunks"]]
    made = list(block_events(use("toolu_1", "get_weather", {"city": "Oslo"}), 0, 1000))

    assert [list(event) for event in made if "delta" not in event] == [
        list(event) for event in sample if event["type"] in ("content_block_start", "content_block_stop")
    ]
    assert made[0] == sample[2]


def test_events_without_a_blank_line_between_them_are_events_all_the_same() -> None:
    answer = body(TEXT, CALL, stop="tool_use")
    lines = b"".join(b"data: " + json.dumps(event).encode() + b"\n" for event in events(answer))
    decoder = Decoder(Profile(), {})
    parser = ServerSentEvents()
    for event in [*parser.feed(lines), *parser.close()]:
        decoder.feed(event)

    assert decoder.close().message == Decoder(Profile(), {}).plain(json.dumps(answer).encode()).message
