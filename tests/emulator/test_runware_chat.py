"""Runware's OpenAI-compatible surface, as its documents say, and with OpenAI's own client."""

from __future__ import annotations

import openai
import pytest

from agentkit.emulator import Call, Emulator, Reply

from .conftest import Ask

LOOKUP = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}


def ok(request: object) -> Reply:
    return Reply("ok")


def test_an_answer_has_no_created_and_no_fingerprint(ask: Ask) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        body = ask(gateway).json()

    assert list(body) == ["id", "object", "model", "choices", "usage"]
    assert body["model"] == "openai:gpt@5.4-mini"
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_the_ids_of_calls_name_the_function_and_count_on_through_the_conversation(ask: Ask) -> None:
    calls = (Call("lookup", {"key": "a"}), Call("lookup", {"key": "b"}), Call("lookup", id="own"))
    user = {"role": "user", "content": "Hi"}
    with Emulator([Reply(calls=calls), Reply(calls=calls[:1])], gateway="runware") as gateway:
        first = ask(gateway, tools=[LOOKUP]).json()["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in first["tool_calls"]]
        second = ask(gateway, tools=[LOOKUP], messages=[user, first, *results]).json()["choices"][0]["message"]

    assert first["content"] is None
    assert [call["id"] for call in first["tool_calls"]] == ["functions.lookup:0", "functions.lookup:1", "own"]
    assert [call["id"] for call in second["tool_calls"]] == ["functions.lookup:3"]


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "lookup"}}])
def test_every_choice_among_tools_is_taken(ask: Ask, choice: object) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        assert ask(gateway, tools=[LOOKUP], tool_choice=choice).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("max_completion_tokens", 128_000, 200),
        ("max_completion_tokens", 128_001, 400),
        ("max_tokens", 5, 400),
        ("temperature", 2.1, 400),
        ("model", "openai:gpt@5", 404),
    ],
)
def test_the_pages_ranges_hold(ask: Ask, name: str, value: object, status: int) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        response = ask(gateway, **{name: value})

    assert response.status_code == status
    assert status == 200 or response.json()["error"]["param"] == name


def test_openais_client_works_with_it() -> None:
    with (
        Emulator([Reply("one two"), Reply("three four"), Reply("five")], gateway="runware") as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client,
    ):
        model = client.models.retrieve("openai:gpt@5.4-mini").id
        plain = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
        chunks = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        response = client.responses.create(model=model, input="Hi")

    assert (plain.choices[0].message.content, text, response.output_text) == ("one two", "three four", "five")
