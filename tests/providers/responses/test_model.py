"""Runs over real HTTP, against the gateway's own Responses endpoint."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from agentkit import Agent, AuthenticationError, ModelSettings, Refused, RetryPolicy, RunResult, Truncated, tool
from agentkit.emulator import Call, Emulator, Raw, Reply
from agentkit.errors import GatewayError, ServerError, StreamTruncated
from agentkit.events import AttemptDiscarded, ReasoningDelta, TextDelta
from agentkit.messages import History, ImagePart, ReasoningPart, TextPart, ToolMessage, UserMessage
from agentkit.models import ModelRequest, ModelResponse, Profile
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.responses import ResponsesModel

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
HIGH = ModelSettings(reasoning_effort="high")
NOW = RetryPolicy(waits=(0.0,), jitter=0.0)
Brain = Sequence[Reply | Raw] | Callable[[Mapping[str, Any]], Reply]


class Report(BaseModel):
    city: str
    celsius: int


@tool(effect="read")
async def look(city: str) -> str:
    """Look at a city."""
    return f"{city}: 7 C"


def emulator(brain: Brain, *faults: str) -> Emulator:
    return Emulator(brain, gateway="openai", faults=faults)


def model_at(gateway: Emulator, **options: Any) -> ResponsesModel:
    given: dict[str, Any] = {"api_key": gateway.key, "retry": NOW, "learned": LearnedProfiles(), **options}
    return ResponsesModel("gpt-5.4-mini", base_url=gateway.url, **given)


async def ask(gateway: Emulator, *, stream: bool, request: ModelRequest | None = None) -> ModelResponse:
    async with model_at(gateway) as model:
        with anyio.fail_after(5):
            return await model.respond(request or ModelRequest([UserMessage("Hi")]), stream=stream)


TWO_CALLS = Reply(
    "Let me see.",
    calls=(Call("look", {"city": "Oslo"}, id="call_1"), Call("look", {"city": "Rome"}, id="call_2")),
    reasoning="I should look twice.",
)
THEN = [TWO_CALLS, Reply("7 C in both."), Reply("You asked of Oslo and Rome.")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_with_parallel_tools_replays_its_reasoning(stream: bool) -> None:
    with emulator(THEN) as gateway, anyio.fail_after(10):
        async with model_at(gateway) as model:
            agent = Agent(model, tools=[look], settings=HIGH, instructions="Be brief.")
            first = await _run(agent, "Weather?", stream=stream)
            restored = History.from_json(first.messages.to_json())
            second = await agent.run("What did I ask?", history=restored)
    assert (first.output, second.output) == ("7 C in both.", "You asked of Oslo and Rome.")
    assert [message for message in first.messages if isinstance(message, ToolMessage)] == [
        ToolMessage("call_1", "look", "Oslo: 7 C"),
        ToolMessage("call_2", "look", "Rome: 7 C"),
    ]
    one, two, three = (request.body for request in gateway.requests)
    assert two["input"][: len(one["input"])] == one["input"]
    assert three["input"][: len(two["input"])] == two["input"]
    assert [item.get("type", item.get("role")) for item in two["input"]] == [
        "user", "reasoning", "message", "function_call", "function_call", "function_call_output",
        "function_call_output",
    ]  # fmt: skip
    assert two["input"][1]["encrypted_content"]
    assert two["instructions"] == "Be brief."
    raw = [request.raw for request in gateway.requests]
    assert raw[1].startswith(raw[0][:-2])


async def _run(agent: Agent[None, str], prompt: str, *, stream: bool) -> RunResult[str]:
    if not stream:
        return await agent.run(prompt)
    text, reasoning = list[str](), list[str]()
    async with agent.stream(prompt) as run:
        async for event in run:
            if isinstance(event, TextDelta):
                text.append(event.text)
            elif isinstance(event, ReasoningDelta):
                reasoning.append(event.text)
    assert "".join(text) == "Let me see.7 C in both."
    assert "".join(reasoning) == "I should look twice."
    return run.result


async def test_reasoning_that_nobody_asked_for_goes_back_by_its_id() -> None:
    with emulator(THEN) as gateway:
        async with model_at(gateway) as model:
            await Agent(model, tools=[look]).run("Weather?")
    body = gateway.requests[1].body
    assert "store" not in body
    assert body["input"][1] == {
        "type": "reasoning",
        "id": body["input"][1]["id"],
        "summary": [{"type": "summary_text", "text": "I should look twice."}],
    }


@pytest.mark.parametrize("reply", [TWO_CALLS, Reply("Hi"), Reply(refusal="No."), Reply("", reasoning="Hm.")])
async def test_streamed_and_plain_answers_are_the_same_message(reply: Reply) -> None:
    request = ModelRequest([UserMessage("Hi")], tools=[look.definition], settings=HIGH)
    answers: list[ModelResponse] = []
    for stream in (False, True):
        with emulator([reply]) as gateway:
            answers.append(await ask(gateway, stream=stream, request=request))
    plain, streamed = answers
    assert plain.message == streamed.message
    assert (plain.finish_reason, plain.usage, plain.warnings) == (streamed.finish_reason, streamed.usage, ())
    assert plain.model == "gpt-5.4-mini"


async def test_structured_output_is_asked_for_as_a_schema() -> None:
    with emulator([Reply('{"city":"Oslo","celsius":7}')]) as gateway:
        async with model_at(gateway) as model:
            result = await Agent(model, output=Report).run("Weather in Oslo?")
    assert result.output == Report(city="Oslo", celsius=7)
    asked = gateway.requests[0].body["text"]["format"]
    assert (asked["type"], asked["name"], asked["strict"]) == ("json_schema", "Report", True)


async def test_images_reach_the_brain_from_the_user_and_from_tools() -> None:
    @tool
    def chart() -> ImagePart:
        """A chart."""
        return ImagePart(data=PNG)

    seen: list[Any] = []

    def brain(body: Mapping[str, Any]) -> Reply:
        seen.append(body["messages"])
        return Reply(calls=(Call("chart"),)) if len(seen) == 1 else Reply("Seen.")

    with emulator(brain) as gateway:
        async with model_at(gateway) as model:
            await Agent(model, tools=[chart]).run([TextPart("Compare."), ImagePart(data=PNG)])
    url = ImagePart(data=PNG).as_url()
    assert seen[0][0]["content"][1]["image_url"]["url"] == url
    assert seen[1][-1]["content"][0]["image_url"]["url"] == url


async def test_a_refusal_and_a_cut_answer_end_a_run_typed() -> None:
    with emulator([Reply(refusal="I will not.")]) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(Refused, match="I will not"):
                await Agent(model).run("Hi")
    with emulator([Reply("Half", finish_reason="length")]) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(Truncated):
                await Agent(model, settings=ModelSettings(max_tokens=16)).run("Hi")
    assert gateway.requests[0].body["max_output_tokens"] == 16


async def test_a_wrong_key_is_said_once() -> None:
    with emulator([]) as gateway:
        async with model_at(gateway, api_key="sk-wrong") as model:
            with pytest.raises(AuthenticationError):
                await model.respond(ModelRequest([UserMessage("Hi")]))
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("fault", ["rate_limit_fast", "server_error", "error_in_200"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_passing_failure_is_retried(fault: str, stream: bool) -> None:
    with emulator(lambda body: Reply("Hi"), fault) as gateway:
        answer = await ask(gateway, stream=stream)
    assert answer.message.text == "Hi"
    assert len(gateway.requests) == 2


@pytest.mark.parametrize(("fault", "kind"), [("cut_stream", StreamTruncated), ("error_in_stream", ServerError)])
async def test_a_stream_that_breaks_is_an_error_with_what_had_come(fault: str, kind: type[GatewayError]) -> None:
    with emulator([Reply("Hello to all of you who are there.")], fault) as gateway, pytest.raises(kind) as caught:
        await ask(gateway, stream=True)
    assert caught.value.partial is not None
    assert "Hello to all of you".startswith((caught.value.partial.text or "")[:5])


async def test_after_output_a_retry_voids_what_was_shown() -> None:
    with emulator(lambda body: Reply("Hello to all of you who are there."), "cut_stream") as gateway:
        async with model_at(gateway, retry=RetryPolicy(waits=(0.0,), jitter=0.0, after_output=True)) as model:
            events = [event async for event in model.events(ModelRequest([UserMessage("Hi")]), stream=True)]
    assert any(isinstance(event, AttemptDiscarded) for event in events)
    assert len(gateway.requests) == 2


async def test_a_refused_setting_is_dropped_once_and_remembered() -> None:
    with Emulator(lambda body: Reply("Hi"), gateway="openai", refuses=["temperature"]) as gateway:
        async with model_at(gateway) as model:
            request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(temperature=0.5))
            answers = [await model.respond(request) for _ in range(2)]
    assert all("temperature was left out" in answer.warnings[0] for answer in answers)
    assert ["temperature" in request.body for request in gateway.requests] == [True, False, False]


@pytest.mark.outside_openai("a function without strict")
async def test_a_server_that_knows_no_strict_is_not_told_of_it_again() -> None:
    with Emulator(lambda body: Reply("Hi"), gateway="openai", refuses=["strict"]) as gateway:
        async with model_at(gateway) as model:
            answer = await model.respond(ModelRequest([UserMessage("Hi")], tools=[look.definition]))
    assert answer.message.text == "Hi"
    assert ["strict" in request.body["tools"][0] for request in gateway.requests] == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ],
)
async def test_a_server_that_has_forgotten_the_reasoning_gets_the_answers_without_it(words: str) -> None:
    error = {"error": {"message": words, "type": "invalid_request_error", "param": "input", "code": None}}
    with emulator([TWO_CALLS, Raw((json.dumps(error).encode(),), status=400), Reply("7 C in both.")]) as gateway:
        async with model_at(gateway) as model:
            result = await Agent(model, tools=[look]).run("Weather?")
    assert result.output == "7 C in both."
    kinds = [[item.get("type", "message") for item in request.body["input"]] for request in gateway.requests]
    assert kinds[1][1:3] == ["reasoning", "message"]
    assert kinds[2][1:3] == ["message", "function_call"]
    assert '"id"' not in gateway.requests[2].raw.decode()


async def test_a_conversation_moves_from_chat_to_this_wire_and_back() -> None:
    call = Reply(calls=(Call("look", {"city": "Oslo"}),))
    thought = Reply(calls=call.calls, reasoning="Hm.")
    with emulator([call, Reply("7 C."), thought, Reply("Still 7 C."), call, Reply("7 C!")]) as gateway:
        async with gateway.model("gpt-5.4-mini") as chat, model_at(gateway) as responses:
            result = await Agent(chat, tools=[look]).run("Weather?")
            result = await Agent(responses, tools=[look], settings=HIGH).run("And now?", history=result.messages)
            result = await Agent(chat, tools=[look]).run("And now?", history=result.messages)
    assert result.output == "7 C!"
    paths = [request.path.rpartition("/")[2] for request in gateway.requests]
    assert paths == ["completions", "completions", "responses", "responses", "completions", "completions"]
    assert [part for message in result.messages for part in getattr(message, "parts", ())].count(
        ReasoningPart("Hm.", "summary")
    ) == 1
    assert "output_items" not in gateway.requests[-1].raw.decode()


async def test_reasoning_of_another_server_is_left_out_once_it_is_refused() -> None:
    with emulator([TWO_CALLS, Reply("7 C."), Reply("Yes."), Reply("Again.")]) as gateway:
        async with model_at(gateway) as model:
            result = await Agent(model, tools=[look], settings=HIGH).run("Weather?")
            sealed = result.messages.to_json().replace(b"gAAAAAB", b"gBBBBBB")
            foreign = History.from_json(sealed)
            answer = await model.respond(ModelRequest(foreign.extended([UserMessage("?")]), settings=HIGH))
            assert answer.message.text == "Yes."
            assert model.profile == Profile(gateway=model.profile.gateway, replay_reasoning=False)
    assert "encrypted_content" not in gateway.requests[-1].raw.decode().replace("reasoning.encrypted_content", "")
