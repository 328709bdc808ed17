"""Agents on the task API: output from words alone, limits on its cost, and its name."""

from dataclasses import replace
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, RunLimits, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ConfigurationError, GatewayTimeout, LimitExceeded
from agentkit.providers import Registry, RunwareModel
from agentkit.providers.gateways import GATEWAYS
from agentkit.providers.runware import Polling, WebhookReceiver

from .tasks import MODEL, sent, tasks

pytestmark = pytest.mark.anyio


class Invoice(BaseModel):
    number: str
    total: float


GOOD = Reply('{"number": "17", "total": 142.5}')


@pytest.mark.parametrize("delivery", ["sync", "async"])
async def test_an_output_is_asked_for_in_words_and_corrected_once(delivery: Any) -> None:
    with Emulator([Reply('{"number": "17"}'), GOOD], gateway="runware") as gateway:
        agent = Agent(tasks(gateway, delivery=delivery), instructions="You extract.", output=Invoice)
        result = await agent.run("Invoice 17: 142.50")

    first, second = (task for task in sent(gateway) if task["taskType"] == "textInference")
    assert result.output == Invoice(number="17", total=142.5)
    assert result.cost == result.usage.cost_usd
    assert result.cost
    assert "outputFormat" not in first
    assert '"total"' in first["settings"]["systemPrompt"] + first["messages"][0]["content"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][0] == first["messages"][0]
    assert second["settings"] == first["settings"]
    assert second["taskUUID"] != first["taskUUID"]


async def test_a_run_is_delivered_by_webhook() -> None:
    never = Polling(first=3600, budget=3600)
    with anyio.fail_after(5), Emulator([GOOD], gateway="runware") as gateway:
        async with WebhookReceiver(patience=3600) as receiver:
            agent = Agent(tasks(gateway, delivery=receiver, polling=never), output=Invoice)
            assert (await agent.run("Invoice 17: 142.50")).output == Invoice(number="17", total=142.5)

    assert len(gateway.requests) == 1


async def test_a_limit_in_dollars_needs_no_price_because_the_server_tells_the_cost() -> None:
    with Emulator([Reply('{"number": "17"}')] * 5, gateway="runware") as gateway:
        agent = Agent(tasks(gateway), output=Invoice, limits=RunLimits(cost_usd=0.00001))
        with pytest.raises(LimitExceeded):
            await agent.run("Invoice 17: 142.50")

    assert len(gateway.requests) == 1


async def test_a_request_is_reserved_with_the_bound_that_it_carries() -> None:
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        with pytest.raises(LimitExceeded):
            await Agent(tasks(gateway), limits=RunLimits(tokens=4096)).run("Hi")
        assert gateway.requests == []
        small = Agent(tasks(gateway), limits=RunLimits(tokens=4096), settings=ModelSettings(max_tokens=100))
        assert (await small.run("Hi")).output == "Hello!"


async def test_a_run_with_tools_calls_them_when_it_was_opted_in() -> None:
    @tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"22 degrees in {city}"

    replies = [Reply(calls=(Call("get_weather", {"city": "Oslo"}),)), Reply("It is 22 degrees.")]
    with Emulator(replies, gateway="runware") as gateway:
        agent = Agent(tasks(gateway, experimental_tools=True), tools=[get_weather])
        assert (await agent.run("Weather in Oslo?")).output == "It is 22 degrees."
        with pytest.raises(ConfigurationError, match="use 'runware:' for the OpenAI-compatible surface"):
            await Agent(tasks(gateway), tools=[get_weather]).run("Weather in Oslo?")

    _, second = sent(gateway)
    assert second["messages"][-1]["content"] == "22 degrees in Oslo"


async def test_a_run_streams_its_text() -> None:
    with Emulator([Reply("Hello there, dear world!")], gateway="runware") as gateway:
        async with Agent(tasks(gateway)).stream("Hi") as run:
            async for _ in run:
                pass

    assert run.result.output == "Hello there, dear world!"
    assert sent(gateway)[0]["deliveryMethod"] == "stream"


async def test_a_runs_time_bounds_the_polls() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", polls=10**9) as gateway:
        once = Polling(first=0, second=3600)
        agent = Agent(tasks(gateway, delivery="async", polling=once), limits=RunLimits(seconds=0.5))
        with anyio.fail_after(5), pytest.raises((GatewayTimeout, LimitExceeded)):
            await agent.run("Hi")

    assert [task["taskType"] for task in sent(gateway)] == ["textInference", "getResponse"]


async def test_an_agent_is_given_the_task_api_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator([Reply('Here it is: {"number": "17"}'), GOOD], gateway="runware") as gateway:
        preset = replace(GATEWAYS["runware/tasks"], base_url=gateway.urls["tasks"])
        monkeypatch.setitem(GATEWAYS, "runware/tasks", preset)
        monkeypatch.setenv("RUNWARE_API_KEY", gateway.key)
        agent = Agent(f"runware/tasks:{MODEL}", output=Invoice, registry=Registry())
        assert (await agent.run("Invoice 17: 142.50")).output == Invoice(number="17", total=142.5)

    assert [task["model"] for task in sent(gateway)] == [MODEL, MODEL]


@pytest.mark.parametrize("name", ["runware/tasks", f"runware/tasks:{MODEL}"])
def test_the_name_of_the_task_api_is_that_of_its_model(name: str) -> None:
    model = Registry().model(name)

    assert isinstance(model, RunwareModel)
    assert (model.name, model.base_url) == (f"runware/tasks:{MODEL}", "https://api.runware.ai/v1")


def test_the_compatible_surface_is_the_default_for_agents() -> None:
    assert not isinstance(Registry().model(f"runware:{MODEL}"), RunwareModel)
