"""ToAPIs, mini and nano: the embedded gateway speaks its dialect over HTTP."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, Tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import AuthenticationError, BadRequest, ConfigurationError, RateLimited
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, TextDelta
from agentkit.providers import LearnedProfiles
from agentkit.transport import RetryPolicy

MODELS = ("gpt-5-4-mini-official", "gpt-5-4-nano-official")


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.mark.anyio
@pytest.mark.parametrize("id", MODELS)
async def test_an_agent_calls_in_parallel_and_answers(id: str, brain: Any, weather: Tool[..., Any]) -> None:
    settings = ModelSettings(max_tokens=256, temperature=0, stop=["END"])
    with Emulator(brain, gateway="toapis") as gateway:
        agent = Agent(gateway.model(id), instructions="Be terse.", tools=[weather], settings=settings)
        result = await agent.run("Weather in Oslo and Rome?")

    assert result.output == "Oslo and Rome: 7 degrees"
    assert (result.turns, result.tool_calls) == (2, 2)
    first, second = (request.body for request in gateway.requests)
    assert first == {
        "model": id,
        "max_tokens": 256,
        "temperature": 0,
        "stop": ["END"],
        "tool_choice": "auto",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather in one city.",
                    "parameters": weather.definition.parameters,
                },
            }
        ],
        "messages": [
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "Weather in Oslo and Rome?"},
        ],
    }
    assert second["messages"][:2] == first["messages"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool", "tool"]


@pytest.mark.anyio
@pytest.mark.parametrize(("id", "input_price", "output_price"), [(MODELS[0], 0.60, 3.60), (MODELS[1], 0.16, 0.96)])
async def test_the_cost_is_what_the_page_charges(id: str, input_price: float, output_price: float, brain: Any) -> None:
    with Emulator(brain, gateway="toapis") as gateway:
        result = await Agent(gateway.model(id)).run("Hi")

    usage = result.usage
    expected = (usage.input_tokens * input_price + usage.output_tokens * output_price) / 1_000_000
    assert result.cost == pytest.approx(expected)


@pytest.mark.anyio
async def test_a_streamed_answer_comes_in_pieces_and_is_the_same(brain: Any) -> None:
    with Emulator(brain, gateway="toapis") as gateway:
        plain = await Agent(gateway.model()).run("Hi")
        async with Agent(gateway.model()).stream("Hi") as run:
            pieces = [event.text async for event in run if isinstance(event, TextDelta)]

    assert "".join(pieces) == run.result.output == plain.output
    assert len(pieces) > 1
    assert run.result.usage.output_tokens == plain.usage.output_tokens


@pytest.mark.anyio
@pytest.mark.parametrize("refuses", [[], ["response_format"]])
async def test_structured_output_works_whether_its_channel_takes_response_format_or_not(
    refuses: list[str], weather: Tool[..., Any]
) -> None:
    def reply(request: Mapping[str, Any]) -> Reply:
        answer = {"city": "Oslo", "degrees": 7}
        return Reply(json.dumps(answer)) if "tools" not in request else Reply(calls=(Call("final_output", answer),))

    with Emulator(reply, gateway="toapis", refuses=refuses) as gateway:
        result = await Agent(gateway.model(learned=LearnedProfiles()), output=Weather).run("Weather?")

    assert result.output == Weather(city="Oslo", degrees=7)
    assert result.corrections == 0


@pytest.mark.anyio
@pytest.mark.outside_openai("a field of a wrong type is how the 400 is provoked")
async def test_its_errors_are_typed_and_sent_as_often_as_the_page_says() -> None:
    with Emulator(gateway="toapis", faults=["unauthorized", "rate_limit"]) as gateway:
        model = gateway.model(retry=RetryPolicy(waits=(0.0,), jitter=0.0))
        request = ModelRequest([UserMessage("Hi")])
        with pytest.raises(AuthenticationError):
            await model.respond(request)
        with pytest.raises(BadRequest):
            await model.respond(ModelRequest([UserMessage("Hi")], settings=ModelSettings(extra={"max_tokens": "many"})))
        assert len(gateway.requests) == 2
        limited = gateway.model(retry=RetryPolicy(retries=0))
        with pytest.raises(RateLimited) as caught:
            await limited.respond(request)

    assert caught.value.retryable


@pytest.mark.anyio
@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(max_tokens=0),
        ModelSettings(temperature=2.1),
        ModelSettings(top_p=1.1),
        ModelSettings(stop=["a", "b", "c", "d", "e"]),
    ],
)
async def test_values_outside_the_page_are_refused_before_a_request(settings: ModelSettings) -> None:
    with Emulator(gateway="toapis") as gateway, pytest.raises(ConfigurationError, match="toapis"):
        await gateway.model().respond(ModelRequest([UserMessage("Hi")], settings=settings))

    assert gateway.requests == []
