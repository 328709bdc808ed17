"""Whatever is asked, at whatever gateway: the body says that and nothing else, in the words of OpenAI's schema."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, assert_never

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import GATEWAYS, ChatCompletionsModel, LearnedProfiles
from agentkit.providers.tool_choice import tools_to_send
from agentkit.transport import HttpRequest, HttpResponse, Transport

Check = Callable[[Any], None]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SAID = TEXT.filter(str.strip)
NAMES = st.sampled_from(["look", "save", "a-b_C1"])
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    ]
)
ARGUMENTS = st.sampled_from([{}, {"city": "Oslo"}])
IMAGES = st.sampled_from(
    [ImagePart(url="https://example.org/a.png"), ImagePart(data=b"\x89PNG\r\n\x1a\n", detail="low")]
)
FILES = st.just(FilePart(b"%PDF", "application/pdf", "a.pdf"))

# What every gateway's range takes. No null is in them, so that each null of a body is one that was added.
SETTINGS: Mapping[str, SearchStrategy[Any]] = {
    "max_tokens": st.integers(1, 16_384),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "stop": SAID | st.lists(SAID, min_size=1, max_size=4) | st.tuples(SAID),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "seed": st.integers(-(2**53), 2**53),
    "n": st.just(1),
    "prediction": TEXT,
    "parallel_tool_calls": st.booleans(),
    "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.dictionaries(st.sampled_from(["1", "50256"]), st.integers(-100, 100)),
    "service_tier": st.sampled_from(["auto", "default", "flex"]),
    "prompt_cache_key": TEXT,
    "user": TEXT,
    "extra": st.sampled_from([{}, {"store": False}, {"metadata": {"a": "b"}}]),
    "timeout": st.floats(1, 9),
}
GIVEN = st.fixed_dictionaries({}, optional=SETTINGS).map(lambda given: ModelSettings(**given))

TOOLS = st.lists(
    st.builds(ToolDefinition, NAMES, TEXT, SCHEMAS, strict=st.sampled_from([None, True, False])),
    max_size=3,
    unique_by=lambda tool: tool.name,
)
FORMATS = st.one_of(
    st.none(),
    st.just(ResponseFormat("json_object")),
    st.builds(ResponseFormat, st.just("json_schema"), st.just("report"), SCHEMAS, st.booleans()),
)
CALLS = st.lists(
    st.builds(
        ToolCall,
        TEXT,
        NAMES,
        st.none() | ARGUMENTS,
        st.sampled_from(["", "{}", '{"city":']),
        extra=st.sampled_from([{}, {"google": {"thought_signature": "c2ln"}}]),
    ),
    min_size=1,
    max_size=3,
)
THOUGHTS = st.builds(
    ReasoningPart, TEXT, st.sampled_from(["reasoning_content", "reasoning", "think", "thinking"])
) | st.builds(RefusalPart, TEXT)
EXTRAS = st.sampled_from([{}, {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}])
SPOKEN = st.lists(THOUGHTS | st.builds(TextPart, TEXT), max_size=3)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """An assistant message with calls, and their answers."""
    calls = draw(CALLS)
    asked = AssistantMessage([*draw(SPOKEN), *calls], extra=draw(EXTRAS))
    contents = st.lists(st.builds(TextPart, TEXT) | IMAGES | FILES, max_size=2)
    return [asked, *(ToolMessage(call.id, call.name, draw(contents)) for call in calls)]


MESSAGES = st.lists(
    st.one_of(
        st.builds(SystemMessage, SAID).map(lambda message: [message]),
        st.builds(UserMessage, SAID).map(lambda message: [message]),
        st.lists(st.builds(TextPart, SAID) | IMAGES | FILES, min_size=1, max_size=3).map(lambda p: [UserMessage(p)]),
        st.builds(AssistantMessage, SPOKEN, extra=EXTRAS).map(lambda message: [message]),
        turns(),
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def requests(draw: st.DrawFn) -> ModelRequest:
    tools = draw(TOOLS)
    choices = [None, "auto", "none", *(["required"] if tools else []), *(tool.name for tool in tools)]
    return ModelRequest(
        [message for group in draw(MESSAGES) for message in group],
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        instructions=draw(st.none() | SAID),
        response_format=draw(FORMATS),
        settings=draw(GIVEN),
    )


class Answer:
    """The same short answer to everything."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}'

    async def aclose(self) -> None:
        pass


class Wire(Transport):
    """Keeps what is sent, which leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        return Answer()


def asked_settings(asked: ModelSettings, profile: Profile) -> dict[str, Any]:
    """The settings that were given, in the wire's words."""
    found = {field.name: value for field in fields(asked) if (value := getattr(asked, field.name)) is not None}
    extra = found.pop("extra", {})
    for kept in ("n", "timeout"):  # they are agentkit's own business
        found.pop(kept, None)
    if "max_tokens" in found:
        found[profile.max_tokens_field] = found.pop("max_tokens")
    if "prediction" in found:
        found["prediction"] = {"type": "content", "content": found["prediction"]}
    if isinstance(found.get("stop"), tuple):
        found["stop"] = list(found["stop"])
    return {**found, **extra}


def asked_fields(request: ModelRequest, profile: Profile, stream: bool) -> set[str]:
    """The fields of the body beside the settings."""
    return {
        "model",
        "messages",
        *(["tools"] if request.tools else []),
        *(["tool_choice"] if request.tools and request.tool_choice is not None else []),
        *(["response_format"] if request.response_format is not None else []),
        *(["stream"] if stream else []),
        *(["stream_options"] if stream and profile.stream_usage else []),
    }


def asked_messages(request: ModelRequest, profile: Profile) -> Iterator[tuple[str, set[str]]]:
    """Role and fields of each message; what tools show follows their answers, in a message of the user."""
    plain = {"role", "content"}
    if request.instructions:
        yield "system", plain
    shown = False
    for message in request.messages:
        if shown and not isinstance(message, ToolMessage):
            yield "user", plain
            shown = False
        match message:
            case SystemMessage():
                yield "system", plain
            case UserMessage():
                yield "user", plain
            case AssistantMessage():
                yield (
                    "assistant",
                    {*plain, *(["tool_calls"] if message.tool_calls else []), *replayed(message, profile)},
                )
            case ToolMessage():
                yield "tool", {*plain, "tool_call_id"}
                shown = shown or any(not isinstance(part, TextPart) for part in message.parts)
            case _:
                assert_never(message)
    if shown:
        yield "user", plain


def replayed(message: AssistantMessage, profile: Profile) -> set[str]:
    """The fields that go back to the server that sent them."""
    if not profile.replay_reasoning:
        return set()
    reasoning = {part.field for part in message.parts if isinstance(part, ReasoningPart)}
    return {*(reasoning & {"reasoning_content", "reasoning"}), *message.extra}


def nulls(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if value is None:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from nulls(child, (*path, key))


def without_vendor_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body less the fields that go back to the server that sent them."""
    vendors = {"reasoning_content", "reasoning", "reasoning_details"}
    messages = [{name: value for name, value in message.items() if name not in vendors} for message in body["messages"]]
    for message in messages:
        if "tool_calls" in message:
            calls = message["tool_calls"]
            message["tool_calls"] = [{k: v for k, v in call.items() if k != "extra_content"} for call in calls]
    return {**body, "messages": messages}


def models(wire: Wire) -> list[ChatCompletionsModel]:
    """Each preset that speaks OpenAI's Chat Completions, with each model that it names and one that it does not."""
    return [
        ChatCompletionsModel(model, gateway=gateway, api_key="sk-test", transport=wire, learned=LearnedProfiles())
        for gateway in GATEWAYS.values()
        if gateway.surface == "chat_completions" and gateway.profile.form == "messages"
        for model in ("any-id", *gateway.models)
    ]


def assert_asked(body: dict[str, Any], model: ChatCompletionsModel, request: ModelRequest, stream: bool) -> None:
    given = asked_settings(request.settings, model.profile)
    others = asked_fields(request, model.profile, stream)
    assert {name: body[name] for name in body.keys() - others} == given
    assert body.keys() - given.keys() == others
    assert body["model"] == model.model
    shapes = [(message["role"], set(message)) for message in body["messages"]]
    assert shapes == list(asked_messages(request, model.profile))
    assert [tool["function"].keys() for tool in body.get("tools", ())] == [
        {
            "name",
            "parameters",
            *(["description"] if tool.description else []),
            *(["strict"] if tool.strict is not None and model.profile.strict else []),
        }
        for tool in tools_to_send(request, model.profile)
    ]
    wanted = request.response_format
    assert body.get("response_format") == (None if wanted is None else asked_format(wanted, model.profile))


def asked_format(format: ResponseFormat, profile: Profile) -> dict[str, Any]:
    """The response_format, strict where that was asked for and is taken."""
    strict = {"strict": True} if format.strict and profile.strict else {}
    described = {"json_schema": {"name": format.name, "schema": format.schema, **strict}}
    return {"type": format.type, **(described if format.type == "json_schema" else {})}


def calls_without_words(body: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """Where a null belongs: servers want the field, and there is nothing to say."""
    return [
        ("messages", index, "content")
        for index, message in enumerate(body["messages"])
        if message.get("tool_calls") and not message["content"]
    ]


def test_each_setting_there_is_is_tried() -> None:
    assert set(SETTINGS) == {field.name for field in fields(ModelSettings)}


@pytest.mark.filterwarnings("ignore:temperature and top_p are both set")
def test_nothing_is_sent_that_was_not_asked_for_and_openai_knows_all_of_it(
    valid_request: Check, known_request: Check
) -> None:
    wire = Wire()
    at = models(wire)

    async def compare(request: ModelRequest, stream: bool) -> None:
        for model in at:
            await model.respond(request, stream=stream)
            body = json.loads(wire.sent.pop().body)
            assert wire.sent == []
            assert_asked(body, model, request, stream)
            assert list(nulls(body)) == calls_without_words(body)
            valid_request(body)
            known_request(without_vendor_fields(body))

    @settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(request=requests(), stream=st.booleans())
    def check(request: ModelRequest, stream: bool) -> None:
        anyio.run(compare, request, stream)

    check()
