"""Faults by name: what each one does to a request, to how many, and to which."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from agentkit.emulator import Call, Emulator, Fault, Raw, Reply
from agentkit.errors import ConfigurationError

from .conftest import Ask

LOOKUP = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}


def ok(request: object) -> Reply:
    return Reply('{"answer": 42}')


def calling(request: object) -> Reply:
    return Reply(calls=(Call("lookup", {"key": "a"}), Call("lookup", {"key": "b"})))


def choice(response: httpx.Response) -> Any:
    return response.json()["choices"][0]


@pytest.mark.parametrize(
    ("fault", "status", "code", "waits"),
    [
        ("unauthorized", 401, "invalid_api_key", {}),
        ("payment_required", 402, "insufficient_balance", {}),
        ("context_overflow", 400, "context_length_exceeded", {}),
        ("unprocessable", 422, "invalid_param", {}),
        ("quota", 429, "insufficient_quota", {}),
        ("rate_limit", 429, "rate_limit_exceeded", {"retry-after": "1"}),
        ("rate_limit_fast", 429, "rate_limit_exceeded", {"retry-after-ms": "50"}),
        ("rate_limit_bare", 429, "rate_limit_exceeded", {}),
        ("server_error", 500, "server_error", {}),
        ("overloaded", 503, "rate_limit_unavailable", {}),
    ],
)
def test_a_fault_with_a_status_is_that_error_once_and_then_all_is_well(
    ask: Ask, fault: str, status: int, code: str, waits: dict[str, str]
) -> None:
    with Emulator(ok, faults=[fault]) as gateway:
        failed, then = ask(gateway), ask(gateway)

    assert (failed.status_code, failed.json()["error"]["code"]) == (status, code)
    assert {name: value for name, value in failed.headers.items() if "retry" in name or "reset" in name} == waits
    assert then.status_code == 200


def test_faults_come_in_order_each_as_often_as_it_says(ask: Ask) -> None:
    with Emulator(ok, faults=["rate_limit:2", "server_error", Fault("overloaded")]) as gateway:
        assert [ask(gateway).status_code for _ in range(6)] == [429, 429, 500, 503, 200, 200]


def test_a_fault_without_end_hits_every_request(ask: Ask) -> None:
    with Emulator(ok, faults=["server_error:inf"]) as gateway:
        assert {ask(gateway).status_code for _ in range(5)} == {500}


def test_a_fault_can_be_for_certain_requests_and_let_some_pass(ask: Ask) -> None:
    named = Fault("server_error", match="Köln\n", skip=1)
    with Emulator(ok, faults=[named]) as gateway:
        said = ["Bonn", "Köln\n", "Bonn", "Köln\n", "Köln\n"]
        statuses = [ask(gateway, messages=[{"role": "user", "content": text}]).status_code for text in said]

    assert statuses == [200, 200, 200, 500, 200]


def test_a_fault_can_be_injected_while_the_gateway_runs(ask: Ask) -> None:
    with Emulator(ok) as gateway:
        before = ask(gateway).status_code
        gateway.inject("server_error")
        assert (before, ask(gateway).status_code, ask(gateway).status_code) == (200, 500, 200)


def test_a_refused_request_uses_up_no_fault(ask: Ask) -> None:
    with Emulator(ok, faults=["server_error"]) as gateway:
        assert [ask(gateway, messages=[]).status_code, ask(gateway).status_code] == [400, 500]


def test_a_fault_before_the_brain_uses_up_no_step_of_a_script(ask: Ask) -> None:
    with Emulator([Reply("one")], faults=["rate_limit"]) as gateway:
        ask(gateway)
        assert choice(ask(gateway))["message"]["content"] == "one"


def test_a_cut_stream_ends_in_the_middle_without_its_end(client: httpx.Client) -> None:
    with Emulator([Reply("one two three four five")], faults=["cut_stream"]) as gateway:
        body = {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"authorization": f"Bearer {gateway.key}"}
        read: list[bytes] = []
        with (
            client.stream("POST", f"{gateway.url}/chat/completions", json=body, headers=headers) as response,
            pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        ):
            read.extend(response.iter_raw())

    texts = [
        json.loads(event[6:])["choices"][0]["delta"]["content"]
        for event in b"".join(read).decode().split("\n\n")
        if event
    ]
    assert texts == ["", "one ", "two "]


def test_a_cut_plain_answer_ends_in_the_middle_of_its_body(ask: Ask) -> None:
    with (
        Emulator(ok, faults=["cut_stream"]) as gateway,
        pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete message body"),
    ):
        ask(gateway)


def test_an_error_in_the_stream_is_its_last_frame_and_the_connection_ends(ask: Ask) -> None:
    with Emulator([Reply("one two three four")], faults=["error_in_stream"]) as gateway:
        response = ask(gateway, stream=True)

    frames = [json.loads(frame[6:]) for frame in response.text.split("\n\n") if frame]
    assert [frame["choices"][0]["delta"]["content"] for frame in frames[:-1]] == ["", "one ", "two "]
    assert frames[-1]["error"]["message"] == "the upstream provider failed"
    assert (response.status_code, response.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("fault", "stream"), [("error_in_200", False), ("error_in_200", True), ("error_in_stream", False)]
)
def test_an_error_may_come_as_a_200(ask: Ask, fault: str, stream: bool) -> None:
    with Emulator(ok, faults=[fault]) as gateway:
        response = ask(gateway, stream=stream)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {
        "error": {"code": "server_error", "message": "the upstream provider failed", "type": "server_error"}
    }


def test_html_comes_as_a_200(ask: Ask) -> None:
    with Emulator(ok, faults=["html"]) as gateway:
        response = ask(gateway)

    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.text.startswith("<!doctype html>")


def test_a_disconnect_closes_without_a_word(ask: Ask) -> None:
    with Emulator(ok, faults=["disconnect"]) as gateway:
        with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected without sending a response"):
            ask(gateway)

        assert ask(gateway).status_code == 200


def test_a_hang_never_answers_and_ends_with_the_server(client: httpx.Client) -> None:
    with Emulator(ok, faults=["hang"]) as gateway:
        body = {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {gateway.key}"}
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{gateway.url}/chat/completions", json=body, headers=headers, timeout=0.05)
        assert client.post(f"{gateway.url}/chat/completions", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_whole(ask: Ask, stream: bool) -> None:
    with Emulator(ok, faults=["slow:0.01"]) as gateway:
        slow, fast = ask(gateway, stream=stream).text, ask(gateway, stream=stream).text

    assert len(slow) == len(fast)  # they differ in the digits of their ids and times


def test_malformed_arguments_are_json_cut_in_half(ask: Ask) -> None:
    with Emulator(calling, faults=["malformed_arguments"]) as gateway:
        calls = choice(ask(gateway, tools=[LOOKUP]))["message"]["tool_calls"]

    assert [call["function"]["arguments"] for call in calls] == ['{"key', '{"key']


def test_malformed_arguments_wait_for_an_answer_that_has_some(ask: Ask) -> None:
    def brain(request: Any) -> Reply:
        return calling(request) if "tools" in request else ok(request)

    with Emulator(brain, faults=["malformed_arguments"]) as gateway:
        text = choice(ask(gateway))["message"]["content"]
        calls = choice(ask(gateway, tools=[LOOKUP]))["message"]["tool_calls"]

    assert (text, calls[0]["function"]["arguments"]) == ('{"answer": 42}', '{"key')


@pytest.mark.parametrize(
    ("reply", "spoiled"), [('{"answer": 42}', '{"answer" = 42}'), ("[1]", "[[1]")], ids=["object", "array"]
)
def test_invalid_json_spoils_the_text(ask: Ask, reply: str, spoiled: str) -> None:
    with Emulator([Reply(reply)], faults=["invalid_json"]) as gateway:
        assert choice(ask(gateway))["message"]["content"] == spoiled


def test_invalid_json_spoils_the_arguments_when_there_is_no_text(ask: Ask) -> None:
    with Emulator(calling, faults=["invalid_json"]) as gateway:
        calls = choice(ask(gateway, tools=[LOOKUP]))["message"]["tool_calls"]

    assert calls[0]["function"]["arguments"] == '{"key" ="a"}'


def test_length_cuts_the_text_and_says_so(ask: Ask) -> None:
    with Emulator(ok, faults=["length"]) as gateway:
        cut = choice(ask(gateway))

    assert (cut["message"]["content"], cut["finish_reason"]) == ('{"answe', "length")


def test_length_cuts_the_last_call_and_says_so(ask: Ask) -> None:
    with Emulator(calling, faults=["length"]) as gateway:
        cut = choice(ask(gateway, tools=[LOOKUP]))

    arguments = [call["function"]["arguments"] for call in cut["message"]["tool_calls"]]
    assert (arguments, cut["finish_reason"]) == (['{"key":"a"}', '{"key'], "length")


@pytest.mark.parametrize("fault", ["invalid_json", "length"])
def test_a_fault_that_finds_nothing_to_spoil_waits(ask: Ask, fault: str) -> None:
    with Emulator([Reply(""), Raw((b"{}",)), Reply("text")], faults=[fault]) as gateway:
        nothing, raw, hit = ask(gateway), ask(gateway), ask(gateway)

    assert (choice(nothing)["message"]["content"], raw.json()) == ("", {})
    assert choice(hit)["message"]["content"] != "text"


@pytest.mark.parametrize(
    ("fault", "message", "reason"),
    [
        ("refusal", {"role": "assistant", "content": None, "refusal": "I'm sorry, I can't help with that."}, "stop"),
        ("empty", {"role": "assistant", "content": ""}, "stop"),
        ("content_filter", {"role": "assistant", "content": ""}, "content_filter"),
    ],
)
def test_some_faults_answer_instead_of_the_brain(ask: Ask, fault: str, message: object, reason: str) -> None:
    with Emulator([Reply("one")], faults=[fault]) as gateway:
        instead, then = choice(ask(gateway)), choice(ask(gateway))

    assert (instead["message"], instead["finish_reason"]) == (message, reason)
    assert then["message"]["content"] == "one"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rate_limit", Fault("rate_limit")),
        ("rate_limit:3", Fault("rate_limit", count=3)),
        ("hang:inf", Fault("hang", count=math.inf)),
        ("slow:0.5", Fault("slow", seconds=0.5)),
        ("slow:2:3", Fault("slow", seconds=2, count=3)),
    ],
)
def test_a_fault_is_spelled_by_its_name_and_numbers(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate_limits", "no fault 'rate_limits'; there are content_filter, context_overflow, cut_stream,"),
        ("rate_limit:often", "written rate_limit:count, not 'rate_limit:often'"),
        ("rate_limit:1:2", "written rate_limit:count"),
        ("slow:1:2:3", "written slow:seconds:count"),
        ("rate_limit:0", "count >= 1"),
        ("rate_limit:nan", "count >= 1"),
        ("slow:-1", "seconds >= 0"),
        ("slow:inf", "finite seconds"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_can(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Emulator(ok, faults=[text])
