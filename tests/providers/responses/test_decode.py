"""What comes in: plain bodies and streams, clean and as odd servers send them, read into one answer."""

import contextlib
import copy
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    GatewayError,
    MalformedResponse,
    Overloaded,
    RateLimited,
    ServerError,
    StreamTruncated,
)
from agentkit.messages import AssistantMessage, ReasoningPart, RefusalPart, TextPart, ToolCall
from agentkit.models import ArgumentsDelta, ModelResponse, Profile, ReasoningDelta, TextDelta, ToolDefinition
from agentkit.providers.responses.decode import Decoder
from agentkit.providers.wire import Delta
from agentkit.transport import ServerSentEvent, ServerSentEvents
from agentkit.usage import Usage

SAMPLE = json.loads((Path(__file__).parents[2] / "data" / "dialects" / "openai_responses.json").read_bytes())
EMPTY = {"type": "object", "properties": {}}
TOOLS = (
    ToolDefinition("get_weather", "", EMPTY),
    ToolDefinition("screen", "", EMPTY, kind="computer"),
)
USAGE = {
    "input_tokens": 62,
    "input_tokens_details": {"cached_tokens": 12},
    "output_tokens": 18,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 80,
}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    "encrypted_content": "gAAAA",
}
CITED = [{"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 0, "end_index": 2}]
CONTENT: dict[str, Any] = {"type": "output_text", "text": "It is 7 C.", "annotations": CITED, "logprobs": []}
SAID: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [CONTENT],
}
OSLO = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city":"Oslo"}',
    "status": "completed",
}
ROME = {**OSLO, "id": "fc_2", "call_id": "call_2", "arguments": '{"city": "Rome"}'}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
OUTPUT: list[dict[str, Any]] = [THOUGHT, SAID, SEARCH, OSLO, ROME]
MESSAGE = AssistantMessage(
    [
        ReasoningPart("First.\n\nThen.", "summary"),
        TextPart("It is 7 C.", "tool"),
        ToolCall("call_1", "get_weather", {"city": "Oslo"}, '{"city":"Oslo"}'),
        ToolCall("call_2", "get_weather", {"city": "Rome"}, '{"city": "Rome"}'),
    ],
    extra={
        "output_items": [
            THOUGHT,
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "phase": "commentary",
                "content": [{"type": "output_text", "annotations": CITED}],
            },
            SEARCH,
            {"type": "function_call", "id": "fc_1", "name": "get_weather"},
            {"type": "function_call", "id": "fc_2", "name": "get_weather"},
        ]
    },
)


def response(output: Sequence[Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "model": "m-1",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "output": list(output),
        "usage": USAGE,
        **fields,
    }


def decoder(profile: Profile | None = None) -> Decoder:
    return Decoder(profile or Profile(), TOOLS, {"x-request-id": "req_1"}, secret="sk-secret")


def plain(body: Any) -> ModelResponse:
    return decoder().plain(json.dumps(body).encode())


def events_of(output: Sequence[Any], last: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The events of an answer, as OpenAI sends them."""
    events: list[dict[str, Any]] = [{"type": "response.created", "response": response([], "in_progress", usage=None)}]
    for index, item in enumerate(output):
        place = {"output_index": index}
        inside = {"item_id": item["id"], **place}
        begun = {**item, "content": [], "summary": [], "arguments": "", "status": "in_progress"}
        begun = {key: begun[key] for key in item if key in begun}
        events.append({"type": "response.output_item.added", **place, "item": begun})
        for number, part in enumerate(item.get("summary", ())):
            events += texts("response.reasoning_summary_text", part["text"], inside | {"summary_index": number}, "text")
        for number, part in enumerate(item.get("content", ())):
            field = "refusal" if part["type"] == "refusal" else "text"
            where = inside | {"content_index": number}
            events.append({"type": "response.content_part.added", **where, "part": {**part, field: ""}})
            events += texts(f"response.{part['type']}", part[field], where, field)
            events.append({"type": "response.content_part.done", **where, "part": part})
        if "arguments" in item:
            events += texts("response.function_call_arguments", item["arguments"], inside, "arguments")
        events.append({"type": "response.output_item.done", **place, "item": item})
    return [*events, last or {"type": "response.completed", "response": response(output)}]


def texts(stem: str, text: str, where: dict[str, Any], field: str) -> list[dict[str, Any]]:
    deltas = [{"type": f"{stem}.delta", **where, "delta": text[i : i + 4]} for i in range(0, len(text), 4)]
    return [*deltas, {"type": f"{stem}.done", **where, field: text}]


def stream(events: Iterable[Any], using: Decoder | None = None) -> tuple[ModelResponse, list[Delta]]:
    reader, deltas = using or decoder(), list[Delta]()
    for event in events:
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        deltas.extend(reader.feed(ServerSentEvent("", data)))
    deltas.extend(reader.flush())
    return reader.close(), deltas


def shown(deltas: Iterable[Delta], kind: type[TextDelta] | type[ReasoningDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


def arguments(deltas: Iterable[Delta]) -> dict[int, str]:
    found: dict[int, str] = {}
    for delta in deltas:
        if isinstance(delta, ArgumentsDelta):
            assert delta.name == "get_weather"
            found[delta.index] = found.get(delta.index, "") + delta.text
    return found


def test_a_plain_body_is_the_whole_answer() -> None:
    body = response(OUTPUT)
    assert plain(body) == ModelResponse(
        message=MESSAGE,
        finish_reason="tool_calls",
        usage=Usage(
            requests=1,
            input_tokens=62,
            cached_tokens=12,
            output_tokens=18,
            reasoning_tokens=8,
            total_tokens=80,
            raw=USAGE,
        ),
        model="m-1",
        id="resp_1",
        raw=body,
        headers={"x-request-id": "req_1"},
    )


def test_a_stream_is_the_same_answer_and_shows_all_of_it() -> None:
    answer, deltas = stream(events_of(OUTPUT))
    body = response(OUTPUT)
    raw = {key: body[key] for key in body if key != "output"}
    assert answer.raw == raw
    assert answer == ModelResponse(**{**_fields(plain(body)), "raw": raw})
    assert shown(deltas, TextDelta) == "It is 7 C."
    assert shown(deltas, ReasoningDelta) == "First.\n\nThen."
    assert arguments(deltas) == {0: OSLO["arguments"], 1: ROME["arguments"]}


def _fields(answer: ModelResponse) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in answer.__slots__}


def test_the_sample_stream_gives_its_call() -> None:
    reader, parser = decoder(), ServerSentEvents()
    for chunk in SAMPLE["chunks"]:
        for event in parser.feed(chunk.encode()):
            reader.feed(event)
    assert reader.done
    answer = reader.close()
    assert answer.message == AssistantMessage([ToolCall("call_1", "get_weather", {"city": "Oslo"}, '{"city":"Oslo"}')])
    assert (answer.finish_reason, answer.usage.total_tokens, answer.id) == ("tool_calls", 80, "resp_1")


def _without(*fields: str) -> Any:
    return lambda events: [{key: event[key] for key in event if key not in fields} for event in events]


def _fewer(*endings: str) -> Any:
    return lambda events: [event for event in events if not event["type"].endswith(endings)]


def _fresh_ids(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "item_id": f"x{n}"} if "item_id" in event else event for n, event in enumerate(events)]


def _one_place(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "output_index": 0} if "output_index" in event else event for event in events]


def _empty_end(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events[:-1], {"type": "response.completed", "response": response([])}]


def _repeated(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events for _ in range(1 if event["type"].endswith("delta") else 2)]


def _with_done(events: list[dict[str, Any]]) -> list[Any]:
    return [*events, b"[DONE]", {"type": "later"}]


def _without_annotations(message: AssistantMessage) -> AssistantMessage:
    kept = [{**item, "content": [{"type": "output_text"}]} if "content" in item else item for item in _kept(message)]
    return AssistantMessage(message.parts, extra={"output_items": kept})


def _kept(message: AssistantMessage) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = message.extra["output_items"]
    return kept


NO_SNAPSHOTS = _fewer(".done")
ODD = [
    _without("item_id"),
    _without("sequence_number", "output_index"),
    NO_SNAPSHOTS,
    _fewer("_part.added", "_part.done"),
    _fewer(".delta"),
    _fewer("output_item.added"),
    _fewer("output_item.done"),
    _fresh_ids,
    _one_place,
    _repeated,
    _with_done,
]
odd = pytest.mark.parametrize("change", ODD, ids=range(len(ODD)))


@odd
def test_odd_streams_with_a_whole_end_mean_the_same(change: Any) -> None:
    answer, deltas = stream(change(events_of(OUTPUT)))
    assert answer.message == MESSAGE
    assert shown(deltas, TextDelta) == "It is 7 C."
    assert shown(deltas, ReasoningDelta) == "First.\n\nThen."


@odd
def test_odd_streams_with_an_empty_end_are_what_was_streamed(change: Any) -> None:
    answer, deltas = stream(change(_empty_end(events_of(OUTPUT))))
    # Annotations come with the snapshots alone.
    assert answer.message == (_without_annotations(MESSAGE) if change is NO_SNAPSHOTS else MESSAGE)
    assert shown(deltas, TextDelta) == "It is 7 C."


def test_deltas_alone_make_the_parts() -> None:
    bare = [event for event in events_of(OUTPUT) if event["type"].endswith("delta")]
    answer, _ = stream([*bare, {"type": "response.completed", "response": response([])}])
    assert answer.message.parts[:2] == MESSAGE.parts[:2]
    assert "a tool call without a name was left out" in answer.warnings


def test_a_begun_item_with_whole_arguments_needs_no_more() -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": OSLO}
    end = {"type": "response.completed", "response": {"status": "completed"}}
    assert stream([begun, end])[0].message.tool_calls == MESSAGE.tool_calls[:1]


def test_the_last_snapshot_wins_over_what_was_streamed() -> None:
    other = {**SAID, "content": [{**CONTENT, "text": "It is 8 C."}]}
    answer, deltas = stream(events_of([SAID], {"type": "response.completed", "response": response([other])}))
    assert answer.message.text == "It is 8 C."
    assert shown(deltas, TextDelta) == "It is 7 C."


def test_an_answer_with_nothing_to_send_back_keeps_nothing() -> None:
    simple = {**SAID, "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
    del simple["phase"]
    assert plain(response([simple])).message == AssistantMessage("Hi")
    assert plain(response([{"type": "message", "content": "Hi"}])).message == AssistantMessage("Hi")


def test_reasoning_without_what_it_led_to_is_not_kept() -> None:
    answer = plain(response([THOUGHT], "incomplete", incomplete_details={"reason": "max_output_tokens"}))
    assert answer.message == AssistantMessage([ReasoningPart("First.\n\nThen.", "summary")])
    assert answer.finish_reason == "length"
    open_text = {"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "Raw."}]}
    answer = plain(response([{**open_text, "encrypted_content": None, "status": None}, SAID]))
    assert answer.message.parts[0] == ReasoningPart("Raw.", "content")
    assert _kept(answer.message)[0] == {**open_text, "summary": []}


@pytest.mark.parametrize(
    ("status", "reason", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "content_filter"),
        ("incomplete", "steered", "other"),
        ("incomplete", None, "other"),
    ],
)
def test_the_status_says_how_it_ended(status: str, reason: str | None, finish: str) -> None:
    body = response([SAID], status, incomplete_details=reason and {"reason": reason})
    assert plain(body).finish_reason == finish
    last = {"type": f"response.{status}", "response": body}
    assert stream(events_of([SAID], last))[0].finish_reason == finish


def test_a_refusal_is_one_plain_and_streamed() -> None:
    refused = {**SAID, "content": [{"type": "refusal", "refusal": "No, I can not."}]}
    for answer in (plain(response([refused])), stream(events_of([refused]))[0]):
        assert answer.message.parts == (RefusalPart("No, I can not."),)
        assert answer.finish_reason == "refusal"


def test_a_cut_call_is_left_out_and_a_whole_one_stays() -> None:
    cut = {**ROME, "arguments": '{"city": "Ro', "status": "incomplete"}
    empty = {**ROME, "arguments": "", "status": "incomplete"}
    for broken in (cut, empty):
        body = response([OSLO, broken], "incomplete", incomplete_details={"reason": "max_output_tokens"})
        answer = plain(body)
        assert answer.message.tool_calls == MESSAGE.tool_calls[:1]
        assert answer.finish_reason == "length"
        assert answer.warnings == ("the call of get_weather was cut and left out",)


def test_a_call_cut_in_a_stream_with_an_empty_end_is_left_out() -> None:
    end = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    cut = [event for event in events_of([SAID, OSLO])[:-1] if not event["type"].endswith("done")][:-1]
    answer, _ = stream([*cut, {"type": "response.incomplete", "response": end}])
    assert (answer.message.text, answer.message.tool_calls) == ("It is 7 C.", ())
    assert answer.finish_reason == "length"


def test_a_computer_call_is_a_call_of_the_tool_that_is_one() -> None:
    check = {"id": "sc_1", "code": "malicious", "message": "Look."}
    item = {
        "type": "computer_call",
        "id": "cu_1",
        "call_id": "call_c",
        "status": "completed",
        "actions": [{"type": "click", "x": 1, "y": 2, "button": "left"}],
        "pending_safety_checks": [check],
    }
    for answer in (plain(response([item])), stream(events_of([item]))[0]):
        (call,) = answer.message.tool_calls
        assert (call.id, call.name) == ("call_c", "screen")
        assert call.arguments == {"actions": item["actions"], "pending_safety_checks": [check]}
        assert _kept(answer.message) == [{key: item[key] for key in item if key != "call_id"}]
        assert answer.finish_reason == "tool_calls"


def test_ids_names_and_arguments_that_are_odd_are_mended() -> None:
    same = [
        {**OSLO, "call_id": "", "id": "fc_7"},
        {**OSLO, "call_id": None, "id": None},
        {**OSLO, "name": "functions.get_weather", "arguments": {"city": "Oslo"}},
        {**OSLO, "arguments": None},
        {**OSLO, "name": None},
        {**OSLO, "arguments": '{"city":"A"}{"city":"B"}'},
    ]
    answer = plain(response([THOUGHT, *same]))
    calls = answer.message.tool_calls
    assert [call.arguments for call in calls] == [
        {"city": "Oslo"},
        {"city": "Oslo"},
        {"city": "Oslo"},
        {},
        {"city": "A"},
        {"city": "B"},
    ]
    assert {call.name for call in calls} == {"get_weather"}
    assert calls[0].id == "fc_7"
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "It broke."}, ServerError),
        ({"code": "rate_limit_exceeded", "message": "Slow down."}, RateLimited),
        ({"code": "invalid_prompt", "message": "No."}, BadRequest),
        ({"code": "invalid_image_format", "message": "No."}, BadRequest),
        ({"type": "overloaded_error", "message": "Busy."}, Overloaded),
        ({"code": 401, "message": "Who?"}, AuthenticationError),
        (None, ServerError),
    ],
)
def test_a_failed_response_is_its_error_with_what_had_come(error: Any, kind: type[GatewayError]) -> None:
    body = response([], "failed", error=error)
    with pytest.raises(kind) as plainly:
        plain(body)
    with pytest.raises(kind) as streamed:
        stream([*events_of([SAID])[:-2], {"type": "response.failed", "response": body}])
    assert type(plainly.value) is type(streamed.value)
    assert streamed.value.partial is not None
    assert streamed.value.partial.text == "It is 7 C."


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "sk-secret is slow", "param": None},
        {"type": "error", "error": {"type": "rate_limit_error", "message": "sk-secret is slow"}},
        {"error": {"code": 429, "message": "sk-secret is slow"}},
        {"type": "error", "status": 429, "error": {"message": "sk-secret is slow"}},
    ],
)
def test_an_error_event_is_that_error(event: Any) -> None:
    with pytest.raises(RateLimited) as streamed:
        stream([*events_of(OUTPUT)[:-4], event])
    partial = streamed.value.partial
    assert partial is not None
    assert (partial.text, partial.tool_calls) == ("It is 7 C.", ())
    with pytest.raises(RateLimited) as plainly:
        plain(event)
    assert "sk-secret" not in f"{streamed.value}{plainly.value}{plainly.value.body}"


def test_a_cut_stream_is_never_an_answer() -> None:
    events = events_of(OUTPUT)
    for length in range(len(events)):
        with pytest.raises(StreamTruncated):
            stream([*events[:length], b"[DONE]"])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>No</html>", b"[]", b"3", b"{}", b'{"output":3}', b'{"output":[],"status":"queued"}', b"[" * 9000],
)
def test_a_body_that_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        decoder().plain(body)
    with pytest.raises((MalformedResponse, StreamTruncated)):
        stream([body])


def test_events_on_lines_without_blank_lines_are_events_of_their_own() -> None:
    glued = b"\n".join(json.dumps(event).encode() for event in events_of(OUTPUT))
    assert stream([glued])[0].message == MESSAGE


def test_logprobs_come_with_the_text() -> None:
    tokens = [{"token": "It", "logprob": -0.1, "top_logprobs": []}]
    item = {**SAID, "content": [{"type": "output_text", "text": "It", "logprobs": tokens, "annotations": []}]}
    assert plain(response([item])).logprobs == tuple(tokens)
    delta = {"type": "response.output_text.delta", "delta": "It", "logprobs": tokens}
    assert stream([delta, {"type": "response.completed", "response": response([])}])[0].logprobs == tuple(tokens)


def test_an_item_too_deep_to_write_again_goes_back_as_its_parts() -> None:
    deep: Any = {}
    for _ in range(40_000):
        deep = {"x": deep}
    reader = decoder()
    reader.feed(ServerSentEvent("", b'{"type":"response.created","response":{}}'))
    answer = reader._complete({}, [{"type": "strange", "x": deep}, SAID], {}, "completed", ())
    assert answer.message == AssistantMessage("It is 7 C.")
    assert "nested too deeply" in answer.warnings[0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 6000), max_size=12))
def test_any_chunking_of_the_stream_is_the_same_answer(cuts: list[int]) -> None:
    data = b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event).encode() + b"\n\n"
        for event in events_of(OUTPUT)
    )
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    parser, reader = ServerSentEvents(), decoder()
    for start, end in itertools.pairwise(places):
        for event in parser.feed(data[start:end]):
            reader.feed(event)
    assert reader.close().message == MESSAGE


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 600) | st.floats() | st.text(max_size=5) | st.sampled_from(["failed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_whatever_is_mutated_only_a_gateway_error_is_raised(data: st.DataObject) -> None:
    events = copy.deepcopy(events_of(OUTPUT))
    for _ in range(data.draw(st.integers(1, 4))):
        target: Any = data.draw(st.sampled_from(events))
        while True:
            key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
            inner = target[key]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
                break
            target = inner
        target[key] = data.draw(_JSON)
    lines = [json.dumps(event).encode() for event in events]
    reader = decoder()
    try:
        stream(lines, reader)
    except GatewayError:
        reader.partial()
    body = json.loads(lines[-1])
    with contextlib.suppress(GatewayError):
        decoder().plain(json.dumps(body.get("response") if isinstance(body, dict) else body).encode())
