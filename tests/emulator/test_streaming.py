"""Plain answers and event streams: what a reply looks like on the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from agentkit.emulator import Call, Emulator, Raw, Reply

from .conftest import Ask

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
ARGUMENTS = {"city": "Oslo", "days": 3, "unit": "celsius"}


def events(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = response.text.split("\n\n")
    assert frames.pop() == ""
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def choices(response: httpx.Response) -> list[Any]:
    return [event["choices"][0] for event in events(response)]


def test_a_plain_answer_is_one_completion(ask: Ask) -> None:
    with Emulator([Reply("Hello!")]) as gateway:
        body = ask(gateway).json()

    created = body.pop("created")
    assert isinstance(created, int)
    assert body == {
        "id": "chatcmpl-emulated-1",
        "object": "chat.completion",
        "model": "gpt-5-4-mini-official",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 4,
            "completion_tokens": 2,
            "total_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_a_plain_answer_with_everything_in_it_keeps_each_in_its_field(ask: Ask) -> None:
    call = Call("get_weather", ARGUMENTS, id="call_1")
    with Emulator(
        [Reply("Let me see.", (call,), reasoning="Hm.", refusal="No.", usage={"total_tokens": 7})]
    ) as gateway:
        body = ask(gateway, tools=[WEATHER]).json()

    function = {"name": "get_weather", "arguments": '{"city":"Oslo","days":3,"unit":"celsius"}'}
    assert body["choices"][0] == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Let me see.",
            "reasoning_content": "Hm.",
            "refusal": "No.",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        "finish_reason": "tool_calls",
    }
    assert body["usage"] == {"total_tokens": 7}


def test_a_streamed_text_comes_in_pieces_between_a_role_and_an_end(ask: Ask) -> None:
    with Emulator([Reply("Hello, dear\n\nfriend")]) as gateway:
        streamed = choices(ask(gateway, stream=True))

    assert streamed == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        {"index": 0, "delta": {"content": "Hello, "}, "finish_reason": None},
        {"index": 0, "delta": {"content": "dear\n\n"}, "finish_reason": None},
        {"index": 0, "delta": {"content": "friend"}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]


def test_streamed_calls_come_by_index_with_their_arguments_in_fragments(ask: Ask) -> None:
    calls = [Call("get_weather", ARGUMENTS, id="a"), Call("get_weather", "{}", id="b")]
    with Emulator([Reply(calls=tuple(calls))]) as gateway:
        streamed = choices(ask(gateway, stream=True, tools=[WEATHER]))

    deltas = [choice["delta"]["tool_calls"][0] for choice in streamed if "tool_calls" in choice["delta"]]
    head = {"type": "function", "function": {"name": "get_weather", "arguments": ""}}
    assert deltas == [
        {"index": 0, "id": "a", **head},
        {"index": 0, "function": {"arguments": '{"city":"Osl'}},
        {"index": 0, "function": {"arguments": 'o","days":3,'}},
        {"index": 0, "function": {"arguments": '"unit":"cels'}},
        {"index": 0, "function": {"arguments": 'ius"}'}},
        {"index": 1, "id": "b", **head},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert streamed[0]["delta"] == {"role": "assistant", "content": None}
    assert streamed[-1] == {"index": 0, "delta": {}, "finish_reason": "tool_calls"}


def test_reasoning_and_refusal_are_streamed_in_fields_of_their_own(ask: Ask) -> None:
    with Emulator([Reply(reasoning="Is it allowed?", refusal="I cannot.")]) as gateway:
        streamed = choices(ask(gateway, stream=True))

    said = {
        name: "".join(choice["delta"].get(name) or "" for choice in streamed)
        for name in ("reasoning_content", "content", "refusal")
    }
    assert said == {"reasoning_content": "Is it allowed?", "content": "", "refusal": "I cannot."}


def test_usage_comes_in_a_last_chunk_without_choices_when_asked_for(ask: Ask) -> None:
    with Emulator([Reply("Hello!")]) as gateway:
        streamed = events(ask(gateway, stream=True, stream_options={"include_usage": True}))

    assert [event["usage"] for event in streamed[:-1]] == [None] * (len(streamed) - 1)
    assert (streamed[-1]["choices"], streamed[-1]["usage"]["completion_tokens"]) == ([], 2)


def test_a_stream_has_no_usage_when_nobody_asked(ask: Ask) -> None:
    with Emulator([Reply("Hello!")]) as gateway:
        assert not any("usage" in event for event in events(ask(gateway, stream=True)))


@pytest.mark.parametrize(
    "text", ["", "  two  spaces ", "a" * 100_000, "word " * 50_000, "line\u2028separator \U0001f600 ü"]
)
def test_a_text_survives_being_streamed_whatever_is_in_it(ask: Ask, text: str) -> None:
    with Emulator([Reply(text)]) as gateway:
        streamed = choices(ask(gateway, stream=True))

    assert "".join(choice["delta"].get("content") or "" for choice in streamed) == text
    assert len(streamed) < 200


def test_an_answer_is_cut_at_a_stop_sequence(ask: Ask) -> None:
    with Emulator([Reply("one two three")] * 3) as gateway:
        said = [ask(gateway, stop=stop).json()["choices"][0] for stop in ("two", ["three", " t"], "four")]

    assert [choice["message"]["content"] for choice in said] == ["one ", "one", "one two three"]
    assert [choice["finish_reason"] for choice in said] == ["stop"] * 3


def test_an_answer_longer_than_the_limit_is_cut_and_says_so(ask: Ask) -> None:
    with Emulator([Reply("one two three four")] * 2) as gateway:
        cut = ask(gateway, max_tokens=2).json()["choices"][0]
        whole = ask(gateway, max_tokens=4).json()["choices"][0]

    assert (cut["message"]["content"], cut["finish_reason"]) == ("one two t", "length")
    assert (whole["message"]["content"], whole["finish_reason"]) == ("one two three four", "stop")


def test_a_reply_that_names_its_end_is_sent_as_it_stands(ask: Ask) -> None:
    with Emulator([Reply("one two three four", finish_reason="content_filter")]) as gateway:
        choice = ask(gateway, max_tokens=2).json()["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two three four", "content_filter")


def test_what_an_earlier_request_began_with_counts_as_cached(ask: Ask) -> None:
    system, first = {"role": "system", "content": "Be terse. " * 20}, {"role": "user", "content": "One?"}
    said, second = {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Two?"}
    with Emulator(lambda request: Reply("Yes.")) as gateway:
        asked = [
            ask(gateway, messages=messages, **more).json()["usage"]
            for messages, more in (
                ([system, first], {}),
                ([system, first, said, second], {}),
                ([system, second], {}),
                ([{**system, "content": "Be kind."}, first], {}),
                ([system, first], {"tools": [WEATHER]}),
            )
        ]

    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in asked]
    only_system = cached[2]
    assert cached == [0, asked[0]["prompt_tokens"], only_system, 0, 0]
    assert 0 < only_system < asked[0]["prompt_tokens"]


def test_reasoning_is_counted_within_the_completion(ask: Ask) -> None:
    with Emulator([Reply("Yes.", reasoning="Let me think about it.")]) as gateway:
        usage = ask(gateway).json()["usage"]

    assert usage["completion_tokens_details"]["reasoning_tokens"] == 6
    assert usage["completion_tokens"] == 6 + 2


def test_an_image_is_counted_as_a_few_tokens_whatever_its_size(ask: Ask) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    with Emulator([Reply("A cat.")]) as gateway:
        usage = ask(gateway, messages=[{"role": "user", "content": [part]}]).json()["usage"]

    assert usage["prompt_tokens"] == 88


def test_call_ids_never_repeat_within_a_conversation_not_even_across_servers(ask: Ask) -> None:
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    ids: list[str] = []
    for _ in range(2):
        with Emulator(lambda request: Reply(calls=(Call("get_weather"), Call("get_weather")))) as gateway:
            for _ in range(2):
                message = ask(gateway, messages=messages, tools=[WEATHER]).json()["choices"][0]["message"]
                made = [call["id"] for call in message["tool_calls"]]
                messages += [message, *({"role": "tool", "tool_call_id": call, "content": "sunny"} for call in made)]
                ids += made

    assert len(set(ids)) == 8


def test_a_raw_answer_is_sent_verbatim(ask: Ask) -> None:
    raw = Raw((b"data: {", b'"x":1}\n\n'), status=418, headers={"Content-Type": "text/event-stream", "X-Own": "1"})
    with Emulator([raw]) as gateway:
        response = ask(gateway, stream=True)

    assert (response.status_code, response.content) == (418, b'data: {"x":1}\n\n')
    assert dict(response.headers) == {
        "content-type": "text/event-stream",
        "x-own": "1",
        "transfer-encoding": "chunked",
    }


def test_a_raw_answer_can_end_before_its_body_does(ask: Ask) -> None:
    with Emulator(
        [Raw((b"half",), close=True), Raw((b"half",), headers={"content-length": "8"}, close=True)]
    ) as gateway:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
                ask(gateway)


def test_a_raw_answer_that_is_not_http_closes_the_connection(ask: Ask) -> None:
    with Emulator([Raw((b"too long",), headers={"content-length": "1"}), Reply("fine")]) as gateway:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(gateway)

        assert ask(gateway).status_code == 200
