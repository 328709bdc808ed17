"""Limits hold exactly, whatever runs beside or below: counted where the requests arrive."""

import threading
from typing import Any

import anyio
import pytest

from agentkit import Agent, LimitExceeded, ModelSettings, RunLimits, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import ToolMessage
from agentkit.models import Profile
from agentkit.usage import Price

pytestmark = pytest.mark.anyio

USED = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}  # no more than any estimate says
PRICE = Price(input=1.0, output=5.0)
EACH = PRICE.input * 10 / 1e6 + PRICE.output * 20 / 1e6
FAN = 50


def fan_out(request: Any) -> Reply:
    """The parent asks its helper fifty times at once; each helper takes steps without end."""
    names = [entry["function"]["name"] for entry in request["tools"]]
    if names == ["helper"]:
        calls = tuple(Call("helper", {"prompt": f"job {n}"}) for n in range(FAN))
        return Reply(calls=calls, usage=USED)
    return Reply(calls=(Call("step", {"n": len(request["messages"])}),), usage=USED)


@pytest.mark.parametrize(
    "limits",
    [
        RunLimits(requests=37),
        RunLimits(requests=None, tokens=2_000),
        RunLimits(requests=None, cost_usd=0.006),
        RunLimits(requests=40, tokens=2_000, cost_usd=0.006),
    ],
    ids=["requests", "tokens", "money", "all"],
)
async def test_fifty_parallel_nested_agents_never_pass_the_limits_of_the_root(limits: RunLimits) -> None:
    @tool
    async def step(n: int) -> int:
        """Step."""
        return n

    settings = ModelSettings(max_tokens=50)
    with Emulator(fan_out) as gateway:
        model = gateway.model(profile=Profile(gateway="toapis", price=PRICE))
        helper = Agent(model, tools=[step], name="helper", settings=settings)
        parent = Agent(model, tools=[helper.as_tool()], limits=limits, settings=settings)
        with anyio.fail_after(30), pytest.raises(LimitExceeded) as caught:
            await parent.run("Go")
        sent = len(gateway.requests)
    assert caught.value.usage.requests == sent
    assert caught.value.usage.total_tokens == 30 * sent
    assert sent > 5
    if limits.requests is not None:
        assert sent <= limits.requests
    if limits.tokens is not None:
        assert 30 * sent <= limits.tokens
    if limits.cost_usd is not None:
        assert EACH * sent <= limits.cost_usd
    if limits == RunLimits(requests=37):
        assert sent == 37


async def test_the_first_ten_of_twenty_calls_run_and_a_refused_call_takes_none_of_the_ten() -> None:
    ran: list[int] = []

    @tool
    async def count(n: int) -> int:
        """Count."""
        ran.append(n)
        return n

    batch = Reply(calls=tuple(Call("count", {"n": n}) for n in range(20)))
    with Emulator([batch, batch, Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[count], limits=RunLimits(tool_calls=10)).run("Go")
    told = [message.text for message in result.messages if isinstance(message, ToolMessage)]
    late = "Not run: the run's limit of tool calls is reached. Answer with what you have."
    assert sorted(ran) == list(range(10))
    assert told == [*map(str, range(10)), *[late] * 30]
    assert result.tool_calls == 10


async def test_parallel_nested_agents_share_the_tool_calls_of_the_root() -> None:
    ran: list[int] = []

    @tool
    async def step(n: int) -> int:
        """Step."""
        ran.append(n)
        return n

    def brain(request: Any) -> Reply:
        names = [entry["function"]["name"] for entry in request["tools"]]
        if len(request["messages"]) > 1:
            return Reply(text="done")
        if names == ["helper"]:
            return Reply(calls=tuple(Call("helper", {"prompt": f"job {n}"}) for n in range(FAN)))
        return Reply(calls=tuple(Call("step", {"n": n}) for n in range(4)))

    with Emulator(brain) as gateway:
        helper = Agent(gateway.model(), tools=[step], name="helper")
        limits = RunLimits(tool_calls=FAN + 33, requests=None)
        result = await Agent(gateway.model(), tools=[helper.as_tool()], limits=limits).run("Go")
    assert (len(ran), result.tool_calls) == (33, FAN + 33)


async def test_wall_time_ends_a_run_inside_a_sync_tool_and_its_thread_is_not_waited_for() -> None:
    let_go = threading.Event()

    @tool
    def hang() -> str:
        """Hang."""
        let_go.wait(10)
        return "late"

    try:
        with Emulator([Reply(calls=(Call("hang", id="h"),))]) as gateway:
            agent = Agent(gateway.model(), tools=[hang], limits=RunLimits(seconds=0.2))
            with anyio.fail_after(5), pytest.raises(LimitExceeded) as caught:
                await agent.run("Go")
        assert not let_go.is_set()
    finally:
        let_go.set()
    assert caught.value.limit == "seconds"
    (told,) = [message for message in caught.value.history if isinstance(message, ToolMessage)]
    assert (told.call_id, told.text) == (
        "h",
        "Cancelled before it finished; whether it took effect is unknown.",
    )


async def test_wall_time_of_the_parent_ends_a_nested_run() -> None:
    let_go = threading.Event()

    @tool(effect="read")
    def hang() -> str:
        """Hang."""
        let_go.wait(10)
        return "late"

    script = [Reply(calls=(Call("helper", {"prompt": "p"}),)), Reply(calls=(Call("hang"),))]
    try:
        with Emulator(script) as gateway:
            helper = Agent(gateway.model(), tools=[hang], name="helper")
            agent = Agent(gateway.model(), tools=[helper.as_tool()], limits=RunLimits(seconds=0.3))
            with anyio.fail_after(5), pytest.raises(LimitExceeded) as caught:
                await agent.run("Go")
    finally:
        let_go.set()
    assert caught.value.limit == "seconds"
    assert caught.value.usage.requests == 2


@pytest.mark.parametrize(
    ("max_output", "room", "sent"), [(300, 310, 1), (300, 299, 0), (None, 4_110, 1), (None, 4_000, 0)]
)
async def test_a_request_without_max_tokens_reserves_the_limit_of_the_profile(
    max_output: int | None, room: int, sent: int
) -> None:
    with Emulator([Reply(text="hi")] * 2) as gateway:
        model = gateway.model(profile=Profile(gateway="toapis", max_output=max_output))
        agent = Agent(model, limits=RunLimits(tokens=room))
        if sent:
            assert (await agent.run("Go")).output == "hi"
        else:
            with pytest.raises(LimitExceeded, match="limit tokens"):
                await agent.run("Go")
        assert len(gateway.requests) == sent
        assert all("max_tokens" not in request.body for request in gateway.requests)
