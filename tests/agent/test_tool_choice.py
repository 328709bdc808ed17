"""`tool_choice`: required or a name for the first turn, none for all, and the one correction."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import ToolMessage, UserMessage
from agentkit.models import Profile

pytestmark = pytest.mark.anyio


class Report(BaseModel):
    city: str


@tool
async def look(city: str) -> str:
    """Look at a city."""
    return f"{city}: 3"


@tool
async def listen() -> str:
    """Listen."""
    return "silence"


OSLO = {"city": "Oslo"}
LOOK = Reply(calls=(Call("look", OSLO),))
NAMED = {"type": "function", "function": {"name": "look"}}


def sent(gateway: Emulator) -> list[Any]:
    return [request.body.get("tool_choice") for request in gateway.requests]


@pytest.mark.parametrize(("choice", "wire"), [("required", "required"), ("look", NAMED), ("auto", "auto")])
async def test_a_choice_holds_for_the_first_turn(choice: str, wire: Any) -> None:
    with Emulator([LOOK, Reply(text="cold")]) as gateway:
        result = await Agent(gateway.model(), tools=[look, listen], tool_choice=choice).run("Go")
        assert sent(gateway) == [wire, "auto"]
    assert (result.output, result.turns) == ("cold", 2)


async def test_none_holds_for_the_whole_run_and_a_call_that_comes_anyway_is_not_run() -> None:
    with Emulator([LOOK, Reply(text="3, I guess")]) as gateway:
        result = await Agent(gateway.model(), tools=[look], tool_choice="none").run("Go")
        assert sent(gateway) == ["none", "none"]
    assert (result.output, result.tool_calls) == ("3, I guess", 0)
    assert [message.text for message in result.messages if isinstance(message, ToolMessage)] == [
        "Not run: no tool may be called in this run. Answer without one."
    ]


@pytest.mark.parametrize(
    ("choice", "first", "reminder"),
    [
        ("required", Reply(text="no"), "Call one of the tools before you answer."),
        ("look", Reply(text="no"), "Call the tool look before you answer."),
        ("look", Reply(calls=(Call("listen"),)), "Call the tool look before you answer."),
    ],
)
async def test_a_server_that_ignores_the_choice_is_corrected(choice: str, first: Reply, reminder: str) -> None:
    with Emulator([first, LOOK, Reply(text="cold")]) as gateway:
        result = await Agent(gateway.model(), tools=[look, listen], tool_choice=choice).run("Go")
        choices = sent(gateway)
    assert choices[0] == choices[1] != "auto"
    assert choices[2] == "auto"
    assert [message.text for message in result.messages if isinstance(message, UserMessage)] == ["Go", reminder]
    assert (result.output, result.turns, result.corrections) == ("cold", 3, 0)


async def test_a_server_that_ignores_it_again_is_not_corrected_again() -> None:
    with Emulator([Reply(text="no"), Reply(text="I said no")]) as gateway:
        result = await Agent(gateway.model(), tools=[look], tool_choice="required").run("Go")
    assert (result.output, result.turns) == ("I said no", 2)


@pytest.mark.parametrize("mode", ["json_schema", "json_object", "tool", "prompt"])
@pytest.mark.parametrize("choice", ["required", "look"])
async def test_a_choice_works_with_structured_output_in_each_mode(choice: str, mode: Any) -> None:
    early = Reply(calls=(Call("final_output", OSLO),)) if mode == "tool" else Reply(text='{"city":"Oslo"}')
    with Emulator([early, LOOK, early]) as gateway:
        agent = Agent(gateway.model(), tools=[look], output=Report, output_mode=mode, tool_choice=choice)
        result = await agent.run("Go")
    assert (result.output, result.turns, result.tool_calls) == (Report(city="Oslo"), 3, 1)


async def test_none_still_lets_the_output_tool_be_called() -> None:
    with Emulator([LOOK, Reply(calls=(Call("final_output", OSLO),))]) as gateway:
        agent = Agent(gateway.model(), tools=[look], output=Report, output_mode="tool", tool_choice="none")
        result = await agent.run("Go")
        assert sent(gateway) == [{"type": "function", "function": {"name": "final_output"}}] * 2
    assert (result.output, result.tool_calls) == (Report(city="Oslo"), 0)


@pytest.mark.parametrize(
    ("taken", "wire"),
    [(frozenset({"auto", "none", "required"}), "required"), (frozenset({"auto", "none"}), "auto")],
)
async def test_where_no_name_is_taken_the_named_tool_is_the_only_one_offered(taken: frozenset[str], wire: str) -> None:
    profile = Profile(tool_choices=taken)
    with Emulator([LOOK, Reply(text="cold")]) as gateway:
        result = await Agent(gateway.model(profile=profile), tools=[look, listen], tool_choice="look").run("Go")
        offered = [[tool["function"]["name"] for tool in request.body["tools"]] for request in gateway.requests]
        assert sent(gateway) == [wire, "auto"]
    assert offered == [["look"], ["look", "listen"]]
    assert result.output == "cold"


async def test_a_required_call_is_not_spent_on_the_tool_that_takes_the_output() -> None:
    final = Reply(calls=(Call("final_output", {"city": "Oslo"}),))
    with Emulator([LOOK, final]) as gateway:
        agent = Agent(gateway.model(), tools=[look], tool_choice="required", output=Report, output_mode="tool")
        result = await agent.run("Go")
        offered = [[tool["function"]["name"] for tool in request.body["tools"]] for request in gateway.requests]
    assert offered == [["look"], ["look", "final_output"]]
    assert (result.output, result.tool_calls) == (Report(city="Oslo"), 1)


@pytest.mark.parametrize(("tools", "mode"), [([look], "tool"), ([], "json_schema")])
async def test_a_server_that_forgets_tools_beside_a_response_format_is_asked_with_an_output_tool(
    tools: list[Any], mode: str
) -> None:
    profile = Profile(format_with_tools=False)
    answer = Reply(calls=(Call("final_output", OSLO),)) if mode == "tool" else Reply('{"city": "Oslo"}')
    with Emulator([answer]) as gateway:
        result = await Agent(gateway.model(profile=profile), tools=tools, output=Report).run("Go")
        body = gateway.requests[0].body
    assert result.output == Report(city="Oslo")
    assert ("response_format" in body, "tools" in body) == (mode == "json_schema", mode == "tool")
