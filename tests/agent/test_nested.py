"""An agent as another's tool: one tree of runs, one budget."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ConfigurationError, LimitExceeded, ModelSettings, RunContext, RunLimits, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import ToolMessage
from agentkit.models import Profile
from agentkit.usage import Usage

pytestmark = pytest.mark.anyio

USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
ASK = Reply(calls=(Call("helper", {"prompt": "What is it?"}, id="ask"),), usage=USED)


class Answer(BaseModel):
    text: str


async def test_an_agent_as_a_tool_gets_prompt_and_deps_and_its_usage_and_cost_are_the_parents_too() -> None:
    seen: list[RunContext[str]] = []

    @tool
    async def look(ctx: RunContext[str]) -> str:
        """Look."""
        seen.append(ctx)
        return ctx.deps

    inner = [Reply(calls=(Call("look"),), usage=USED), Reply(text='{"text":"a cat"}', usage=USED)]
    with Emulator([ASK, *inner, Reply(text="It is a cat", usage=USED)]) as gateway:
        helper = Agent(gateway.model(), name="helper", tools=[look], output=Answer, deps_type=str)
        parent = Agent(gateway.model(), tools=[helper.as_tool(description="Knows things.")], deps_type=str)
        result = await parent.run("What?", deps="the deps")
        bodies = [request.body for request in gateway.requests]
    assert bodies[0]["tools"][0]["function"]["description"] == "Knows things."
    assert [message["content"] for message in bodies[1]["messages"]] == ["What is it?"]
    assert [message.text for message in result.messages if isinstance(message, ToolMessage)] == ['{"text":"a cat"}']
    assert result.usage == Usage(input_tokens=400, output_tokens=80, total_tokens=480, requests=4)
    assert result.cost == pytest.approx(4 * (100 * 0.60 + 20 * 3.60) / 1_000_000)
    assert (result.turns, result.tool_calls) == (2, 2)
    assert [(ctx.deps, ctx.scope.depth) for ctx in seen] == [("the deps", 1)]
    assert seen[0].run_id != result.run_id


@pytest.mark.parametrize(
    ("limits", "limit", "requests"),
    [
        (RunLimits(requests=2), "requests", 2),
        (RunLimits(tokens=560), "tokens", 2),
        (RunLimits(cost_usd=0.0014), "cost_usd", 2),
    ],
    ids=["requests", "tokens", "money"],
)
async def test_nested_agents_spend_from_the_limits_of_the_root(limits: RunLimits, limit: str, requests: int) -> None:
    settings = ModelSettings(max_tokens=300)

    @tool
    async def step(n: int) -> int:
        """Step."""
        return n

    inner = [Reply(calls=(Call("step", {"n": n}),), usage=USED) for n in range(5)]
    with Emulator([ASK, *inner]) as gateway:
        helper = Agent(gateway.model(), tools=[step], settings=settings, name="helper")
        parent = Agent(gateway.model(), tools=[helper.as_tool()], limits=limits, settings=settings)
        with pytest.raises(LimitExceeded) as caught:
            await parent.run("What?")
        assert (caught.value.limit, len(gateway.requests)) == (limit, requests)
    assert caught.value.usage.requests == requests
    assert isinstance(caught.value.history[-1], ToolMessage)


async def test_tool_calls_of_nested_agents_count_for_the_root() -> None:
    @tool
    async def step(n: int) -> int:
        """Step."""
        return n

    inner = Reply(calls=tuple(Call("step", {"n": n}) for n in range(5)))
    with Emulator([ASK, inner, Reply(text="inner"), Reply(text="outer")]) as gateway:
        helper = Agent(gateway.model(), tools=[step], name="helper")
        result = await Agent(gateway.model(), tools=[helper.as_tool()], limits=RunLimits(tool_calls=3)).run("What?")
        told = [message for message in gateway.requests[2].body["messages"] if message["role"] == "tool"]
    assert (result.output, result.tool_calls) == ("outer", 3)
    assert [message["content"][:7] for message in told] == ["0", "1", "Not run", "Not run", "Not run"]


async def test_a_nested_agent_without_a_price_cannot_pass_by_the_money_of_the_root() -> None:
    with Emulator([ASK, Reply(text="outer")]) as gateway:
        helper = Agent(gateway.model(profile=Profile()), name="helper")
        agent = Agent(gateway.model(), tools=[helper.as_tool()], limits=RunLimits(cost_usd=1))
        async with agent.stream("What?") as run:
            errors: list[Any] = [getattr(event, "error", None) async for event in run]
        assert len(gateway.requests) == 2
    (error,) = (error for error in errors if error is not None)
    assert isinstance(error, ConfigurationError)
    assert "limits.cost_usd=1 needs the price" in str(error)


async def test_an_error_of_a_nested_agent_is_a_failed_call_of_the_parent() -> None:
    with Emulator([ASK, Reply(refusal="I will not"), Reply(text="outer")]) as gateway:
        helper = Agent(gateway.model(), name="helper")
        result = await Agent(gateway.model(), tools=[helper.as_tool()]).run("What?")
    assert result.output == "outer"
    assert [message.text for message in result.messages if isinstance(message, ToolMessage)] == [
        "helper failed with an internal error."
    ]


async def test_two_agents_may_be_tools_under_names_of_their_own() -> None:
    with Emulator([Reply(calls=(Call("one", {"prompt": "1"}),)), Reply(text="inner"), Reply(text="outer")]) as gateway:
        helper = Agent(gateway.model())
        agent = Agent(gateway.model(), tools=[helper.as_tool(name="one"), helper.as_tool(name="two")])
        assert (await agent.run("What?")).output == "outer"
    assert agent.name == "agent"
    assert [entry.description for entry in agent.tools] == [
        "Ask one. It does not see this conversation: tell it all it needs.",
        "Ask two. It does not see this conversation: tell it all it needs.",
    ]
