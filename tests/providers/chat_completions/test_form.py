"""ModelStream's page as a form: one prompt, one system prompt, images; what it cannot carry is refused."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, RetryPolicy
from agentkit.emulator import Emulator, Reply
from agentkit.errors import ConfigurationError, RateLimited, ServerError, StreamTruncated
from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from agentkit.models import ModelRequest, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import ChatCompletionsModel, Registry
from agentkit.providers.gateways import gateway_named
from agentkit.providers.learned import LearnedProfiles

pytestmark = pytest.mark.anyio
outside = pytest.mark.outside_openai("the form has a prompt in place of messages")
IMAGE = ImagePart("https://example.com/a.png")
LOW = ImagePart("https://example.com/b.png", detail="low")
LOOK = TextPart("What is in the image?")


def form(gateway: Emulator, **options: Any) -> ChatCompletionsModel:
    """The form's model at the embedded gateway."""
    options = {"gateway": "modelstream/form", "learned": LearnedProfiles(), **options}
    return ChatCompletionsModel("gpt-4o-mini", base_url=gateway.url, api_key=gateway.key, **options)


async def body_of(request: ModelRequest, *, stream: bool = False, **options: Any) -> dict[str, Any]:
    """What the embedded gateway was sent, and took."""
    with Emulator([Reply("A cat.")], gateway="modelstream") as gateway:
        response = await form(gateway, **options).respond(request, stream=stream)
    (recorded,) = gateway.requests
    assert (recorded.path, response.message.text) == ("/v1/chat/completions", "A cat.")
    body: dict[str, Any] = recorded.body
    return body


@outside
async def test_json_is_asked_for_with_a_word() -> None:
    request = ModelRequest([UserMessage("Say it as JSON.")], response_format=ResponseFormat("json_object"))

    assert await body_of(request) == {
        "model": "gpt-4o-mini",
        "prompt": "Say it as JSON.",
        "response_format": "json_object",
    }


@outside
@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (ModelRequest([UserMessage("Hi")]), {"prompt": "Hi"}),
        (
            ModelRequest([SystemMessage("Be kind."), UserMessage("Hi")], instructions="Be brief."),
            {"system_prompt": "Be brief.\n\nBe kind.", "prompt": "Hi"},
        ),
        (
            ModelRequest([UserMessage([TextPart("Compare "), IMAGE, TextPart("them."), IMAGE])]),
            {"prompt": "Compare them.", "image_urls": ["https://example.com/a.png"] * 2},
        ),
        (
            ModelRequest([UserMessage([LOOK, LOW, LOW])]),
            {
                "prompt": "What is in the image?",
                "image_urls": ["https://example.com/b.png"] * 2,
                "image_detail": "low",
            },
        ),
        (
            ModelRequest([UserMessage([LOOK, ImagePart(data=b"\x89PNG\r\n\x1a\n")])]),
            {"prompt": "What is in the image?", "image_urls": ["data:image/png;base64,iVBORw0KGgo="]},
        ),
        (
            ModelRequest([UserMessage("Hi")], settings=ModelSettings(max_tokens=10, seed=3, temperature=0.5)),
            {"prompt": "Hi", "temperature": 0.5, "seed": 3, "max_completion_tokens": 10},
        ),
    ],
)
async def test_a_request_is_the_fields_of_the_page(request_: ModelRequest, said: dict[str, Any]) -> None:
    assert await body_of(request_) == {"model": "gpt-4o-mini", **said}


@outside
async def test_a_stream_is_asked_for_without_options_and_is_read_like_any_other() -> None:
    body = await body_of(ModelRequest([UserMessage("Hi")]), stream=True)

    assert body == {"model": "gpt-4o-mini", "prompt": "Hi", "stream": True}


@outside
async def test_the_gateway_understands_the_form_as_messages() -> None:
    seen: list[Any] = []

    def looks(request: Any) -> Reply:
        seen.append(request["messages"])
        return Reply("A cat.")

    with Emulator(looks, gateway="modelstream") as gateway:
        await form(gateway).respond(ModelRequest([UserMessage([LOOK, LOW])], instructions="Be brief."))

    image = {"type": "image_url", "image_url": {"url": "https://example.com/b.png", "detail": "low"}}
    question = {"type": "text", "text": "What is in the image?"}
    assert seen == [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": [question, image]}]]


SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = ToolDefinition("lookup", "Looks up.", SCHEMA)
NO_PLACE = "the form of modelstream/form has no place for "
REFUSED: dict[str, tuple[list[Message], dict[str, Any], str]] = {
    "tools": ([UserMessage("Hi")], {"tools": [TOOL]}, NO_PLACE + "tools"),
    "an answer": (
        [UserMessage("Hi"), AssistantMessage("Hello!"), UserMessage("Again")],
        {},
        NO_PLACE + "a conversation of several turns: use 'modelstream:', which takes messages",
    ),
    "two questions": ([UserMessage("Hi"), UserMessage("Again")], {}, NO_PLACE + "a conversation of several turns"),
    "a result": (
        [UserMessage("Hi"), ToolMessage("c", "lookup", "x")],
        {},
        NO_PLACE + "a conversation of several turns",
    ),
    "no question": ([SystemMessage("Be kind.")], {}, NO_PLACE + "a conversation of several turns"),
    "an empty question": ([UserMessage(" ")], {}, "the prompt is empty, and modelstream/form requires one"),
    "an image alone": ([UserMessage([IMAGE])], {}, "the prompt is empty"),
    "a file": ([UserMessage([LOOK, FilePart(b"%PDF", "application/pdf", "a.pdf")])], {}, NO_PLACE + "files"),
    "two details": ([UserMessage([LOOK, IMAGE, LOW])], {}, NO_PLACE + "a detail for each image: it has one for all"),
    "a schema": (
        [UserMessage("Hi")],
        {"response_format": ResponseFormat("json_schema", "a", SCHEMA)},
        NO_PLACE + "a schema: its response_format is a word",
    ),
    "a schema that is not given": (
        [UserMessage("Hi")],
        {"response_format": ResponseFormat("json_schema")},
        NO_PLACE + "a schema",
    ),
    **{
        name: ([UserMessage("Hi")], {"settings": settings}, f"{NO_PLACE}{name}")
        for name, settings in {
            "stop": ModelSettings(stop="END"),
            "prediction": ModelSettings(prediction="text"),
            "parallel_tool_calls": ModelSettings(parallel_tool_calls=False),
            "logprobs": ModelSettings(logprobs=True),
            "top_logprobs": ModelSettings(top_logprobs=2),
            "logit_bias": ModelSettings(logit_bias={"1": 1.0}),
            "service_tier": ModelSettings(service_tier="flex"),
            "prompt_cache_key": ModelSettings(prompt_cache_key="k"),
            "user": ModelSettings(user="u"),
        }.items()
    },
    **{
        f"{name} of extra": (
            [UserMessage("Hi")],
            {"settings": ModelSettings(extra={name: "x"})},
            f"settings.extra holds {name}, which agentkit sets itself for modelstream",
        )
        for name in ("prompt", "system_prompt", "image_urls", "image_detail", "messages")
    },
    "a temperature out of range": (
        [UserMessage("Hi")],
        {"settings": ModelSettings(temperature=2.1)},
        "temperature=2.1 is outside what modelstream/form takes for gpt-4o-mini: 0 to 2",
    ),
    "a limit out of range": (
        [UserMessage("Hi")],
        {"settings": ModelSettings(max_tokens=16_385)},
        "max_tokens=16385 is outside what modelstream/form takes for gpt-4o-mini: 1 to 16384",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_form_has_no_place_for_is_refused_and_nothing_is_sent(name: str) -> None:
    messages, fields, text = REFUSED[name]
    with (
        Emulator([], gateway="modelstream") as gateway,
        pytest.raises(ConfigurationError) as caught,
    ):
        await form(gateway).respond(ModelRequest(messages, **fields))

    assert gateway.requests == []
    assert str(caught.value).startswith(text)


async def test_images_are_refused_for_a_model_without_vision() -> None:
    blind = Profile(gateway="modelstream", form="prompt", vision=False)
    with (
        Emulator([], gateway="modelstream") as gateway,
        pytest.raises(ConfigurationError, match="modelstream documents no vision for gpt-4o-mini"),
    ):
        await form(gateway, profile=blind).respond(ModelRequest([UserMessage([LOOK, IMAGE])]))

    assert gateway.requests == []


class Label(BaseModel):
    intent: str


@outside
async def test_an_agent_asks_for_json_with_a_word_and_checks_the_answer_itself() -> None:
    with Emulator([Reply('{"intent": "refund"}')], gateway="modelstream") as gateway:
        result = await Agent(form(gateway), output=Label).run("I want my money back.")

    body = gateway.requests[0].body
    assert result.output == Label(intent="refund")
    assert body["response_format"] == "json_object"
    assert '"intent"' in body["system_prompt"] + body["prompt"]


@outside
async def test_a_correction_is_a_conversation_and_is_refused_by_name() -> None:
    with (
        Emulator([Reply('{"mood": "angry"}')], gateway="modelstream") as gateway,
        pytest.raises(ConfigurationError, match="no place for a conversation of several turns"),
    ):
        await Agent(form(gateway), output=Label).run("I want my money back.")

    assert len(gateway.requests) == 1


@outside
async def test_failures_are_retried_as_on_the_messages_surface() -> None:
    once = RetryPolicy(waits=(0,), jitter=0)
    hi = ModelRequest([UserMessage("Hi")])
    with Emulator([Reply("A cat.")], gateway="modelstream", faults=["server_error"]) as gateway:
        assert (await form(gateway, retry=once).respond(hi)).message.text == "A cat."
    with Emulator([], gateway="modelstream", faults=["rate_limit_bare", "server_error"]) as gateway:
        for kind in (RateLimited, ServerError):
            with pytest.raises(kind):
                await form(gateway, retry=RetryPolicy(retries=0)).respond(hi)
    with (
        Emulator([Reply("A cat on a mat.")], gateway="modelstream", faults=["cut_stream"]) as gateway,
        pytest.raises(StreamTruncated) as caught,
    ):
        await form(gateway).respond(hi, stream=True)

    assert caught.value.partial is not None


@pytest.mark.parametrize("name", ["modelstream/form", "modelstream/form:gpt-4o-mini"])
def test_the_form_is_an_opt_in_by_name(name: str) -> None:
    model = Registry().model(name)

    assert (model.profile.form, model.name) == ("prompt", "modelstream/form:gpt-4o-mini")
    assert Registry().model("modelstream:gpt-4o-mini").profile.form == "messages"
    assert gateway_named("modelstream/form").base_url == gateway_named("modelstream").base_url
