"""ModelStream: messages for agents, and the flat form of its page for those who ask for it."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, Tool
from agentkit.emulator import Emulator
from agentkit.errors import AuthenticationError, ConfigurationError
from agentkit.messages import AssistantMessage, ImagePart, Message, TextPart, UserMessage
from agentkit.models import ModelRequest
from agentkit.providers import GATEWAYS

HI = ModelRequest([UserMessage("Hi")])


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.mark.anyio
async def test_an_agent_works_on_messages_with_the_pages_name_for_the_limit(
    brain: Any, weather: Tool[..., Any]
) -> None:
    settings = ModelSettings(max_tokens=256, seed=1, presence_penalty=0.5)
    with Emulator(brain, gateway="modelstream") as gateway:
        result = await Agent(gateway.model(), tools=[weather], settings=settings).run("Weather in Oslo and Rome?")

    assert result.output == "Oslo and Rome: 7 degrees"
    body = gateway.requests[0].body
    assert {name: body[name] for name in ("max_completion_tokens", "seed", "presence_penalty")} == {
        "max_completion_tokens": 256,
        "seed": 1,
        "presence_penalty": 0.5,
    }
    assert "max_tokens" not in body


@pytest.mark.anyio
async def test_a_declared_output_is_enforced(brain: Any) -> None:
    with Emulator(brain, gateway="modelstream") as gateway:
        result = await Agent(gateway.model(), output=Weather).run("Weather?")

    assert result.output == Weather(city="Oslo", degrees=7)


@pytest.mark.anyio
@pytest.mark.outside_openai("the flat form is ModelStream's own")
@pytest.mark.parametrize("stream", [False, True])
async def test_the_flat_form_carries_one_question_with_its_images(brain: Any, stream: bool) -> None:
    question = UserMessage([TextPart("What is it?"), ImagePart(url="https://example.com/a.png", detail="low")])
    request = ModelRequest([question], instructions="Be terse.", settings=ModelSettings(max_tokens=9, temperature=0.2))
    with Emulator(brain, gateway="modelstream") as gateway:
        model = gateway.model(profile=GATEWAYS["modelstream/form"].profile_of("gpt-4o-mini"))
        response = await model.respond(request, stream=stream)

    assert response.message.text
    assert gateway.requests[0].body == {
        "model": "gpt-4o-mini",
        "system_prompt": "Be terse.",
        "prompt": "What is it?",
        "image_urls": ["https://example.com/a.png"],
        "image_detail": "low",
        "max_completion_tokens": 9,
        "temperature": 0.2,
        **({"stream": True} if stream else {}),
    }


@pytest.mark.anyio
async def test_the_flat_form_refuses_a_conversation_and_tools(brain: Any, weather: Tool[..., Any]) -> None:
    talk: list[Message] = [UserMessage("Hi"), AssistantMessage("Hello"), UserMessage("And now?")]
    with Emulator(brain, gateway="modelstream") as gateway:
        model = gateway.model(profile=GATEWAYS["modelstream/form"].profile_of("gpt-4o-mini"))
        with pytest.raises(ConfigurationError, match="no place for a conversation of several turns"):
            await model.respond(ModelRequest(talk))
        with pytest.raises(ConfigurationError, match="no place for tools"):
            await model.respond(ModelRequest([UserMessage("Hi")], tools=[weather.definition]))

    assert gateway.requests == []


@pytest.mark.anyio
async def test_its_error_has_all_four_fields() -> None:
    with Emulator(gateway="modelstream", faults=["unauthorized"]) as gateway:
        model = gateway.model()
        with pytest.raises(AuthenticationError) as caught:
            await model.respond(HI)

    assert caught.value.body["error"].keys() == {"message", "type", "param", "code"}
