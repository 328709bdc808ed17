"""What was changed after a refusal is told: by the answer that follows, once, and of settings by each answer."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from agentkit import Agent
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelSettings, Profile, ToolDefinition
from agentkit.providers import ChatCompletionsModel, LearnedProfiles
from agentkit.transport import RetryPolicy

pytestmark = pytest.mark.anyio
PARAMETERS = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
STRICT = ToolDefinition("get_weather", "Weather.", PARAMETERS, strict=True)
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}


def asked(**options: Any) -> ModelRequest:
    return ModelRequest([UserMessage("Hi")], **options)


def model_of(answer: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]) -> ChatCompletionsModel:
    return ChatCompletionsModel(
        "m",
        base_url="http://127.0.0.1:1/v1",
        api_key="k",
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        profile=Profile(gateway="test"),
        retry=RetryPolicy(waits=(0.0,)),
        learned=LearnedProfiles(),
    )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("refused", "request_", "told"),
    [
        (
            "max_completion_tokens",
            asked(settings=ModelSettings(max_tokens=9)),
            "max_completion_tokens goes out as max_tokens",
        ),
        ("strict", asked(tools=[STRICT]), "strict is left out"),
        ("tool_choice:required", asked(tools=[STRICT], tool_choice="required"), "tool_choice required is not sent"),
        ("role:system", asked(instructions="Be kind."), "instructions go out with the role developer"),
    ],
    ids=["rename", "strict", "tool_choice", "role"],
)
async def test_what_was_learned_is_told_by_the_next_answer_and_only_by_that(
    refused: str, request_: ModelRequest, told: str, stream: bool
) -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=[refused]) as gateway:
        async with gateway.model(learned=LearnedProfiles(), surface="chat") as model:
            first, second = [await model.respond(request_, stream=stream) for _ in range(2)]

    assert (first.warnings, second.warnings) == ((told,), ())
    assert len(gateway.requests) == 3


async def test_a_stream_without_its_options_says_so_once() -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=["stream_options"]) as gateway:
        async with gateway.model(learned=LearnedProfiles(), surface="chat") as model:
            first, second = [await model.respond(asked(), stream=True) for _ in range(2)]

    assert (first.warnings, second.warnings) == (("stream_options is left out",), ())


@pytest.mark.parametrize(
    ("refused", "options", "told"),
    [
        ("seed", {}, "seed was left out: openai refused it"),
        (
            "reasoning_effort+tools",
            {"tools": [STRICT]},
            "reasoning_effort went out as 'none' in place of 'low', for openai",
        ),
    ],
)
async def test_what_a_setting_became_is_told_in_one_sentence_by_each_answer(
    refused: str, options: Mapping[str, Any], told: str
) -> None:
    request = asked(settings=ModelSettings(seed=7, reasoning_effort="low"), **options)
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=[refused]) as gateway:
        async with gateway.model(learned=LearnedProfiles(), surface="chat") as model:
            first, second = [await model.respond(request) for _ in range(2)]

    assert first.warnings == second.warnings == (told,)


async def test_an_effort_that_nobody_asked_for_is_told_when_it_is_learned() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content).get("reasoning_effort") == "none":
            return httpx.Response(200, json=ANSWER)
        text = "Function tools with reasoning_effort are not supported for this model."
        return httpx.Response(400, json={"error": {"message": text, "param": "reasoning_effort"}})

    model = model_of(answer)
    first, second = [await model.respond(asked(tools=[STRICT])) for _ in range(2)]

    assert (first.warnings, second.warnings) == (("reasoning_effort is none when tools are sent",), ())


async def test_what_was_learned_is_told_although_another_attempt_failed_before_the_answer() -> None:
    script: list[Mapping[str, Any] | int] = [
        {"error": {"message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}},
        500,
        {"error": {"message": "Unsupported parameter: 'seed'", "param": "seed"}},
        ANSWER,
    ]
    bodies: list[Any] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        found = script.pop(0)
        if isinstance(found, int):
            return httpx.Response(found)
        return httpx.Response(400 if "error" in found else 200, json=found)

    model = model_of(answer)
    response = await model.respond(asked(settings=ModelSettings(max_tokens=9, seed=7)))

    assert [sorted(set(body) - {"model", "messages"}) for body in bodies] == [
        ["max_tokens", "seed"],
        ["max_completion_tokens", "seed"],
        ["max_completion_tokens", "seed"],
        ["max_completion_tokens"],
    ]
    assert response.warnings == (
        "max_tokens goes out as max_completion_tokens",
        "seed was left out: test refused it",
    )


class Place(BaseModel):
    """A place."""

    city: str


async def test_a_run_tells_of_each_step_that_its_output_took_and_the_next_run_of_none() -> None:
    def answer(request: Mapping[str, Any]) -> Reply:
        return Reply(calls=(Call("final_output", {"city": "Oslo"}),)) if request.get("tools") else Reply("{}")

    refuses = ["response_format:json_schema", "response_format:json_object"]
    with Emulator(answer, gateway="openai", refuses=refuses) as gateway:
        agent = Agent(gateway.model(learned=LearnedProfiles(), surface="chat"), output=Place)
        first, second = [await agent.run("Where?") for _ in range(2)]

    assert first.output == second.output == Place(city="Oslo")
    assert first.warnings == (
        "output is asked for as json_object, not json_schema",
        "output is asked for as tool, not json_object",
    )
    assert second.warnings == ()
