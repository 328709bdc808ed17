"""A run from prompt to result, over HTTP."""

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from agentkit import (
    Agent,
    ConfigurationError,
    ModelSettings,
    OutputTypeError,
    RunContext,
    RunLimits,
    RunNotFinished,
    RunResult,
    UsageError,
    tool,
)
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import (
    AssistantMessage,
    History,
    ImagePart,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.providers import Registry
from agentkit.usage import Usage

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@tool(effect="read")
async def temperature(city: str) -> dict[str, Any]:
    """Temperature of a city."""
    return {"city": city, "celsius": 3}


async def test_a_run_calls_the_tool_and_returns_text_history_usage_and_cost() -> None:
    with Emulator(
        [
            Reply(calls=(Call("temperature", {"city": "Oslo"}, id="call_1"),), usage=USED),
            Reply(text="3 degrees", usage=USED),
        ]
    ) as gateway:
        result = await Agent(gateway.model(), tools=[temperature]).run("How cold is Oslo?", run_id="run-1")
    assert result == RunResult(
        output="3 degrees",
        messages=History(
            [
                UserMessage("How cold is Oslo?"),
                AssistantMessage([ToolCall("call_1", "temperature", {"city": "Oslo"}, '{"city":"Oslo"}')]),
                ToolMessage("call_1", "temperature", '{"city":"Oslo","celsius":3}'),
                AssistantMessage("3 degrees"),
            ]
        ),
        usage=Usage(input_tokens=20, output_tokens=10, total_tokens=30, requests=2),
        cost=2 * (10 * 0.60 + 5 * 3.60) / 1_000_000,
        run_id="run-1",
        turns=2,
        tool_calls=1,
        retries=0,
        corrections=0,
        warnings=(),
        earlier=0,
    )


async def test_the_requests_carry_tools_choice_instructions_and_the_answers() -> None:
    with Emulator([Reply(calls=(Call("temperature", {"city": "Oslo"}, id="c"),)), Reply(text="cold")]) as gateway:
        agent = Agent(
            gateway.model(),
            instructions="Be brief.",
            tools=[temperature],
            tool_choice="required",
            settings=ModelSettings(temperature=0),
        )
        result = await agent.run("Oslo?")
        first, second = (request.body for request in gateway.requests)
    assert [(body["tool_choice"], body["temperature"]) for body in (first, second)] == [("required", 0), ("auto", 0)]
    assert first["tools"] == second["tools"]
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Oslo?"},
    ]
    assert second["messages"][:2] == first["messages"]
    assert [message["role"] for message in second["messages"][2:]] == ["assistant", "tool"]
    assert "Be brief." not in result.messages.to_json().decode()


@pytest.mark.parametrize("kind", [History, list], ids=["History", "list"])
async def test_a_later_run_goes_on_from_the_messages_of_an_earlier_one(kind: Callable[[Any], Any]) -> None:
    with Emulator([Reply(text="I am Ada"), Reply(text="Ada")]) as gateway:
        agent = Agent(gateway.model())
        earlier = await agent.run("Who are you?")
        later = await agent.run("Again?", history=kind(earlier.messages))
        sent = gateway.requests[-1].body["messages"]
    assert [message["content"] for message in sent] == ["Who are you?", "I am Ada", "Again?"]
    assert later.new_messages == (UserMessage("Again?"), AssistantMessage("Ada"))
    assert earlier.messages == History([UserMessage("Who are you?"), AssistantMessage("I am Ada")])


async def test_instructions_may_be_a_function_of_the_context_called_once_a_run() -> None:
    asked: list[str] = []

    def instructions(ctx: RunContext[str]) -> str:
        asked.append(ctx.run_id)
        return f"You serve {ctx.deps}."

    with Emulator([Reply(calls=(Call("temperature", {"city": "Oslo"}),)), Reply(text="ok")]) as gateway:
        agent = Agent(gateway.model(), instructions=instructions, tools=[temperature], deps_type=str)
        result = await agent.run("Hi", deps="Ada")
        sent = [request.body["messages"][0] for request in gateway.requests]
    assert sent == [{"role": "system", "content": "You serve Ada."}] * 2
    assert asked == [result.run_id]


async def test_a_run_may_have_its_own_model_settings_tools_and_limits() -> None:
    @tool
    def other() -> str:
        """Another tool."""
        return "other"

    with Emulator([Reply(text="one")]) as first, Emulator([Reply(calls=(Call("other"),)), Reply(text="two")]) as second:
        agent = Agent(first.model(), tools=[temperature], settings=ModelSettings(temperature=0, seed=7))
        result = await agent.run(
            "Hi",
            model=second.model(),
            settings=ModelSettings(temperature=1),
            tools=[other],
            limits=RunLimits(turns=2),
        )
        again = await agent.run("Hi")
        overridden, own = second.requests[0].body, first.requests[0].body
    assert (result.output, again.output) == ("two", "one")
    assert (overridden["temperature"], overridden["seed"]) == (1, 7)
    assert [entry["function"]["name"] for entry in overridden["tools"]] == ["other"]
    assert (own["temperature"], [entry["function"]["name"] for entry in own["tools"]]) == (0, ["temperature"])


async def test_a_prompt_may_hold_images() -> None:
    with Emulator([Reply(text="a square")]) as gateway:
        result = await Agent(gateway.model()).run([TextPart("What is it?"), ImagePart(data=PNG)])
        content = gateway.requests[0].body["messages"][0]["content"]
    assert result.output == "a square"
    assert [part["type"] for part in content] == ["text", "image_url"]


@pytest.mark.parametrize("prompt", ["", "  ", [], [ToolCall("a", "b", {})]])
async def test_a_prompt_that_says_nothing_is_refused(prompt: Any) -> None:
    with Emulator([]) as gateway:
        with pytest.raises(ConfigurationError, match="prompt"):
            await Agent(gateway.model()).run(prompt)
        assert gateway.requests == []


async def test_deps_are_wanted_when_a_type_is_declared() -> None:
    @dataclass
    class Deps:
        name: str

    with Emulator([]) as gateway:
        agent: Agent[Any, str] = Agent(gateway.model(), deps_type=Deps)
        with pytest.raises(ConfigurationError, match="wants deps= of type Deps"):
            await agent.run("Hi", deps=None)
        assert gateway.requests == []


async def test_many_runs_of_one_agent_do_not_mix() -> None:
    def brain(request: Any) -> Reply:
        messages: list[Any] = request["messages"]
        asked = str(messages[0]["content"])
        if messages[-1]["role"] == "tool":
            return Reply(text=f"{asked}: {messages[-1]['content']}")
        return Reply(calls=(Call("temperature", {"city": asked}),))

    results: dict[str, RunResult[str]] = {}
    with Emulator(brain) as gateway:
        agent = Agent(gateway.model(), tools=[temperature])

        async def one(city: str) -> None:
            results[city] = await agent.run(city)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(one, f"city{number}")
    assert {city: result.output for city, result in results.items()} == {
        f"city{number}": f'city{number}: {{"city":"city{number}","celsius":3}}' for number in range(40)
    }
    assert len({result.run_id for result in results.values()}) == 40
    assert all(len(result.messages) == 4 for result in results.values())


async def test_call_ids_that_a_server_gives_again_are_replaced() -> None:
    step = Reply(calls=(Call("temperature", {"city": "Oslo"}, id="call_0"),))
    other = Reply(calls=(Call("temperature", {"city": "Rome"}, id="call_0"),))
    with Emulator([step, other, Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[temperature]).run("Both?")
    ids = [
        call.id for message in result.messages if isinstance(message, AssistantMessage) for call in message.tool_calls
    ]
    answered = [message.call_id for message in result.messages if isinstance(message, ToolMessage)]
    assert len(set(ids)) == 2
    assert answered == ids


async def test_a_result_before_the_end_is_refused() -> None:
    with Emulator([Reply(text="hi")]) as gateway:
        stream = Agent(gateway.model()).stream("Hi")
        with pytest.raises(RunNotFinished, match="enter the stream first"):
            await anext(aiter(stream))
        async with stream as run:
            with pytest.raises(RunNotFinished, match="take its events to the end"):
                _ = run.result
            async for _ in run:
                pass
            assert run.result.output == "hi"
        with pytest.raises(RunNotFinished, match="entered once"):
            await stream.__aenter__()


@pytest.mark.parametrize("choice", ["nothing", "required"])
async def test_a_tool_choice_without_its_tool_is_refused_when_the_agent_is_made(choice: str) -> None:
    with pytest.raises(ConfigurationError, match=r"asks for a tool that is not there; the tools are: none"):
        Agent("toapis", tool_choice=choice)


async def test_an_output_that_cannot_be_declared_is_refused_when_the_agent_is_made() -> None:
    with pytest.raises(OutputTypeError):
        Agent("toapis", output=threading.Lock().__class__)


async def test_run_sync_inside_a_running_loop_says_what_to_call() -> None:
    with pytest.raises(UsageError, match=r"await agent\.run\(\.\.\.\) instead of run_sync"):
        Agent("toapis", registry=Registry()).run_sync("Hi")


async def test_an_agent_that_is_entered_opens_and_closes_the_models_connections() -> None:
    with Emulator([Reply(text="one"), Reply(text="two"), Reply(text="three")]) as gateway:
        agent = Agent(gateway.model())
        async with agent:
            await agent.run("1")
            await agent.run("2")
        assert gateway.connections == 1
        async with agent:
            await agent.run("3")
        assert gateway.connections == 2


async def test_what_is_no_model_is_refused_when_entered() -> None:
    nothing: Any = object()
    agent = Agent(nothing)
    with pytest.raises(UsageError, match="is not a model"):
        await agent.__aenter__()
    assert repr(Agent("toapis", tools=[temperature])) == "Agent('toapis', name='agent', tools=['temperature'])"


async def test_a_model_may_be_dropped_while_its_loop_goes_on() -> None:
    """Its connections end with the loop: collected before, they would warn, and warnings are errors here."""
    with Emulator([Reply(text="hi")]) as gateway:
        assert (await Agent(gateway.model()).run("Hi")).output == "hi"
        gc.collect()
