"""Tool calls from llama.cpp's own server: its grammar makes even random weights write valid ones."""

from typing import Literal

import anyio
import pytest

from agentkit import Agent, InvalidOutput, LimitExceeded, ModelSettings, RunLimits, Truncated, tool
from agentkit.events import ArgumentsDelta, ToolFinished, ToolStarted
from agentkit.messages import AssistantMessage, History, ToolCall, ToolMessage, UserMessage
from agentkit.models import ModelRequest, ResponseFormat

from .conftest import ANSWER, OWN_FIELDS, TEXT, LlamaServer

pytestmark = pytest.mark.anyio

FIXED = ModelSettings(temperature=0, seed=1)


@tool(effect="read")
async def temperature(city: str) -> str:
    """The temperature of a city."""
    return f"{city}: 3 degrees"


@tool(effect="read")
async def forecast(days: int, unit: Literal["c", "f"], cities: list[str]) -> str:
    """The weather to come."""
    return f"{days} {unit} {cities}"


def calls_of(history: History) -> list[ToolCall]:
    return [call for message in history if isinstance(message, AssistantMessage) for call in message.tool_calls]


def the_loop(call: ToolCall) -> History:
    """The messages of a run that called `temperature` once and then answered."""
    return History(
        [
            UserMessage("How cold?"),
            AssistantMessage([*AssistantMessage(ANSWER).parts, call]),
            ToolMessage(call.id, "temperature", f"{TEXT}: 3 degrees"),
            AssistantMessage(ANSWER),
        ]
    )


async def test_a_required_call_is_made_and_run_and_the_next_turn_answers(llama: LlamaServer) -> None:
    agent = Agent(llama.model(), tools=[temperature], tool_choice="required", settings=FIXED)
    async with agent:
        result = await agent.run("How cold?")
    (call,) = calls_of(result.messages)
    assert (call.name, call.arguments, call.problem) == ("temperature", {"city": TEXT}, None)
    assert result.messages == the_loop(call)
    assert result.output == ANSWER
    assert (result.turns, result.tool_calls, result.retries, result.corrections) == (2, 1, 0, 0)
    assert result.warnings == ()


async def test_a_streamed_loop_gives_its_events_in_order_and_the_same_messages(llama: LlamaServer) -> None:
    told: list[object] = []
    arguments: list[str] = []
    agent = Agent(llama.model(), tools=[temperature], tool_choice="required", settings=FIXED)
    async with agent, agent.stream("How cold?") as run:
        async for event in run:
            match event:
                case ArgumentsDelta(text=text):
                    arguments.append(text)
                case ToolStarted(call):
                    told.append(("started", call.id))
                case ToolFinished(call, message):
                    told.append(("finished", call.id, message.text))
                case _:
                    pass
    (call,) = calls_of(run.result.messages)
    assert told == [("started", call.id), ("finished", call.id, f"{TEXT}: 3 degrees")]
    assert "".join(arguments) == call.arguments_text == f'{{"city":"{TEXT}"}}'
    assert run.result.messages == the_loop(call)


async def test_the_history_of_a_loop_is_taken_again_with_tools_and_without(llama: LlamaServer) -> None:
    async with llama.model() as model:
        earlier = await Agent(model, tools=[temperature], tool_choice="required", settings=FIXED).run("How cold?")
        with_tools = await Agent(model, tools=[temperature], settings=FIXED).run("And now?", history=earlier.messages)
        structured = await Agent(model, output=dict[str, int], output_mode="json_schema", settings=FIXED).run(
            "As numbers?", history=earlier.messages
        )
    assert with_tools.output == ANSWER
    assert structured.output == {TEXT: structured.output[TEXT]}
    assert list(structured.messages)[:-2] == list(with_tools.messages)[:-2] == list(earlier.messages)


@pytest.mark.parametrize("stream", [False, True])
async def test_arguments_of_random_weights_are_valid(llama: LlamaServer, stream: bool) -> None:
    async with llama.model() as model:
        for seed in range(6):
            request = ModelRequest(
                [UserMessage("How cold?")],
                tools=[forecast.definition],
                tool_choice="required",
                settings=ModelSettings(temperature=1, seed=seed),
            )
            response = await model.respond(request, stream=stream)
            assert response.finish_reason == "tool_calls"
            assert response.message.tool_calls
            for call in response.message.tool_calls:
                assert (call.name, call.problem) == ("forecast", None)
                assert call.arguments is not None
                assert set(call.arguments) == {"days", "unit", "cities"}
                assert call.arguments["unit"] in ("c", "f")


async def test_a_tool_that_is_named_is_called_because_the_preset_sends_no_names(llama: LlamaServer) -> None:
    """llama.cpp reads a choice that is an object as `auto`, with a 200 and a line in its log."""
    async with llama.model(gateway=None) as plain, llama.model() as declared:
        request = ModelRequest(
            [UserMessage("How cold?")],
            tools=[temperature.definition],
            tool_choice="temperature",
            settings=FIXED,
        )
        passed_over = await plain.respond(request)
        called = await declared.respond(request)
    assert (passed_over.message, passed_over.finish_reason) == (AssistantMessage(ANSWER), "stop")
    assert [call.name for call in called.message.tool_calls] == ["temperature"]


async def test_a_schema_keeps_the_model_from_calling_even_where_it_has_to(llama: LlamaServer) -> None:
    """llama.cpp has one grammar for an answer, and that of `response_format` goes before that of the tools."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    request = ModelRequest(
        [UserMessage("How cold?")],
        tools=[temperature.definition],
        tool_choice="required",
        response_format=ResponseFormat("json_schema", "Number", schema),
        settings=FIXED,
    )
    async with llama.model() as model:
        response = await model.respond(request)
    assert response.message.tool_calls == ()
    assert (response.message.text or "").startswith('{"n":')


async def test_an_output_tool_gives_a_valid_output(llama: LlamaServer) -> None:
    agent = Agent(llama.model(), output=list[int], output_mode="tool")
    async with agent:
        for seed in range(4):
            settings = ModelSettings(temperature=1, seed=seed)
            result = await agent.run("Numbers", settings=settings)
            assert all(isinstance(number, int) for number in result.output)
            assert (result.usage.requests, result.corrections) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_calls_run_at_once_and_are_answered_in_call_order(llama: LlamaServer, stream: bool) -> None:
    """The server allows several calls; how many there are is the seed's doing, so that several are tried."""
    running = 0
    most = 0

    @tool(effect="read", poll=True)
    async def slow(city: Literal["Oslo", "Rome", "Lima", "Bern"]) -> str:
        """The temperature of a city, slowly."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.wait_all_tasks_blocked()
        running -= 1
        return city

    found: set[int] = set()
    async with llama.model() as model:
        agent = Agent(model, tools=[slow], tool_choice="required")
        for seed in range(20):
            most = 0
            settings = ModelSettings(temperature=1, seed=seed)
            async with agent.stream("How cold?", settings=settings) as run:
                async for _ in run:
                    pass
            result = run.result
            calls = calls_of(result.messages)
            answered = [message.call_id for message in result.messages if isinstance(message, ToolMessage)]
            assert answered == [call.id for call in calls]
            assert len(set(answered)) == len(calls) == most
            found.add(len(calls))
            if len(found) > 1 and max(found) > 1:
                return
    pytest.fail(f"no seed gave both one call and several: {found}")


@OWN_FIELDS
async def test_calls_cut_at_max_tokens_are_not_run_and_the_history_is_valid(llama: LlamaServer) -> None:
    """The end is not allowed, so that call follows call until the limit is met in the middle of one."""
    started: list[str] = []

    @tool
    async def noted(city: str) -> str:
        """Note a city."""
        started.append(city)
        return city

    settings = ModelSettings(temperature=0, max_tokens=150, extra={"ignore_eos": True})
    async with llama.model() as model:
        agent = Agent(model, tools=[noted], tool_choice="required", settings=settings)
        with pytest.raises(Truncated) as raised:
            await agent.run("How cold?")
        history = raised.value.history
        again = await Agent(model, tools=[noted], settings=FIXED).run("Go on", history=history)
    assert started == []
    assert [type(message) for message in history[:2]] == [UserMessage, AssistantMessage]
    assert len(calls_of(history)) > 1
    assert [message.call_id for message in history if isinstance(message, ToolMessage)] == [
        call.id for call in calls_of(history)
    ]
    assert again.output == ANSWER


async def test_a_loop_that_would_go_on_ends_at_its_limit_with_a_history_that_can_be_sent(llama: LlamaServer) -> None:
    async with llama.model() as model:
        agent = Agent(model, tools=[temperature], tool_choice="required", settings=FIXED, limits=RunLimits(turns=1))
        with pytest.raises(LimitExceeded) as raised:
            await agent.run("How cold?")
        history = raised.value.history
        again = await Agent(model, tools=[temperature], settings=FIXED).run("Go on", history=history)
    (call,) = calls_of(history)
    assert list(history) == list(the_loop(call))[:-1]
    assert raised.value.usage.requests == 1
    assert again.output == ANSWER


async def test_tools_run_although_an_output_is_declared(llama: LlamaServer) -> None:
    """Beside a response_format llama.cpp calls nothing; the preset asks for the output with a tool instead."""
    agent = Agent(llama.model(), tools=[temperature], tool_choice="required", output=dict[str, int], settings=FIXED)
    async with agent:
        with pytest.raises(InvalidOutput) as ended:  # the tiny model has only words of its own then
            await agent.run("How cold?")
    history = ended.value.history
    assert [call.name for call in calls_of(history)] == ["temperature"]
    assert [message.text for message in history if isinstance(message, ToolMessage)] == [f"{TEXT}: 3 degrees"]


async def test_the_one_tool_that_must_be_called_is_the_only_one_that_is_offered(llama: LlamaServer) -> None:
    agent = Agent(llama.model(), tools=[forecast, temperature], tool_choice="temperature", settings=FIXED)
    async with agent:
        result = await agent.run("How cold?")
    assert [call.name for call in calls_of(result.messages)] == ["temperature"]
