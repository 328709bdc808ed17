"""The official openai SDK, unchanged, against the embedded gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from agentkit.emulator import Call, Emulator, Reply, Script
from agentkit.tokens import estimate

MODEL = "gpt-5-4-mini-official"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather for a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TEMPERATURES = {"Oslo": -3, "Rome": 14}


class Item(BaseModel):
    name: str
    price: float | None


class Invoice(BaseModel):
    vendor: str
    currency: Literal["EUR", "USD"]
    items: list[Item]


@contextmanager
def sdk(gateway: Emulator) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, http_client=http) as client:
        yield client


def both(*said: str) -> Script:
    calls = tuple(Call("get_weather", {"city": city}) for city in TEMPERATURES)
    return Script([Reply(calls=calls), *map(Reply, said)])


def test_a_tool_loop_with_parallel_calls_runs_to_its_answer() -> None:
    with Emulator(both("Oslo is colder.")) as gateway, sdk(gateway) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which is colder, Oslo or Rome?"}]
        first = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], tool_choice="required")
        message = first.choices[0].message
        # The SDK's own object goes back as it came, as its documentation shows.
        messages.append(message)  # type: ignore[arg-type]
        for call in message.tool_calls or []:
            assert call.type == "function"
            city = json.loads(call.function.arguments)["city"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(TEMPERATURES[city])})
        second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])

        sent = gateway.requests[1].body["messages"]

    assert (first.choices[0].finish_reason, second.choices[0].message.content) == ("tool_calls", "Oslo is colder.")
    assert [message["content"] for message in sent if message["role"] == "tool"] == ["-3", "14"]
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    assert second.usage.prompt_tokens_details.cached_tokens == first.usage.prompt_tokens  # type: ignore[union-attr]


def test_a_streamed_answer_is_the_whole_answer_with_its_usage() -> None:
    with Emulator([Reply("Hello there, dear friend.")]) as gateway, sdk(gateway) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)

    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(text or "" for text in said) == "Hello there, dear friend."
    assert (len(said) > 3, chunks[-1].choices) == (True, [])
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == estimate("Hello there, dear friend.")


def test_a_streamed_tool_call_is_put_together_by_the_sdk() -> None:
    with (
        Emulator(both()) as gateway,
        sdk(gateway) as client,
        client.chat.completions.stream(
            model=MODEL, messages=[{"role": "user", "content": "Weather?"}], tools=[WEATHER]
        ) as stream,
    ):
        final = stream.get_final_completion().choices[0]

    calls = [(call.function.name, call.function.arguments) for call in final.message.tool_calls or []]
    assert calls == [("get_weather", '{"city":"Oslo"}'), ("get_weather", '{"city":"Rome"}')]
    assert final.finish_reason == "tool_calls"


@pytest.mark.parametrize("gateway_name", ["toapis", "bytespike", "modelstream", "openai"])
def test_parse_gives_the_pydantic_model_that_was_declared(gateway_name: str) -> None:
    invoice = Invoice(vendor="Acme", currency="EUR", items=[Item(name="Bolt", price=None)])
    with Emulator([Reply(invoice.model_dump_json())], gateway=gateway_name) as gateway, sdk(gateway) as client:
        model = client.models.list().data[0].id
        parsed = client.chat.completions.parse(
            model=model, messages=[{"role": "user", "content": "Acme, a bolt"}], response_format=Invoice
        )
        declared = gateway.requests[-1].body["response_format"]

    assert parsed.choices[0].message.parsed == invoice
    assert declared["json_schema"]["strict"] is True


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the SDK's own, about its `parsed` field
def test_a_parsed_answer_can_be_sent_back() -> None:
    said = Reply(Item(name="Bolt", price=1).model_dump_json())
    with Emulator([said, said]) as gateway, sdk(gateway) as client:
        messages: list[Any] = [{"role": "user", "content": "A bolt"}]
        first = client.chat.completions.parse(model=MODEL, messages=messages, response_format=Item)
        messages += [first.choices[0].message, {"role": "user", "content": "Again"}]
        second = client.chat.completions.parse(model=MODEL, messages=messages, response_format=Item)

    assert second.choices[0].message.parsed == Item(name="Bolt", price=1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("unauthorized", openai.AuthenticationError),
        ("unprocessable", openai.UnprocessableEntityError),
        ("rate_limit_fast:inf", openai.RateLimitError),
        ("disconnect:inf", openai.APIConnectionError),
    ],
)
def test_a_fault_is_the_sdks_own_error(fault: str, error: type[Exception]) -> None:
    with (
        Emulator(lambda request: Reply("ok"), faults=[fault]) as gateway,
        sdk(gateway) as client,
        pytest.raises(error),
    ):
        client.with_options(max_retries=0).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}]
        )


def test_the_sdk_waits_as_long_as_it_is_told_and_tries_again() -> None:
    with Emulator([Reply("ok")], faults=["rate_limit_fast:2"]) as gateway, sdk(gateway) as client:
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

        assert (answer.choices[0].message.content, len(gateway.requests)) == ("ok", 3)


def test_the_sdk_does_not_ask_again_when_a_script_has_run_out() -> None:
    with Emulator([]) as gateway, sdk(gateway) as client:
        with pytest.raises(openai.InternalServerError, match="the script has 0 steps"):
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

        assert len(gateway.requests) == 1
