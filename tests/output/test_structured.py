"""Structured output: each type that can be declared, in each mode it can be asked for."""

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field

from agentkit import Agent, RunContext
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import AssistantMessage, History, ToolMessage, UserMessage

pytestmark = pytest.mark.anyio

MODES = ["json_schema", "json_object", "tool", "prompt"]


class Model(BaseModel):
    """A person."""

    name: str
    age: int = Field(ge=0)


@dataclass
class Point:
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str
    children: list["Node"] = []


SCHEMA = {
    "title": "City",
    "description": "A city.",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


def double(n: int) -> int:
    """Take a number."""
    return 2 * n


async def triple(ctx: RunContext, n: int) -> str:
    """Take a number."""
    return f"{ctx.run_id}: {3 * n}"


@dataclass(frozen=True)
class Case:
    """A declared output, what a model gives for it (`sent`, JSON), and what the caller gets."""

    declared: Any
    sent: str
    value: Any


ADA = '{"name":"Ada","age":36}'
CASES = {
    "pydantic model": Case(Model, ADA, Model(name="Ada", age=36)),
    "recursive model": Case(
        Node,
        '{"name":"a","children":[{"name":"b","children":[]}]}',
        Node(name="a", children=[Node(name="b")]),
    ),
    "dataclass": Case(Point, '{"x":1,"y":2}', Point(1, 2)),
    "TypedDict": Case(Movie, '{"title":"Alien","year":1979}', {"title": "Alien", "year": 1979}),
    "list": Case(list[Point], '{"value":[{"x":1,"y":2},{"x":3,"y":4}]}', [Point(1, 2), Point(3, 4)]),
    "list of recursive models": Case(list[Node], '{"value":[{"name":"a","children":[]}]}', [Node(name="a")]),
    "union": Case(Model | Point, '{"value":{"x":1,"y":2}}', Point(1, 2)),
    "optional": Case(Model | None, '{"value":null}', None),
    "int": Case(int, '{"value":7}', 7),
    "bool": Case(bool, '{"value":true}', True),
    "float": Case(float, '{"value":1.5}', 1.5),
    "date": Case(datetime.date, '{"value":"2026-11-20"}', datetime.date(2026, 11, 20)),
    "Literal": Case(Literal["yes", "no"], '{"value":"yes"}', "yes"),
    "Enum": Case(Colour, '{"value":"blue"}', Colour.BLUE),
    "dict": Case(dict[str, int], '{"a":1}', {"a": 1}),
    "JSON Schema": Case(SCHEMA, '{"name":"Oslo"}', {"name": "Oslo"}),
    "JSON Schema of a list": Case({"type": "array", "items": {"type": "integer"}}, '{"value":[1,2]}', [1, 2]),
    "function": Case(double, '{"n":21}', 42),
    "async function with context": Case(triple, '{"n":2}', "run-1: 6"),
}


def reply(mode: str, text: str) -> Reply:
    return Reply(calls=(Call("final_output", text),)) if mode == "tool" else Reply(text=text)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_each_declared_type_comes_back_in_each_mode(case: Case, mode: Any) -> None:
    with Emulator([reply(mode, case.sent)]) as gateway:
        agent: Agent[None, Any] = Agent(gateway.model(), output=case.declared, output_mode=mode)
        result = await agent.run("Go", run_id="run-1")
        (request,) = gateway.requests
    assert result.output == case.value
    assert type(result.output) is type(case.value)
    body = request.body
    match mode:
        case "json_schema":
            assert body["response_format"]["type"] == "json_schema"
        case "json_object":
            assert body["response_format"] == {"type": "json_object"}
            assert "JSON Schema" in body["messages"][0]["content"]
        case "tool":
            assert [entry["function"]["name"] for entry in body["tools"]] == ["final_output"]
            assert body["tool_choice"] == {"type": "function", "function": {"name": "final_output"}}
            assert isinstance(result.messages[-1], ToolMessage)
            assert result.messages[-1].text == "Accepted."
        case _:
            assert "response_format" not in body
            assert "JSON Schema" in body["messages"][0]["content"]
    assert result.corrections == 0


@pytest.mark.parametrize("mode", MODES)
async def test_a_wrong_output_is_asked_for_again_with_path_and_reason(mode: Any) -> None:
    wrong = '{"name":"Ada","age":-1}'
    with Emulator([reply(mode, wrong), reply(mode, ADA)]) as gateway:
        result = await Agent(gateway.model(), output=Model, output_mode=mode).run("Go")
        last = gateway.requests[-1].body["messages"][-1]
    assert (result.output, result.corrections, result.turns) == (Model(name="Ada", age=36), 1, 2)
    assert last["role"] == ("tool" if mode == "tool" else "user")
    told, problem, after = last["content"].split("\n")
    assert told == "This is not a valid Model:"
    assert problem.startswith("- age: ")
    assert "0" in problem
    assert after == "Give the whole Model again, corrected."


@pytest.mark.parametrize(
    ("definition", "sent", "value"),
    [
        ({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, '{"n":1}', {"n": 1}),
        ({"type": "integer"}, '{"value":1}', 1),
    ],
    ids=["object", "integer"],
)
async def test_a_json_schema_may_be_a_reference(definition: Any, sent: str, value: Any) -> None:
    schema = {"$ref": "#/$defs/Thing", "$defs": {"Thing": definition}}
    with Emulator([Reply(text=sent)]) as gateway:
        result = await Agent(gateway.model(), output=schema, output_mode="prompt").run("Go")
    assert result.output == value


@pytest.mark.parametrize("mode", ["json_schema", "prompt"])
async def test_a_bare_value_is_taken_where_it_was_to_be_wrapped(mode: Any) -> None:
    with Emulator([Reply(text="[1, 2]")]) as gateway:
        assert (await Agent(gateway.model(), output=list[int], output_mode=mode).run("Go")).output == [1, 2]


@pytest.mark.parametrize("mode", MODES)
async def test_structured_output_comes_after_tool_calls(mode: Any) -> None:
    async def look(city: str) -> str:
        """Look."""
        return f"{city}: 3"

    with Emulator([Reply(calls=(Call("look", {"city": "Oslo"}),)), reply(mode, ADA)]) as gateway:
        result = await Agent(gateway.model(), tools=[look], output=Model, output_mode=mode).run("Go")
        bodies = [request.body for request in gateway.requests]
    assert (result.output, result.tool_calls, result.turns) == (Model(name="Ada", age=36), 1, 2)
    assert [body["tool_choice"] for body in bodies] == ["auto", "auto"]
    assert bodies[0]["tools"] == bodies[1]["tools"]


@pytest.mark.parametrize(("sent", "said"), [(ADA, "Accepted."), ('{"name":"Ada"}', "This is not a valid Model:")])
async def test_calls_beside_the_output_tool_are_answered_and_not_run(sent: str, said: str) -> None:
    ran: list[str] = []

    async def look() -> str:
        """Look."""
        ran.append("look")
        return "seen"

    both = Reply(calls=(Call("look", id="a"), Call("final_output", sent, id="b"), Call("final_output", sent, id="c")))
    with Emulator([both, reply("tool", ADA)]) as gateway:
        result = await Agent(gateway.model(), tools=[look], output=Model, output_mode="tool").run("Go")
    assert ran == []
    first = [message for message in result.messages if isinstance(message, ToolMessage)][:3]
    assert [message.text.split("\n")[0] for message in first] == [
        "Not run: the final output was given in the same turn.",
        said,
        "Not run: the final output was given in the same turn.",
    ]


async def test_a_rejected_output_stays_in_the_history_with_the_correction() -> None:
    with Emulator([Reply(text="{}"), Reply(text='{"x":1,"y":2}')]) as gateway:
        result = await Agent(gateway.model(), output=Point).run("Go")
    assert result.messages == History(
        [
            UserMessage("Go"),
            AssistantMessage("{}"),
            UserMessage(
                "This is not a valid Point:\n- x: field required\n- y: field required\n"
                "Give the whole Point again, corrected.",
                trust="system",
            ),
            AssistantMessage('{"x":1,"y":2}'),
        ]
    )


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_an_output_function_may_ask_for_better_arguments(is_async: bool) -> None:
    from agentkit import ToolRetry

    def book(seat: str) -> str:
        """Book a seat."""
        if seat == "1A":
            raise ToolRetry("1A is taken")
        return f"booked {seat}"

    async def book_async(seat: str) -> str:
        """Book a seat."""
        return book(seat)

    function: Callable[..., Any] = book_async if is_async else book
    with Emulator([Reply(text='{"seat":"1A"}'), Reply(text='{"seat":"1B"}')]) as gateway:
        result = await Agent(gateway.model(), output=function).run("Go")
        asked = gateway.requests[-1].body["messages"][-1]["content"]
    assert (result.output, result.corrections) == ("booked 1B", 1)
    assert "- 1A is taken\n" in asked


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_what_an_output_function_raises_leaves_as_itself(is_async: bool) -> None:
    error = KeyError("mine")

    def fails(seat: str) -> str:
        """Fail."""
        raise error

    async def fails_async(seat: str) -> str:
        """Fail."""
        raise error

    function: Callable[..., Any] = fails_async if is_async else fails
    with Emulator([Reply(text='{"seat":"1A"}')]) as gateway, pytest.raises(KeyError) as caught:
        await Agent(gateway.model(), output=function).run("Go")
    assert caught.value is error
