"""Runware: the OpenAI-compatible surface for agents; tests/providers/runware has the native task API."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, Tool
from agentkit.emulator import Emulator
from agentkit.errors import QuotaExhausted
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, TextDelta
from agentkit.providers import ChatCompletionsModel, Registry, RunwareModel


class Weather(BaseModel):
    city: str
    degrees: int


def test_the_name_alone_means_the_compatible_surface_and_tasks_are_asked_for_by_name() -> None:
    registry = Registry()

    assert isinstance(registry.model("runware"), ChatCompletionsModel)
    assert isinstance(registry.model("runware/tasks"), RunwareModel)


@pytest.mark.anyio
@pytest.mark.parametrize("choice", ["auto", "required", "get_weather"])
async def test_an_agent_calls_in_parallel_under_each_choice(choice: str, brain: Any, weather: Tool[..., Any]) -> None:
    settings = ModelSettings(max_tokens=256)
    with Emulator(brain, gateway="runware") as gateway:
        agent = Agent(gateway.model(), tools=[weather], tool_choice=choice, settings=settings)
        result = await agent.run("Weather in Oslo and Rome?")

    named = {"type": "function", "function": {"name": "get_weather"}}
    assert result.output == "Oslo and Rome: 7 degrees"
    assert gateway.requests[0].path == "/v1/chat/completions"
    assert gateway.requests[0].body["model"] == "openai:gpt@5.4-mini"
    assert gateway.requests[0].body["max_completion_tokens"] == 256
    assert gateway.requests[0].body["tool_choice"] == (choice if choice in ("auto", "required") else named)


@pytest.mark.anyio
async def test_a_streamed_answer_is_the_plain_one(brain: Any) -> None:
    with Emulator(brain, gateway="runware") as gateway:
        plain = await Agent(gateway.model()).run("Hi")
        async with Agent(gateway.model()).stream("Hi") as run:
            pieces = [event.text async for event in run if isinstance(event, TextDelta)]

    assert "".join(pieces) == run.result.output == plain.output


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["runware", "runware/tasks"])
async def test_a_declared_output_is_enforced_on_both_surfaces(name: str, brain: Any) -> None:
    with Emulator(brain, gateway="runware") as gateway:
        kind = RunwareModel if name == "runware/tasks" else ChatCompletionsModel
        model = kind("openai:gpt@5.4-mini", gateway=name, base_url=gateway.url, api_key=gateway.key)
        result = await Agent(model, output=Weather).run("Weather?")

    assert result.output == Weather(city="Oslo", degrees=7)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["runware", "runware/tasks"])
async def test_used_up_credits_are_a_quota_on_both_surfaces_and_sent_once(name: str) -> None:
    with Emulator(gateway="runware", faults=["payment_required:9"]) as gateway:
        kind = RunwareModel if name == "runware/tasks" else ChatCompletionsModel
        model = kind("openai:gpt@5.4-mini", gateway=name, base_url=gateway.url, api_key=gateway.key)
        with pytest.raises(QuotaExhausted):
            await model.respond(ModelRequest([UserMessage("Hi")]))

    assert len(gateway.requests) == 1
