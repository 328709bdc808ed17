"""A run that was told to answer at its limits has one last turn, without tools."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, LimitExceeded, ModelSettings, RunLimits, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import AssistantMessage, ToolMessage, UserMessage
from agentkit.models import Profile
from agentkit.usage import Price

pytestmark = pytest.mark.anyio

USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
TOLD = (
    "A limit of this run is reached: no tool can be called any more. Give your final answer now, with what you have, "
    "and say what is missing."
)


class Report(BaseModel):
    city: str


@tool
async def step(n: int) -> int:
    """One step."""
    return n


def obedient(request: Any) -> Reply:
    """Goes on with its steps until it is told to answer."""
    messages = request["messages"]
    if messages[-1] == {"role": "user", "content": TOLD}:
        return Reply(text="so far", usage=USED)
    return Reply(calls=(Call("step", {"n": len(messages)}),), usage=USED)


async def played(limits: RunLimits, *, profile: Profile | None = None) -> tuple[Any, list[Any]]:
    with Emulator(obedient) as gateway:
        agent = Agent(
            gateway.model(profile=profile), tools=[step], limits=limits, settings=ModelSettings(max_tokens=200)
        )
        result = await agent.run("Go")
        return result, [request.body for request in gateway.requests]


@pytest.mark.parametrize(
    ("limits", "limit", "requests"),
    [
        (RunLimits(on_limit="answer", turns=3), "turns", 4),
        (RunLimits(on_limit="answer", tool_calls=2), "tool_calls", 4),
        (RunLimits(on_limit="answer", requests=4), "requests", 4),
        (RunLimits(on_limit="answer", tokens=1_150), "tokens", 4),
        (RunLimits(on_limit="answer", cost_usd=0.003), "cost_usd", 4),
    ],
    ids=["turns", "calls", "requests", "tokens", "money"],
)
async def test_the_answer_of_the_last_turn_is_the_result(limits: RunLimits, limit: str, requests: int) -> None:
    profile = Profile(gateway="toapis", price=Price(input=1.0, output=5.0))
    result, bodies = await played(limits, profile=profile)
    assert (result.output, len(bodies)) == ("so far", requests)
    assert [body.get("tool_choice") == "none" for body in bodies] == [False] * (requests - 1) + [True]
    assert bodies[-1]["tools"] == bodies[0]["tools"]  # what the server has cached of them stays
    (warning,) = result.warnings
    assert warning.startswith(f"limit {limit}: ")
    assert warning.endswith("; the output is the answer of one last turn")
    assert list(result.messages[-2:]) == [UserMessage(TOLD, trust="system"), AssistantMessage("so far")]
    if limits.tokens is not None:
        assert result.usage.total_tokens <= 1_150
    if limits.cost_usd is not None:
        assert result.cost <= limits.cost_usd


async def test_raising_stays_the_default() -> None:
    with pytest.raises(LimitExceeded) as caught:
        await played(RunLimits(turns=3))
    assert caught.value.limit == "turns"


async def test_a_limit_that_leaves_room_for_one_request_only_is_spent_on_the_answer() -> None:
    result, bodies = await played(RunLimits(on_limit="answer", requests=1))
    assert (result.output, len(bodies)) == ("so far", 1)


async def test_a_limit_that_leaves_room_for_no_request_raises() -> None:
    with pytest.raises(LimitExceeded) as caught:
        await played(RunLimits(on_limit="answer", tokens=100))
    assert (caught.value.limit, caught.value.usage.requests) == ("tokens", 0)


@pytest.mark.parametrize(
    "last",
    [
        Reply(calls=(Call("step", {"n": 9}, id="late"),)),
        Reply(text="no report"),
        Reply(refusal="I will not"),
        Reply(text='{"city":', finish_reason="length"),
        Reply(text='{"city":"Oslo"}', calls=(Call("step", {"n": 9}, id="late"),)),
    ],
    ids=["calls", "invalid", "refused", "cut", "text and calls"],
)
async def test_a_last_turn_that_gives_no_answer_ends_as_the_limit_does(last: Reply) -> None:
    with Emulator([Reply(calls=(Call("step", {"n": 1}),)), last]) as gateway:
        limits = RunLimits(on_limit="answer", turns=1)
        agent = Agent(gateway.model(), tools=[step], output=Report, limits=limits)
        with pytest.raises(LimitExceeded) as caught:
            await agent.run("Go")
        assert (caught.value.limit, len(gateway.requests)) == ("turns", 2)
    late = [message for message in caught.value.history if isinstance(message, ToolMessage)][1:]
    assert {message.text for message in late} <= {
        "Not run: a limit of the run is reached.",
        "Not run: the answer that holds this call did not end as it should.",
    }
    with Emulator([Reply(text="went on")]) as gateway:
        assert (await Agent(gateway.model()).run("Go on", history=caught.value.history)).output == "went on"


@pytest.mark.parametrize("mode", ["json_schema", "tool", "prompt"])
async def test_a_declared_output_is_asked_for_in_the_last_turn_too(mode: Any) -> None:
    answer = Reply(calls=(Call("final_output", {"city": "Oslo"}),)) if mode == "tool" else Reply(text='{"city":"Oslo"}')
    with Emulator([Reply(calls=(Call("step", {"n": 1}),)), answer]) as gateway:
        limits = RunLimits(on_limit="answer", turns=1)
        agent = Agent(gateway.model(), tools=[step], output=Report, output_mode=mode, limits=limits)
        result = await agent.run("Go")
    assert result.output == Report(city="Oslo")


async def test_a_nested_agent_leaves_its_parent_enough_for_the_last_turn() -> None:
    def brain(request: Any) -> Reply:
        if "helper" in str(request.get("tools")) and len(request["messages"]) == 1:
            return Reply(calls=(Call("helper", {"prompt": "dig"}),), usage=USED)
        return obedient(request)

    with Emulator(brain) as gateway:
        helper = Agent(gateway.model(), tools=[step], name="helper")
        limits = RunLimits(on_limit="answer", requests=6)
        result = await Agent(gateway.model(), tools=[helper.as_tool()], limits=limits).run("Go")
        assert (result.output, len(gateway.requests)) == ("so far", 6)
