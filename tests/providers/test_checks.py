"""What is refused before a request: each documented parameter at its bounds and beyond, in one whole sentence."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest

from agentkit.errors import ConfigurationError
from agentkit.messages import ImagePart, Message, SystemMessage, TextPart, ToolMessage, UserMessage
from agentkit.models import AttemptStarting, ModelRequest, ModelSettings, Profile, ToolDefinition
from agentkit.providers import ChatCompletionsModel

pytestmark = pytest.mark.anyio
HI = [UserMessage("Hi")]
LOOKUP = ToolDefinition("lookup", "Looks up.", {"type": "object", "properties": {}})
MODELS = {
    "toapis": "gpt-5-4-mini-official",
    "bytespike": "gpt-5-4-mini",
    "modelstream": "gpt-4o-mini",
    "runware": "openai:gpt@5.4-mini",
}


async def starts(model: ChatCompletionsModel, request: ModelRequest) -> bool:
    """Whether the request gets as far as its first attempt; nothing is sent."""
    async with aclosing(model.events(request, stream=False)) as events:
        return await anext(events) == AttemptStarting(1, request.settings.max_tokens)


def preset(gateway: str) -> ChatCompletionsModel:
    return ChatCompletionsModel(MODELS[gateway], gateway=gateway, api_key="k")


async def refusal(model: ChatCompletionsModel, request: ModelRequest) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await starts(model, request)
    return str(caught.value)


INSIDE: list[tuple[str, dict[str, Any]]] = [
    ("toapis", {"max_tokens": 1}),
    ("toapis", {"max_tokens": 1_000_000}),  # the page gives no upper bound
    ("toapis", {"temperature": 0}),
    ("toapis", {"temperature": 2}),
    ("toapis", {"top_p": 0.0}),
    ("toapis", {"top_p": 1}),
    ("toapis", {"stop": "END"}),
    ("toapis", {"stop": ["a", "b", "c", "d"]}),
    ("toapis", {"presence_penalty": 5.0}),  # not on the page: the server decides
    ("bytespike", {"max_tokens": 16384}),
    ("bytespike", {"presence_penalty": -2}),
    ("bytespike", {"presence_penalty": 2}),
    ("modelstream", {"max_tokens": 16384}),
    ("modelstream", {"frequency_penalty": 2.0}),
    ("modelstream", {"seed": 7}),
    ("modelstream", {"n": 1}),
    ("modelstream", {"prediction": "the text"}),
    ("modelstream", {"extra": {"n": 1}}),
    ("runware", {"max_tokens": 128_000}),
]

OUTSIDE: list[tuple[str, dict[str, Any], str]] = [
    ("toapis", {"max_tokens": 0}, "max_tokens=0 is outside what toapis takes for gpt-5-4-mini-official: at least 1"),
    (
        "toapis",
        {"temperature": 2.01},
        "temperature=2.01 is outside what toapis takes for gpt-5-4-mini-official: 0 to 2",
    ),
    (
        "toapis",
        {"temperature": -0.1},
        "temperature=-0.1 is outside what toapis takes for gpt-5-4-mini-official: 0 to 2",
    ),
    ("toapis", {"top_p": 1.1}, "top_p=1.1 is outside what toapis takes for gpt-5-4-mini-official: 0 to 1"),
    ("toapis", {"temperature": "hot"}, "temperature='hot' is not a number, which toapis wants"),
    ("toapis", {"temperature": float("nan")}, "temperature=nan is not a number, which toapis wants"),
    ("toapis", {"temperature": True}, "temperature=True is not a number, which toapis wants"),
    ("toapis", {"max_tokens": 1.5}, "max_tokens=1.5 is not a whole number, which toapis wants"),
    (
        "toapis",
        {"stop": ["a", "b", "c", "d", "e"]},
        "stop=['a', 'b', 'c', 'd', 'e'] has 5 sequences, and toapis takes up to 4",
    ),
    ("toapis", {"stop": ["a", ""]}, "stop=['a', ''] has an empty sequence: give texts, or leave it out"),
    ("toapis", {"stop": ""}, "stop='' has an empty sequence: give texts, or leave it out"),
    ("toapis", {"stop": []}, "stop=[] has an empty sequence: give texts, or leave it out"),
    (
        "bytespike",
        {"max_tokens": 16385},
        "max_tokens=16385 is outside what bytespike takes for gpt-5-4-mini: 1 to 16384",
    ),
    (
        "bytespike",
        {"presence_penalty": -2.5},
        "presence_penalty=-2.5 is outside what bytespike takes for gpt-5-4-mini: -2 to 2",
    ),
    (
        "modelstream",
        {"max_tokens": 16385},
        "max_tokens=16385 is outside what modelstream takes for gpt-4o-mini: 1 to 16384",
    ),
    (
        "modelstream",
        {"frequency_penalty": 2.1},
        "frequency_penalty=2.1 is outside what modelstream takes for gpt-4o-mini: -2 to 2",
    ),
    ("modelstream", {"n": 2}, "n=2 is not supported: a run has one answer; start several runs instead"),
    ("modelstream", {"extra": {"n": 3}}, "n=3 is not supported: a run has one answer; start several runs instead"),
    (
        "modelstream",
        {"extra": {"stream": True, "messages": [], "x": 1}},
        "settings.extra holds messages, stream, which agentkit sets itself for modelstream",
    ),
    (
        "runware",
        {"max_tokens": 128_001},
        "max_tokens=128001 is outside what runware takes for openai:gpt@5.4-mini: 1 to 128000",
    ),
]


@pytest.mark.parametrize(("gateway", "settings"), INSIDE)
async def test_a_value_inside_the_documented_range_goes_out(gateway: str, settings: dict[str, Any]) -> None:
    assert await starts(preset(gateway), ModelRequest(HI, settings=ModelSettings(**settings)))


@pytest.mark.parametrize(("gateway", "settings", "sentence"), OUTSIDE)
async def test_a_value_outside_is_refused_with_parameter_value_range_and_gateway(
    gateway: str, settings: dict[str, Any], sentence: str
) -> None:
    assert await refusal(preset(gateway), ModelRequest(HI, settings=ModelSettings(**settings))) == sentence


async def test_settings_of_the_model_hold_unless_the_request_has_its_own() -> None:
    model = ChatCompletionsModel("m", base_url="http://127.0.0.1:1/v1", settings=ModelSettings(temperature=9))

    assert await refusal(model, ModelRequest(HI)) == "temperature=9 is outside what 127.0.0.1:1 takes for m: 0 to 2"
    assert await starts(model, ModelRequest(HI, settings=ModelSettings(temperature=1)))


async def test_a_range_may_be_open_below_and_the_output_limit_alone_bounds_max_tokens() -> None:
    profile = Profile(gateway="g", ranges={"seed": (None, 5)}, max_output=100, unsupported=frozenset({"user"}))
    model = ChatCompletionsModel("m", base_url="http://127.0.0.1:1/v1", profile=profile)
    wrong = [ModelSettings(seed=6), ModelSettings(max_tokens=101), ModelSettings(user="me")]

    assert [await refusal(model, ModelRequest(HI, settings=settings)) for settings in wrong] == [
        "seed=6 is outside what g takes for m: at most 5",
        "max_tokens=101 is outside what g takes for m: at most 100",
        "user='me': g does not document it for m: leave it out",
    ]


EMPTY: list[tuple[Sequence[Message], str]] = [
    ([], "messages is empty, and toapis wants at least one message: give a prompt"),
    ([UserMessage("")], "messages[0] has no content, and toapis refuses empty messages: add text"),
    ([UserMessage(" \n")], "messages[0] has no content, and toapis refuses empty messages: add text"),
    ([UserMessage([])], "messages[0] has no content, and toapis refuses empty messages: add text"),
    (
        [UserMessage([TextPart(""), TextPart(" ")])],
        "messages[0] has no content, and toapis refuses empty messages: add text",
    ),
    ([UserMessage("a"), SystemMessage("")], "messages[1] has no content, and toapis refuses empty messages: add text"),
]


@pytest.mark.parametrize(("messages", "sentence"), EMPTY)
async def test_empty_messages_and_empty_content_are_refused(messages: Sequence[Message], sentence: str) -> None:
    assert await refusal(preset("toapis"), ModelRequest(messages)) == sentence


async def test_instructions_alone_are_a_request() -> None:
    assert await starts(preset("toapis"), ModelRequest([], instructions="Say hello."))


@pytest.mark.parametrize(
    ("choice", "tools", "sentence"),
    [
        ("lookup", (), "tool_choice='lookup' asks for a tool that is not there; the tools are: none"),
        ("required", (), "tool_choice='required' asks for a tool that is not there; the tools are: none"),
        ("other", (LOOKUP,), "tool_choice='other' asks for a tool that is not there; the tools are: lookup"),
    ],
)
async def test_a_tool_choice_without_its_tool_is_refused(
    choice: str, tools: tuple[ToolDefinition, ...], sentence: str
) -> None:
    assert await refusal(preset("toapis"), ModelRequest(HI, tools=tools, tool_choice=choice)) == sentence


async def test_tools_are_refused_where_none_are_taken_and_never_dropped() -> None:
    model = ChatCompletionsModel("m", base_url="http://127.0.0.1:1/v1", profile=Profile(gateway="g", tools=False))

    assert await refusal(model, ModelRequest(HI, tools=[LOOKUP])) == (
        "g takes no tools for m: run without tools, or use a model that takes them"
    )


async def test_an_image_is_refused_where_the_profile_says_no_vision() -> None:
    model = ChatCompletionsModel("m", base_url="http://127.0.0.1:1/v1", profile=Profile(gateway="g", vision=False))
    image = ImagePart(url="https://example.org/a.png")
    shown = [UserMessage([TextPart("What is it?"), image])]
    returned: list[Message] = [UserMessage("Look."), ToolMessage("call_1", "camera", [image])]

    assert await refusal(model, ModelRequest(shown)) == (
        "messages[0] has an image, and g documents no vision for this model: "
        "use a model that takes images, or leave it out"
    )
    assert await refusal(model, ModelRequest(returned)) == (
        "messages[1] has an image, and g documents no vision for this model: "
        "use a model that takes images, or leave it out"
    )
    assert await starts(model, ModelRequest(HI))


async def test_temperature_together_with_top_p_warns_once() -> None:
    model = preset("toapis")
    request = ModelRequest(HI, settings=ModelSettings(temperature=0.5, top_p=0.5))

    with pytest.warns(UserWarning, match="temperature and top_p are both set for toapis:"):
        assert await starts(model, request)
    assert await starts(model, request)  # a second warning would be an error here
