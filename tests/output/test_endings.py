"""An output that does not come: each cause has its error and its remedy, and at most 1 + N requests are made."""

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from agentkit import (
    Agent,
    ConfigurationError,
    ContentFiltered,
    EmptyResponse,
    InvalidOutput,
    MalformedResponse,
    ModelSettings,
    OutputTypeError,
    Refused,
    RunLimits,
    Truncated,
    tool,
)
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import OutputRejected
from agentkit.messages import AssistantMessage, History, ToolMessage, UserMessage
from agentkit.models import Profile

pytestmark = pytest.mark.anyio

ADA = '{"name":"Ada"}'


class Person(BaseModel):
    name: str


@pytest.mark.parametrize("corrections", [0, 1, 3])
async def test_an_output_that_stays_wrong_costs_one_request_and_its_corrections(corrections: int) -> None:
    with Emulator(lambda request: Reply(text='{"nom":"Ada"}')) as gateway:
        agent = Agent(gateway.model(), output=Person, limits=RunLimits(corrections=corrections))
        with pytest.raises(InvalidOutput) as caught:
            await agent.run("Go", run_id="run-1")
        assert len(gateway.requests) == 1 + corrections
    error = caught.value
    assert error.problems == ("name: field required",)
    assert str(error) == (
        f"toapis:gpt-5-4-mini-official gave no valid Person in {1 + corrections} tries: name: field required"
    )
    assert (error.run_id, error.partial, error.usage.requests) == ("run-1", '{"nom":"Ada"}', 1 + corrections)


@pytest.mark.parametrize("output", [str, Person])
async def test_a_refusal_ends_the_run_after_one_request(output: Any) -> None:
    with Emulator([Reply(refusal="I cannot do that")]) as gateway:
        with pytest.raises(Refused, match="refused: I cannot do that") as caught:
            await Agent(gateway.model(), output=output).run("Go")
        assert len(gateway.requests) == 1
    assert caught.value.refusal == "I cannot do that"


@pytest.mark.parametrize("output", [str, Person])
async def test_an_answer_cut_at_the_output_limit_is_never_used(output: Any) -> None:
    with Emulator([Reply(text=ADA, finish_reason="length")]) as gateway:
        with pytest.raises(Truncated, match="set a larger max_tokens= in settings") as caught:
            await Agent(gateway.model(), output=output).run("Go")
        assert len(gateway.requests) == 1
    assert caught.value.partial == ADA


async def test_an_output_cut_at_the_callers_limit_is_asked_for_once_more_with_a_larger_one() -> None:
    cut = Reply(text='{"name":"A', finish_reason="length")
    with Emulator([cut, Reply(text=ADA)]) as gateway:
        async with Agent(gateway.model(), output=Person, settings=ModelSettings(max_tokens=10)).stream("Go") as run:
            rejected = [event async for event in run if isinstance(event, OutputRejected)]
        first, second = (request.body for request in gateway.requests)
    assert (first.pop("max_tokens"), second.pop("max_tokens")) == (10, 40)
    assert first == second
    assert rejected == [OutputRejected(("the answer was cut at max_tokens=10; asked again with 40",), 1)]
    assert run.result.output == Person(name="Ada")
    assert run.result.messages == History([UserMessage("Go"), AssistantMessage(ADA)])


@pytest.mark.parametrize(
    ("profile", "limits", "requests"),
    [
        (Profile(), RunLimits(), 2),
        (Profile(max_output=10), RunLimits(), 1),
        (Profile(), RunLimits(corrections=0), 1),
    ],
    ids=["cut again", "no larger one is allowed", "no correction is left"],
)
async def test_an_output_that_stays_cut_is_truncated(profile: Profile, limits: RunLimits, requests: int) -> None:
    def cut(request: Any) -> Reply:
        return Reply(calls=(Call("final_output", '{"na', id="c"),), finish_reason="length")

    with Emulator(cut) as gateway:
        model, settings = gateway.model(profile=profile), ModelSettings(max_tokens=10)
        agent = Agent(model, output=Person, output_mode="tool", settings=settings, limits=limits)
        with pytest.raises(Truncated):
            await agent.run("Go")
        assert len(gateway.requests) == requests


async def test_a_call_cut_at_the_output_limit_is_never_run_and_the_history_stays_valid() -> None:
    ran: list[str] = []

    @tool
    async def look(city: str) -> None:
        """Look."""
        ran.append(city)

    cut = Reply(calls=(Call("look", {"city": "Os"}, id="a"),), finish_reason="length")
    with Emulator([cut, Reply(text="went on")]) as gateway:
        agent = Agent(gateway.model(), tools=[look])
        with pytest.raises(Truncated) as caught:
            await agent.run("Go")
        assert (await agent.run("Go on", history=caught.value.history)).output == "went on"
    text = "Not run: the answer that holds this call did not end as it should."
    assert caught.value.history[-1] == ToolMessage("a", "look", text, is_error=True, trust="system")
    assert ran == []


@pytest.mark.parametrize("output", [str, Person])
async def test_an_empty_answer_says_so(output: Any) -> None:
    with Emulator([Reply(text="")]) as gateway:
        agent = Agent(gateway.model(), output=output)
        with pytest.raises(EmptyResponse, match="answered nothing: no text, no call, no refusal"):
            await agent.run("Go")


async def test_an_answer_that_the_content_filter_cut_is_an_error_with_what_came() -> None:
    with Emulator([Reply(text="It is", finish_reason="content_filter")]) as gateway:
        agent = Agent(gateway.model())
        with pytest.raises(ContentFiltered) as caught:
            await agent.run("Go")
    assert isinstance(caught.value.partial, AssistantMessage)
    assert caught.value.partial.text == "It is"


async def test_an_unknown_finish_reason_is_an_error_with_what_came() -> None:
    with Emulator([Reply(text="It is", finish_reason="galactic_alignment")]) as gateway:
        agent = Agent(gateway.model())
        with pytest.raises(MalformedResponse, match="unknown finish_reason") as caught:
            await agent.run("Go")
    assert isinstance(caught.value.partial, AssistantMessage)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (f"```json\n{ADA}\n```", "fence"),
        (f"Here it is:\n```\n{ADA}\n```\nAnything else?", "fence"),
        (f"Sure! {ADA} Anything else?", "prose"),
        (f"{ADA} Anything else?", "prose"),
        ('{"name":"Ada",}', "trailing comma"),
        ('```json\n{"name":"Ada",\n}\n```', "fence, trailing comma"),
        (f"{ADA}\n\n", ""),
    ],
)
async def test_a_slip_is_mended_locally_and_recorded(text: str, mended: str) -> None:
    with Emulator([Reply(text=text)]) as gateway:
        result = await Agent(gateway.model(), output=Person, output_mode="prompt").run("Go")
        assert len(gateway.requests) == 1
    assert result.output == Person(name="Ada")
    assert result.warnings == tuple(f"the output was mended: {slip}" for slip in mended.split(", ") if slip)


@pytest.mark.parametrize(
    "text",
    [f"{ADA} or {ADA}", "[1] {}", '{"name": Ada}', "Ada", '{"name":"Ada', "[" * 10_000],
    ids=["two values", "a list and an object", "no JSON", "prose", "cut", "deep"],
)
async def test_what_would_have_to_be_guessed_is_asked_for_again(text: str) -> None:
    with Emulator([Reply(text=text), Reply(text=ADA)]) as gateway:
        result = await Agent(gateway.model(), output=Person).run("Go")
        assert "the answer is not JSON" in gateway.requests[-1].body["messages"][-1]["content"]
    assert (result.output, result.corrections) == (Person(name="Ada"), 1)


async def test_commas_inside_strings_are_left_alone() -> None:
    with Emulator([Reply(text='{"name":"a,] \\",}",}')]) as gateway:
        result = await Agent(gateway.model(), output=Person).run("Go")
    assert result.output == Person(name='a,] ",}')


async def test_malformed_arguments_of_the_output_tool_are_asked_for_again() -> None:
    with Emulator(
        [Reply(calls=(Call("final_output", '{"name":'),)), Reply(calls=(Call("final_output", ADA),))]
    ) as gateway:
        result = await Agent(gateway.model(), output=Person, output_mode="tool").run("Go")
    assert (result.output, result.corrections) == (Person(name="Ada"), 1)


async def test_the_output_tool_may_be_answered_in_text() -> None:
    with Emulator([Reply(text=ADA)]) as gateway:
        assert (await Agent(gateway.model(), output=Person, output_mode="tool").run("Go")).output == Person(name="Ada")


async def test_a_validator_that_raises_anything_is_a_problem_for_the_model() -> None:
    class Strict(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def check(cls, name: str) -> str:
            if name == "Ada":
                raise KeyError("no Ada here")
            return name

    with Emulator([Reply(text=ADA), Reply(text='{"name":"Bob"}')]) as gateway:
        result = await Agent(gateway.model(), output=Strict).run("Go")
        assert "no Ada here" in gateway.requests[-1].body["messages"][-1]["content"]
    assert result.output.name == "Bob"


async def test_a_json_schema_output_is_checked_locally() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    with Emulator([Reply(text='{"n":1}'), Reply(text='{"n":4}')]) as gateway:
        result = await Agent(gateway.model(), output=schema).run("Go")
        assert "n: " in gateway.requests[-1].body["messages"][-1]["content"]
    assert (result.output, result.corrections) == ({"n": 4}, 1)


async def test_a_function_output_wants_an_object() -> None:
    def book(seat: str) -> str:
        """Book."""
        return seat

    with Emulator([Reply(text="[1]"), Reply(text='{"seat":"1A"}')]) as gateway:
        result = await Agent(gateway.model(), output=book).run("Go")
        assert "an object was expected" in gateway.requests[-1].body["messages"][-1]["content"]
    assert result.output == "1A"


async def test_a_mode_that_the_gateway_does_not_take_is_refused_before_a_request() -> None:
    with Emulator([]) as gateway:
        model = gateway.model(profile=Profile(gateway="small", output_modes=("prompt",)))
        agent = Agent(model, output=Person, output_mode="tool")
        with pytest.raises(ConfigurationError, match="output_mode='tool' is not taken by small; it takes: prompt"):
            await agent.run("Go")
        assert gateway.requests == []


async def test_the_best_mode_of_the_profile_is_used() -> None:
    with Emulator([Reply(text=ADA)]) as gateway:
        model = gateway.model(profile=Profile(output_modes=("prompt",)))
        assert (await Agent(model, output=Person).run("Go")).output == Person(name="Ada")
        assert "response_format" not in gateway.requests[0].body


async def test_a_tool_with_the_output_tools_name_is_refused() -> None:
    @tool
    async def final_output() -> None:
        """Mine."""

    with Emulator([]) as gateway:
        agent = Agent(gateway.model(), tools=[final_output], output=Person, output_mode="tool")
        with pytest.raises(ConfigurationError, match=r"a tool is called 'final_output', .* rename it"):
            await agent.run("Go")
        assert gateway.requests == []


def untyped(seat) -> None:  # type: ignore[no-untyped-def]  # what is refused
    """No types."""


@pytest.mark.parametrize("output", [untyped, lambda *args: None])
async def test_a_function_that_cannot_be_declared_is_refused_when_the_agent_is_made(output: Any) -> None:
    with pytest.raises(OutputTypeError, match="output="):
        Agent("toapis", output=output)
