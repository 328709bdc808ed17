"""Answers and declared outputs, from llama.cpp's own server."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import anyio
import pytest
from pydantic import BaseModel, Field

from agentkit import Agent, InvalidOutput, ModelSettings, RunNotFinished, Truncated
from agentkit.events import PartialOutput, TextDelta
from agentkit.messages import AssistantMessage, History, UserMessage
from agentkit.models import AttemptStarting, ModelRequest, ResponseCompleted
from agentkit.providers import ChatCompletionsModel

from .conftest import ANSWER, OWN_FIELDS, TEXT, LlamaServer
from .serve import CONTEXT

pytestmark = pytest.mark.anyio

FIXED = ModelSettings(temperature=0, seed=1)
HELLO = ModelRequest([UserMessage("Hello")], settings=FIXED)
ANSWER_TOKENS = len(ANSWER) + 1  # a byte each, and the end


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    colour: Colour
    weight: float


class Machine(BaseModel):
    name: str
    rank: int = Field(ge=1, le=5)
    size: Literal["large", "small"]
    parts: list[Part] = Field(min_length=1, max_length=3)
    spare: Part | None
    tested: bool
    note: str | None = None


class Node(BaseModel):
    name: str
    children: list["Node"]


class Unanchored(BaseModel):
    code: str = Field(pattern="[0-9]{4}")


@dataclass
class Point:
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def is_movie(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value["title"], str) and isinstance(value["year"], int)


DECLARED: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "pydantic model": (Machine, lambda value: isinstance(value, Machine) and 1 <= len(value.parts) <= 3),
    "recursive model": (Node, lambda value: isinstance(value, Node)),
    "dataclass": (Point, lambda value: isinstance(value, Point)),
    "TypedDict": (Movie, is_movie),
    "enum": (Colour, lambda value: isinstance(value, Colour)),
    "literal": (Literal["yes", "no"], lambda value: value in ("yes", "no")),
    "list of models": (list[Part], lambda value: all(isinstance(item, Part) for item in value)),
    "list of texts": (list[str], lambda value: all(isinstance(item, str) for item in value)),
    "union": (Point | Part, lambda value: isinstance(value, (Point, Part))),
    "dict": (dict[str, int], lambda value: all(isinstance(item, int) for item in value.values())),
    "number": (int, lambda value: isinstance(value, int)),
    "JSON Schema": (CITY, lambda value: isinstance(value["name"], str)),
}


@pytest.mark.parametrize("settings", [FIXED, *(ModelSettings(temperature=2, seed=seed) for seed in range(4))])
async def test_plain_and_streamed_answers_are_the_same(llama: LlamaServer, settings: ModelSettings) -> None:
    request = ModelRequest([UserMessage("Hello")], settings=settings)
    async with llama.model() as model:
        plain = await model.respond(request)
        streamed = await model.respond(request, stream=True)
    assert plain.message == streamed.message
    assert (plain.finish_reason, plain.model, plain.warnings) == ("stop", "tiny", ())
    assert (streamed.finish_reason, streamed.model, streamed.warnings) == ("stop", "tiny", ())
    used = [(each.usage.input_tokens, each.usage.output_tokens, each.usage.total_tokens) for each in (plain, streamed)]
    assert used[0] == used[1]


async def test_each_token_is_counted_and_those_from_the_cache_are_told(llama: LlamaServer) -> None:
    async with llama.model() as model:
        first = await model.respond(HELLO)
        second = await model.respond(HELLO)
    assert first.message == AssistantMessage(ANSWER)
    assert first.usage.output_tokens == ANSWER_TOKENS
    assert first.usage.total_tokens == first.usage.input_tokens + ANSWER_TOKENS
    assert second.usage.input_tokens == first.usage.input_tokens
    assert second.usage.cached_tokens == first.usage.input_tokens - 1  # one is read again, for the scores after it


async def test_a_later_run_goes_on_from_an_earlier_one(llama: LlamaServer) -> None:
    async with Agent(llama.model(), instructions="Be brief.", settings=FIXED) as agent:
        earlier = await agent.run("Hello")
        later = await agent.run("Again", history=earlier.messages)
    assert later.messages == History(
        [UserMessage("Hello"), AssistantMessage(ANSWER), UserMessage("Again"), AssistantMessage(ANSWER)]
    )
    assert (later.usage.requests, later.turns, later.retries, later.warnings) == (1, 1, 0, ())
    assert later.usage.cached_tokens >= earlier.usage.input_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_cut_at_max_tokens_is_reported(llama: LlamaServer, stream: bool) -> None:
    settings = ModelSettings(temperature=0, max_tokens=3)
    async with llama.model() as model:
        response = await model.respond(ModelRequest([UserMessage("Hello")], settings=settings), stream=stream)
    assert (response.message, response.finish_reason) == (AssistantMessage(ANSWER[:3]), "length")
    assert response.usage.output_tokens == 3


async def test_an_answer_cut_at_max_tokens_is_never_an_output(llama: LlamaServer) -> None:
    async with Agent(llama.model(), settings=ModelSettings(temperature=0, max_tokens=3)) as agent:
        with pytest.raises(Truncated, match="after 3 tokens: set a larger max_tokens") as raised:
            await agent.run("Hello")
    assert raised.value.history == History([UserMessage("Hello"), AssistantMessage(ANSWER[:3])])
    assert raised.value.usage.output_tokens == 3


@OWN_FIELDS
async def test_an_answer_cut_at_the_end_of_the_context_is_never_an_output(llama: LlamaServer) -> None:
    async with Agent(llama.model(), settings=endless(top_logprobs=None)) as agent:
        with pytest.raises(Truncated) as raised:
            await agent.run("x" * (CONTEXT - 60))
    assert 0 < raised.value.usage.output_tokens < 60


async def test_a_structured_output_that_was_cut_is_asked_for_once_more_with_a_larger_limit(llama: LlamaServer) -> None:
    async with Agent(llama.model(), output=Point, settings=ModelSettings(temperature=0, max_tokens=8)) as agent:
        result = await agent.run("Hello")
        with pytest.raises(Truncated):
            await agent.run("Hello", settings=ModelSettings(max_tokens=2))
    assert isinstance(result.output, Point)
    assert (result.corrections, result.usage.requests, len(result.messages)) == (1, 2, 2)


@pytest.mark.parametrize("name", DECLARED)
async def test_random_weights_give_what_was_declared_at_the_first_try(llama: LlamaServer, name: str) -> None:
    declared, holds = DECLARED[name]
    async with Agent(llama.model(), output=declared, output_mode="json_schema") as agent:
        for seed in range(4):
            settings = ModelSettings(temperature=2, seed=seed)
            plain = await agent.run("Hello", settings=settings)
            assert holds(plain.output)
            assert (plain.corrections, plain.usage.requests, plain.warnings) == (0, 1, ())
            partial: PartialOutput | None = None
            async with agent.stream("Hello", settings=settings) as run:
                async for event in run:
                    partial = event if isinstance(event, PartialOutput) else partial
            assert run.result.output == plain.output
            assert run.result.messages == plain.messages
            assert partial is not None
            assert partial.text == plain.messages[-1].text


async def test_json_mode_holds_for_any_object_and_the_declared_type_is_checked_here(llama: LlamaServer) -> None:
    async with llama.model() as model:
        any_object = Agent(model, output=dict[str, Any], output_mode="json_object", settings=FIXED)
        assert (await any_object.run("Hello")).output == {TEXT: TEXT}
        with pytest.raises(InvalidOutput, match=r"no valid Point in 4 tries: x: field required; y: field required"):
            await Agent(model, output=Point, output_mode="json_object", settings=FIXED).run("Hello")


async def test_a_part_of_the_schema_that_the_server_passes_over_is_checked_here(llama: LlamaServer) -> None:
    """llama.cpp takes patterns with both anchors only, says so in its log, and lets any text through."""
    agent = Agent(llama.model(), output=Unanchored, output_mode="json_schema", settings=FIXED)
    async with agent:
        with pytest.raises(InvalidOutput, match="code: ") as raised:
            await agent.run("Hello")
    assert raised.value.usage.requests == 4


@OWN_FIELDS
async def test_a_run_that_is_left_in_mid_stream_frees_the_server(llama: LlamaServer) -> None:
    seen: list[str] = []
    before = llama.slots()
    async with llama.model() as model:
        async with Agent(model, settings=endless()).stream("Hello") as run:
            async for event in run:
                seen.extend([event.text] if isinstance(event, TextDelta) else [])
                if len(seen) == 3:
                    break
        with pytest.raises(RunNotFinished):
            _ = run.result
        assert await tokens_when_idle(llama, before) < CONTEXT // 2
        after = await Agent(model, settings=FIXED).run("Hello")
    assert "".join(seen) == ANSWER[:3]
    assert after.output == ANSWER


@OWN_FIELDS
async def test_a_run_that_is_cancelled_in_mid_stream_frees_the_server(llama: LlamaServer) -> None:
    before = llama.slots()
    async with llama.model() as model:
        with anyio.CancelScope() as scope:
            async with Agent(model, settings=endless()).stream("Hello") as run:
                async for event in run:
                    if isinstance(event, TextDelta):
                        scope.cancel()
        assert scope.cancelled_caught
        assert await tokens_when_idle(llama, before) < CONTEXT // 2
        assert (await Agent(model, settings=FIXED).run("Hello")).output == ANSWER


@pytest.mark.parametrize("at_once", [1, 8])
async def test_a_plain_request_right_after_a_streamed_one_is_one_attempt(llama: LlamaServer, at_once: int) -> None:
    """A server that closes the kept-alive connection after a stream is met by the transport, not by the retries."""
    numbers: list[int] = []
    answers: list[AssistantMessage] = []

    async def take_turns(model: ChatCompletionsModel) -> None:
        for _ in range(50):
            for stream in (True, False):
                async for event in model.events(HELLO, stream=stream):
                    if isinstance(event, AttemptStarting):
                        numbers.append(event.number)
                    elif isinstance(event, ResponseCompleted):
                        answers.append(event.response.message)

    async with llama.model() as model, anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(take_turns, model)
    assert numbers == [1] * 100 * at_once
    assert answers == [AssistantMessage(ANSWER)] * 100 * at_once


async def test_more_runs_at_once_than_the_server_has_slots_all_end(llama: LlamaServer) -> None:
    outputs: list[str] = []
    async with Agent(llama.model(), settings=FIXED) as agent:

        async def one() -> None:
            outputs.append((await agent.run("Hello")).output)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for _ in range(12):
                    group.start_soon(one)
    assert outputs == [ANSWER] * 12


def endless(top_logprobs: int | None = 20) -> ModelSettings:
    """Settings with which the model talks until the context is full; the logprobs make each token 20 times as long."""
    logprobs = None if top_logprobs is None else True
    return ModelSettings(temperature=0, logprobs=logprobs, top_logprobs=top_logprobs, extra={"ignore_eos": True})


async def tokens_when_idle(llama: LlamaServer, before: list[dict[str, Any]]) -> int:
    """How many tokens the slot holds that was at work since `before`, once all have stopped."""
    with anyio.fail_after(10):
        slots = await anyio.to_thread.run_sync(llama.slots)
        while any(slot["is_processing"] for slot in slots):
            await anyio.sleep(0.01)
            slots = await anyio.to_thread.run_sync(llama.slots)
    earlier = {slot["id"]: slot.get("id_task") for slot in before}  # one that has never worked has none
    (tokens,) = [slot["n_prompt_tokens"] for slot in slots if slot.get("id_task") != earlier[slot["id"]]]
    return int(tokens)
