"""What a server refuses is often an object with several settings in it, or a field that agentkit sends of its own."""

from collections.abc import Mapping
from typing import Any, Literal

import anyio
import pytest

from agentkit import Agent
from agentkit.emulator import Emulator, Refusal, Reply
from agentkit.errors import BadRequest
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import ChatCompletionsModel, LearnedProfiles, MessagesModel, ResponsesModel
from agentkit.providers.chat_completions.model import ChatCompletionsWire
from agentkit.providers.errors import error_from_object
from agentkit.providers.messages.model import MessagesWire
from agentkit.providers.negotiation import Sent, fitted, lesson
from agentkit.providers.responses.model import ResponsesWire
from agentkit.providers.wire import MakeWire

ASKED = [UserMessage("Weather in Oslo?")]
HIGH = ModelSettings(reasoning_effort="high")
WEATHER = ToolDefinition("get_weather", "Weather.", {"type": "object", "properties": {}})
FORMAT = ResponseFormat("json_schema", "output", {"type": "object", "properties": {}, "additionalProperties": False})
Style = Literal["openai", "fastapi", "plain"]
STYLES: tuple[Style, ...] = ("openai", "fastapi", "plain")


def at(gateway: Emulator, make: Any, learned: LearnedProfiles) -> Any:
    name = "claude-haiku-4-5" if make is MessagesModel else "gpt-5.4-mini"
    return make(name, base_url=gateway.url, api_key=gateway.key, learned=learned)


def added(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says besides the conversation and the model."""
    return {name: value for name, value in body.items() if name not in ("model", "input", "messages", "max_tokens")}


ENCRYPTED = {"store": False, "include": ["reasoning.encrypted_content"]}
EFFORT = {"reasoning": {"effort": "high"}}


@pytest.mark.anyio
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("refused", "settings", "before", "after"),
    [
        ("store", HIGH, {**EFFORT, **ENCRYPTED}, {**EFFORT, "include": ENCRYPTED["include"]}),
        ("include", HIGH, {**EFFORT, **ENCRYPTED}, EFFORT),
        ("reasoning", HIGH, {**EFFORT, **ENCRYPTED}, {}),
        ("text", ModelSettings(verbosity="low"), {"text": {"verbosity": "low"}}, {}),
    ],
    ids=["store", "include", "reasoning", "text"],
)
async def test_what_responses_says_unasked_or_in_an_object_is_taken_back_at_the_price_of_one_request(
    refused: str, settings: ModelSettings, before: Any, after: Any, style: Style
) -> None:
    learned, request = LearnedProfiles(), ModelRequest(ASKED, settings=settings)
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=[Refusal(refused, style)]) as gateway:
        with anyio.fail_after(5):
            async with at(gateway, ResponsesModel, learned) as model:
                response = await model.respond(request)
                await model.respond(request)

    assert response.message.text == "Hi"
    assert [added(sent.body) for sent in gateway.requests] == [before, after, after]


@pytest.mark.anyio
async def test_a_field_that_was_not_sent_is_not_taken_back() -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=["instructions"]) as gateway:
        with anyio.fail_after(5):
            async with at(gateway, ResponsesModel, LearnedProfiles()) as model:
                with pytest.raises(BadRequest):
                    await model.respond(ModelRequest(ASKED, instructions="Be terse.", settings=HIGH))

    assert len(gateway.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("make", "gateway_name", "refused"),
    [(MessagesModel, "anthropic", "output_config"), (ResponsesModel, "openai", "text")],
)
async def test_an_object_with_a_format_in_it_is_given_up_with_all_that_stands_in_it(
    make: Any, gateway_name: str, refused: str, style: Style
) -> None:
    settings = HIGH if refused == "output_config" else ModelSettings(verbosity="low")
    refusals = [Refusal(refused, style)]

    def answer(request: Mapping[str, Any]) -> Reply:
        return Reply('{"city": "Oslo"}')

    with Emulator(answer, gateway=gateway_name, refuses=refusals) as gateway:
        with anyio.fail_after(5):
            async with at(gateway, make, LearnedProfiles()) as model:
                await Agent(model, output=str, settings=settings).run("Where?")
                alone = len(gateway.requests)
            async with at(gateway, make, LearnedProfiles()) as model:
                with pytest.raises(BadRequest) as caught:
                    await model.respond(ModelRequest(ASKED, response_format=FORMAT, settings=settings))

    assert alone == 2
    assert refused not in gateway.requests[1].body
    assert caught.value.learned == "output is asked for as tool, not json_schema"
    assert not {"json_schema", "json_object"} & set(model.profile.output_modes)
    assert model.profile.dropped == {"reasoning_effort" if refused == "output_config" else "verbosity"}


def openai_error(message: str, param: str | None = None) -> Any:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


def change(make: MakeWire, body: Any, profile: Profile, **options: Any) -> dict[str, Any] | None:
    """What a refusal changes in what is known of the server; None when nothing is learned."""
    request, wire = ModelRequest(ASKED, **options), make("m", profile)
    error = error_from_object(body, gateway="test", headers={}, status=400)
    found = lesson(error, Sent(request, profile, wire.fields, wire.tool_choice(request), False), [profile])
    if found is None:
        return None
    names = ("dropped", "output_modes", "tool_choices", "max_tokens_field", "effort_with_tools")
    known = {name: getattr(found.profile, name) for name in names}
    return {name: value for name, value in known.items() if value != getattr(profile, name)}


BOTH = {"settings": HIGH, "response_format": FORMAT}
LOW = {"settings": ModelSettings(verbosity="low"), "response_format": FORMAT}
SUMMARY = ModelSettings(reasoning_effort="high", extra={"reasoning": {"summary": "auto"}})


@pytest.mark.parametrize(
    ("make", "body", "options", "wanted"),
    [
        (MessagesWire, {"error": "output_config.effort: Extra inputs are not permitted"}, BOTH, "reasoning_effort"),
        (MessagesWire, {"error": "output_config.effort is not supported"}, BOTH, "reasoning_effort"),
        (ResponsesWire, openai_error("Unknown parameter: 'text.verbosity'.", "text.verbosity"), LOW, "verbosity"),
        (
            ResponsesWire,
            openai_error("Unsupported parameter: 'reasoning.summary'.", "reasoning.summary"),
            {"settings": SUMMARY},
            "reasoning",
        ),
        (ResponsesWire, openai_error("Encrypted content is not supported.", "include"), {"settings": HIGH}, "include"),
        (
            ResponsesWire,
            openai_error("Unknown parameter: 'include'.", "include"),
            {"settings": ModelSettings(logprobs=True)},
            "logprobs",
        ),
        (
            MessagesWire,
            {"error": "metadata: Extra inputs are not permitted"},
            {"settings": ModelSettings(user="u")},
            "user",
        ),
    ],
)
def test_a_refused_field_of_an_object_costs_that_field_alone(
    make: MakeWire, body: Any, options: Any, wanted: str
) -> None:
    assert change(make, body, Profile(), **options) == {"dropped": frozenset({wanted})}


@pytest.mark.parametrize("words", ["output_config.format is not supported", "output_config.format: Extra inputs"])
def test_a_refused_format_costs_no_effort(words: str) -> None:
    known = Profile(output_modes=("json_schema", "tool", "prompt"))
    body = {"error": f"{words} are not permitted" if words.endswith("inputs") else words}

    assert change(MessagesWire, body, known, **BOTH) == {"output_modes": ("tool", "prompt")}


def test_a_server_that_complains_of_store_although_it_was_not_sent_teaches_nothing() -> None:
    body = openai_error("Unknown parameter: 'store'.", "store")

    assert change(ResponsesWire, body, Profile(), settings=ModelSettings(temperature=0.5)) is None


BARE = [
    openai_error("Unknown parameter: 'tool_choice'.", "tool_choice"),
    {"detail": [{"loc": ["body", "tool_choice"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]},
    openai_error("Unsupported parameter: 'tool_choice' is not supported with this model.", "tool_choice"),
    {"error": "tool_choice is not supported"},
    {"error": "Unknown parameter: tool_choice"},
]


@pytest.mark.parametrize("body", BARE)
@pytest.mark.parametrize("choice", ["get_weather", "required", "auto", "none"])
def test_a_tool_choice_that_is_refused_as_a_field_is_not_tried_kind_by_kind(body: Any, choice: str) -> None:
    found = change(ChatCompletionsWire, body, Profile(), tools=[WEATHER], tool_choice=choice)

    assert found == {"tool_choices": frozenset()}


def test_with_the_choice_of_the_messages_api_goes_what_stands_in_it() -> None:
    settings = ModelSettings(parallel_tool_calls=False)

    assert change(MessagesWire, BARE[1], Profile(), tools=[WEATHER], settings=settings) == {
        "tool_choices": frozenset(),
        "dropped": frozenset({"parallel_tool_calls"}),
    }


@pytest.mark.parametrize(
    "body",
    [
        openai_error("deepseek-reasoner does not support this tool_choice"),
        openai_error("Invalid value: 'get_weather'. Supported values are: 'none' and 'auto'.", "tool_choice"),
        openai_error("tool_choice 'specified' is incompatible with thinking enabled"),
    ],
)
def test_one_refused_kind_of_tool_choice_leaves_the_others(body: Any) -> None:
    found = change(ChatCompletionsWire, body, Profile(), tools=[WEATHER], tool_choice="get_weather")

    assert found == {"tool_choices": frozenset({"auto", "none", "required"})}


@pytest.mark.anyio
async def test_a_refused_tool_choice_costs_one_request() -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=["tool_choice"]) as gateway:
        with anyio.fail_after(5):
            async with at(gateway, ChatCompletionsModel, LearnedProfiles()) as model:
                await model.respond(ModelRequest(ASKED, tools=[WEATHER], tool_choice="get_weather"))

    assert ["tool_choice" in request.body for request in gateway.requests] == [True, False]


def test_a_limit_is_not_renamed_to_a_field_that_the_form_does_not_have() -> None:
    form = Profile(form="prompt", max_tokens_field="max_completion_tokens")
    body = openai_error("Unknown parameter: 'max_completion_tokens'.", "max_completion_tokens")

    found = change(ChatCompletionsWire, body, form, settings=ModelSettings(max_tokens=9))

    assert found == {"dropped": frozenset({"max_tokens"})}


@pytest.mark.parametrize(
    ("efforts", "asked", "given", "told"),
    [
        (("none", "low", "high"), None, "none", 0),
        (("none", "low", "high"), "high", "none", 1),
        (("low", "medium", "high"), None, None, 0),
        (("low", "medium", "high"), "high", None, 1),
        (("minimal", "low"), "none", None, 1),
    ],
)
def test_beside_tools_no_effort_goes_out_that_was_refused_there(
    efforts: Any, asked: Any, given: Any, told: int
) -> None:
    known = Profile(efforts=efforts, effort_with_tools=False)

    settings, warnings = fitted(ModelSettings(reasoning_effort=asked), known, tools=True)

    assert settings.reasoning_effort == given
    assert len(warnings) == told


@pytest.mark.anyio
async def test_no_effort_is_said_to_the_messages_api_by_saying_nothing() -> None:
    settings = ModelSettings(reasoning_effort="none")
    with Emulator([Reply("Hi")], gateway="anthropic") as gateway:
        with anyio.fail_after(5):
            async with at(gateway, MessagesModel, LearnedProfiles()) as model:
                response = await model.respond(ModelRequest(ASKED, settings=settings))

    assert "output_config" not in gateway.requests[0].body
    assert response.warnings == ()
