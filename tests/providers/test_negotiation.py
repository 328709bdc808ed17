"""A refused parameter costs one request, once: the next run, and a run with the saved profile, are taken at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, tool
from agentkit.emulator import Call, Emulator, Refusal, Reply
from agentkit.errors import BadRequest, ConfigurationError
from agentkit.messages import (
    AssistantMessage,
    Message,
    ReasoningPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.models import AttemptDiscarded, ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import ChatCompletionsModel, LearnedProfiles
from agentkit.providers.errors import error_from_object
from agentkit.providers.negotiation import Lesson, Sent, fitted, lesson, refuses_tools
from agentkit.transport import RetryPolicy

WEATHER = ToolDefinition("get_weather", "Weather.", {"type": "object", "properties": {}, "additionalProperties": False})
STRICT = replace(WEATHER, strict=True, parameters={**WEATHER.parameters, "required": []})
ASKED = UserMessage("Weather in Oslo?")
CALLED: Sequence[Message] = (
    ASKED,
    AssistantMessage([ReasoningPart("Look it up."), ToolCall("call_12345", "get_weather", {}, "{}")]),
    ToolMessage("call_12345", "get_weather", "7 C"),
)


@dataclass(frozen=True)
class Case:
    """What the server refuses, a request that has it, and what the body says of it before and after."""

    what: str
    request: ModelRequest
    before: Any
    after: Any
    at: str
    stream: bool = False
    named_in_words: bool = True  # the words of the barest style still say what is refused
    profile: Profile = field(default_factory=lambda: Profile(gateway="test"))


def asked(*messages: Message, **options: Any) -> ModelRequest:
    return ModelRequest(messages or [ASKED], **options)


def settings(**given: Any) -> ModelRequest:
    return asked(settings=ModelSettings(**given))


CASES = [
    Case("max_tokens", settings(max_tokens=9), {"max_tokens": 9}, {"max_completion_tokens": 9}, ""),
    Case(
        "max_completion_tokens",
        settings(max_tokens=9),
        {"max_completion_tokens": 9},
        {"max_tokens": 9},
        "",
        profile=Profile(gateway="test", max_tokens_field="max_completion_tokens"),
    ),
    Case("temperature", settings(temperature=0.5), {"temperature": 0.5}, {}, ""),
    Case("top_p", settings(top_p=0.5), {"top_p": 0.5}, {}, ""),
    Case("seed", settings(seed=7), {"seed": 7}, {}, ""),
    Case("logprobs", settings(logprobs=True), {"logprobs": True}, {}, ""),
    Case("verbosity", settings(verbosity="low"), {"verbosity": "low"}, {}, ""),
    Case("service_tier", settings(service_tier="flex"), {"service_tier": "flex"}, {}, ""),
    Case(
        "parallel_tool_calls",
        asked(tools=[WEATHER], settings=ModelSettings(parallel_tool_calls=False)),
        {"parallel_tool_calls": False},
        {},
        "",
    ),
    Case("metadata", settings(extra={"metadata": {"a": "b"}}), {"metadata": {"a": "b"}}, {}, ""),
    Case("stream_options", asked(), {"include_usage": True}, None, "stream_options", stream=True),
    Case(
        "strict",
        asked(tools=[STRICT]),
        {"name": "get_weather", "description": "Weather.", "parameters": STRICT.parameters, "strict": True},
        {"name": "get_weather", "description": "Weather.", "parameters": STRICT.parameters},
        "tools.0.function",
    ),
    Case("tool_choice:required", asked(tools=[WEATHER], tool_choice="required"), "required", "auto", "tool_choice"),
    Case(
        "tool_choice:named",
        asked(tools=[WEATHER], tool_choice="get_weather"),
        {"type": "function", "function": {"name": "get_weather"}},
        "required",
        "tool_choice",
    ),
    Case(
        "reasoning_effort+tools",
        asked(tools=[WEATHER], settings=ModelSettings(reasoning_effort="low")),
        "low",
        "none",
        "reasoning_effort",
        named_in_words=False,
    ),
    Case("reasoning_effort", settings(reasoning_effort="low"), "low", None, "reasoning_effort"),
    Case("role:system", asked(instructions="Be terse."), "system", "developer", "messages.0.role"),
    Case(
        "role:developer",
        asked(instructions="Be terse."),
        "developer",
        "user",
        "messages.0.role",
        profile=Profile(gateway="test", system_role="developer"),
    ),
    Case(
        "many_system_messages",
        asked(SystemMessage("Be terse."), ASKED, instructions="Be kind."),
        [
            {"role": "system", "content": "Be kind."},
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "Weather in Oslo?"},
        ],
        [
            {"role": "system", "content": "Be kind.\n\nBe terse."},
            {"role": "user", "content": "Weather in Oslo?"},
        ],
        "messages",
        named_in_words=False,
    ),
]
STYLES = ("openai", "fastapi", "plain")
SAID = [
    pytest.param(case, style, id=f"{case.what}-{style}")
    for case in CASES
    for style in STYLES
    if style != "plain" or case.named_in_words
]
_REPLAY = Case(
    "reasoning_content", asked(*CALLED, tools=[WEATHER]), "Look it up.", None, "messages.1.reasoning_content"
)
REPLAYED = [
    pytest.param(
        _REPLAY,
        style,
        id=f"reasoning_content-{style}",
        marks=pytest.mark.outside_openai(
            "some servers want their reasoning back, and OpenAI's schema does not know it"
        ),
    )
    for style in STYLES
]


def found(body: Any, path: str) -> Any:
    """What a body has at a dotted path; None when it has nothing there."""
    for step in path.split(".") if path else ():
        body = body[int(step)] if isinstance(body, list) else body.get(step)
        if body is None:
            return None
    return body


def seen(case: Case, body: Mapping[str, Any]) -> Any:
    if case.at:
        return found(body, case.at)
    fixed = {"model", "messages", "tools", "tool_choice", "stream", "stream_options"}
    return {name: value for name, value in body.items() if name not in fixed}


@pytest.mark.anyio
@pytest.mark.parametrize(("case", "style"), [*SAID, *REPLAYED])
async def test_a_refusal_costs_one_request_once_and_none_with_the_saved_profile(case: Case, style: Any) -> None:
    learned = LearnedProfiles()
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=[Refusal(case.what, style)]) as gateway:

        def model(profile: Profile = case.profile, learned: LearnedProfiles = learned) -> ChatCompletionsModel:
            return ChatCompletionsModel(
                "gpt-5.4-mini", base_url=gateway.url, api_key=gateway.key, profile=profile, learned=learned
            )

        async with model() as first:
            response = await first.respond(case.request, stream=case.stream)
            saved = Profile.from_json(first.profile.to_json())
        bodies = [request.body for request in gateway.requests]
        assert [seen(case, body) for body in bodies] == [case.before, case.after]
        assert response.message.text == "Hi"

        async with model() as second:
            await second.respond(case.request, stream=case.stream)
        assert len(gateway.requests) == 3

        async with model(saved, LearnedProfiles()) as third:
            await third.respond(case.request, stream=case.stream)
        assert len(gateway.requests) == 4
        assert gateway.requests[3].body == gateway.requests[2].body == gateway.requests[1].body


@pytest.mark.anyio
async def test_ids_of_calls_are_told_in_the_length_that_the_server_wants_and_kept_in_the_history() -> None:
    replies = [Reply(calls=(Call("get_weather", {}, id="call_of_some_length"),)), Reply("7 degrees")]

    @tool(effect="read")
    def get_weather() -> str:
        """Weather."""
        return "7 C"

    with Emulator(replies, gateway="openai", refuses=["tool_call_id:9"]) as gateway:
        result = await Agent(gateway.model(learned=LearnedProfiles()), tools=[get_weather]).run("Weather?")

    assert result.output == "7 degrees"
    assert [
        call.id for message in result.messages if isinstance(message, AssistantMessage) for call in message.tool_calls
    ] == ["call_of_some_length"]
    messages = gateway.requests[-1].body["messages"]
    told = messages[1]["tool_calls"][0]["id"]
    assert told == messages[2]["tool_call_id"]
    assert len(told) == 9
    assert told.isalnum()
    assert len(gateway.requests) == 3


@pytest.mark.anyio
async def test_several_refused_settings_cost_a_request_each() -> None:
    refused = ["temperature", "top_p", "seed", "max_tokens"]
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=refused) as gateway:
        model = ChatCompletionsModel(
            "gpt-5.4-mini", base_url=gateway.url, api_key=gateway.key, learned=LearnedProfiles()
        )
        asked = ModelSettings(temperature=0.5, seed=1, max_tokens=9)
        async with model:
            first = await model.respond(ModelRequest([ASKED], settings=asked))
            second = await model.respond(ModelRequest([ASKED], settings=asked))

    assert len(gateway.requests) == 5
    assert gateway.requests[-1].body == {
        "model": "gpt-5.4-mini",
        "messages": [{"role": "user", "content": "Weather in Oslo?"}],
        "max_completion_tokens": 9,
    }
    gone = tuple(f"{name} was left out: {model.profile.gateway} refused it" for name in ("seed", "temperature"))
    assert first.warnings == ("max_tokens goes out as max_completion_tokens", *gone)
    assert second.warnings == gone


@pytest.mark.anyio
async def test_a_mended_request_is_announced_and_is_no_retry() -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=["seed"]) as gateway:
        agent = Agent(
            gateway.model(retry=RetryPolicy(retries=0), learned=LearnedProfiles()), settings=ModelSettings(seed=1)
        )
        async with agent.stream("Hi") as run:
            events = [event async for event in run if isinstance(event, AttemptDiscarded)]

    assert [(event.mended, event.wait, event.error.param) for event in events] == [("seed is left out", 0.0, "seed")]
    assert (run.result.retries, run.result.usage.requests) == (0, 2)


class Place(BaseModel):
    """A place."""

    city: str


@dataclass(frozen=True)
class Rung:
    """What the server refuses, and how the output is asked for in the end."""

    refuses: tuple[str, ...]
    mode: str
    requests: int  # of the first run


@pytest.mark.anyio
@pytest.mark.parametrize("style", ["openai", "fastapi", "plain"])
@pytest.mark.parametrize(
    "rung",
    [
        Rung((), "json_schema", 1),
        Rung(("strict",), "json_schema", 2),
        Rung(("response_format:json_schema",), "json_object", 2),
        Rung(("response_format:json_schema", "response_format:json_object"), "tool", 3),
        Rung(("response_format",), "tool", 3),
        Rung(("response_format", "tools"), "prompt", 4),
    ],
    ids=lambda rung: "+".join(rung.refuses) or "nothing",
)
async def test_the_output_is_asked_for_one_rung_lower_at_the_price_of_a_request_and_no_correction(
    rung: Rung, style: Any
) -> None:
    def answer(request: Mapping[str, Any]) -> Reply:
        if request.get("tools"):
            return Reply(calls=(Call("final_output", {"city": "Oslo"}),))
        return Reply('{"city": "Oslo"}')

    refuses = [Refusal(what, style) for what in rung.refuses]
    with Emulator(answer, gateway="openai", refuses=refuses) as gateway:
        model = gateway.model(learned=LearnedProfiles())
        agent = Agent(model, output=Place)
        first = await agent.run("Where?")
        assert len(gateway.requests) == rung.requests
        second = await agent.run("Where?")
        assert len(gateway.requests) == rung.requests + 1
        saved = Profile.from_json(model.profile.to_json())
        third = await Agent(gateway.model(profile=saved, learned=LearnedProfiles()), output=Place).run("Where?")

    assert first.output == second.output == third.output == Place(city="Oslo")
    assert (first.corrections, first.retries, first.turns) == (0, 0, 1)
    assert len(gateway.requests) == rung.requests + 2
    last = gateway.requests[-1].body
    assert model.profile.output_modes[0] == rung.mode
    assert last.get("response_format", {}).get("type") == (rung.mode if rung.mode.startswith("json") else None)
    assert bool(last.get("tools")) == (rung.mode == "tool")
    assert gateway.requests[-1].body == gateway.requests[-2].body


@pytest.mark.anyio
async def test_a_mode_that_the_caller_chose_is_not_changed() -> None:
    with Emulator(lambda _: Reply("{}"), gateway="openai", refuses=["response_format"]) as gateway:
        agent = Agent(gateway.model(learned=LearnedProfiles()), output=Place, output_mode="json_schema")
        with pytest.raises(BadRequest) as caught:
            await agent.run("Where?")

    assert caught.value.param == "response_format"
    assert len(gateway.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("style", ["openai", "fastapi", "plain"])
async def test_tools_are_never_dropped(style: Any) -> None:
    with Emulator(lambda _: Reply("Hi"), gateway="openai", refuses=[Refusal("tools", style)]) as gateway:
        async with gateway.model(learned=LearnedProfiles()) as model:
            with pytest.raises(BadRequest) as caught:
                await model.respond(ModelRequest([ASKED], tools=[WEATHER]))

    assert str(caught.value).endswith("The tools were not left out: use a model or channel that takes them.")
    assert len(gateway.requests) == 1


# The words of real servers. Each was seen in a public issue of that server or of a client of it.


def refused(body: Any, status: int = 400) -> BadRequest:
    error = error_from_object(body, gateway="test", headers={}, status=status)
    assert isinstance(error, BadRequest)
    return error


def openai_error(message: str, param: str | None = None, code: str | None = None) -> Any:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def sent(request: ModelRequest, profile: Profile | None = None, choice: str | None = None) -> Sent:
    names = {"max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"}
    return Sent(request, profile or Profile(), names, choice, True)


SCHEMA = ResponseFormat("json_schema", "output", {"type": "object"}, strict=True)
OBJECT = ResponseFormat("json_object")

SPOKEN: Sequence[tuple[str, Any, Sent, Mapping[str, Any] | None]] = [
    (
        "a code that says nothing, and the parameter in words only",
        {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
         "Use 'max_completion_tokens' instead.", "code": "invalid_request_body"}},
        sent(settings(max_tokens=9)),
        {"max_tokens_field": "max_completion_tokens"},
    ),
    (
        "an error wrapped in the words of another",
        {"error": {"message": '[openai/gpt-5.4] [400]: {"error": {"message": "Unsupported parameter: \'max_tokens\' is '
         'not supported with this model. Use \'max_completion_tokens\' instead."}} (reset after 30s)'}},
        sent(settings(max_tokens=9)),
        {"max_tokens_field": "max_completion_tokens"},
    ),
    (
        "only the default value is taken",
        openai_error("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) "
                     "value is supported.", "temperature", "unsupported_value"),
        sent(settings(temperature=0.7, top_p=0.5)),
        {"dropped": frozenset({"temperature"})},
    ),
    (
        "one of two, not both",
        {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` and `top_p` cannot both "
         "be specified for this model. Please use only one."}},
        sent(settings(temperature=0.7, top_p=0.5)),
        {"dropped": frozenset({"top_p"})},
    ),
    (
        "a field named in words",
        openai_error("Extra inputs are not permitted, field: 'stream_options'"),
        sent(asked()),
        {"stream_usage": False},
    ),
    (
        "a validation report inside an error object",
        {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
         "msg": "Extra inputs are not permitted", "input": "temperature"}]}, "type": "invalid_request_error"},
        sent(settings(seed=1, temperature=0.5)),
        {"dropped": frozenset({"seed"})},
    ),
    (
        "strict tools in a sentence",
        openai_error("Tools with strict=True are not supported by this model"),
        sent(asked(tools=[STRICT])),
        {"strict": False},
    ),
    (
        "a format that is unavailable now",
        openai_error("This response_format type is unavailable now", None, "invalid_request_error"),
        sent(asked(response_format=SCHEMA)),
        {"output_modes": ("json_object", "tool", "prompt")},
    ),
    (
        "a body that could not be deserialised",
        "Failed to deserialize the JSON body into the target type: response_format: response_format.type `json_schema` "
        "is unavailable now at line 1 column 1193",
        sent(asked(response_format=SCHEMA)),
        {"output_modes": ("json_object", "tool", "prompt")},
    ),
    (
        "a type that is none of two",
        {"error": "'response_format.type' must be 'json_schema' or 'text'"},
        sent(asked(response_format=OBJECT)),
        {"output_modes": ("json_schema", "tool", "prompt")},
    ),
    (
        "a value that is not allowed",
        openai_error("'response_format.type' : value is not one of the allowed values ['text','json_object']"),
        sent(asked(response_format=SCHEMA)),
        {"output_modes": ("json_object", "tool", "prompt")},
    ),
    (
        "a schema outside the strict subset",
        openai_error("Invalid schema for response_format 'output': In context=(), 'additionalProperties' is required "
                     "to be supplied and to be false.", "response_format"),
        sent(asked(response_format=SCHEMA)),
        {"strict": False},
    ),
    (
        "json_object without the word is the caller's to mend",
        openai_error("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
                     "'json_object'.", "messages"),
        sent(asked(response_format=OBJECT)),
        None,
    ),
    (
        "a choice that thinking excludes",
        openai_error("Thinking mode does not support this tool_choice"),
        sent(asked(tools=[WEATHER], tool_choice="required"), choice="required"),
        {"tool_choices": frozenset({"auto", "none", "named"})},
    ),
    (
        "a choice that thinking excludes, in another's words",
        openai_error("<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set "
                     "to required or object in thinking mode", None, "invalid_parameter_error"),
        sent(asked(tools=[WEATHER], tool_choice="get_weather"), choice="named"),
        {"tool_choices": frozenset({"auto", "none", "required"})},
    ),
    (
        "effort beside tools, although none was asked for",
        openai_error("Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. "
                     "Please use /v1/responses instead.", "reasoning_effort"),
        sent(asked(tools=[WEATHER])),
        {"effort_with_tools": False},
    ),
    (
        "levels that are listed",
        openai_error("Unsupported value: 'minimal' is not supported with the 'gpt-5.1' model. Supported values are: "
                     "'none', 'low', 'medium', and 'high'.", "reasoning_effort", "unsupported_value"),
        sent(settings(reasoning_effort="minimal")),
        {"efforts": ("none", "low", "medium", "high")},
    ),
    (
        "a role that is none of those",
        openai_error("\"developer\" is not one of ['system', 'assistant', 'user', 'tool', 'function'] - "
                     "'messages.0.role'"),
        sent(asked(instructions="Be terse."), Profile(system_role="developer")),
        {"system_role": "system"},
    ),
    (
        "one system message, and first",
        openai_error("System message must be at the beginning."),
        sent(asked(SystemMessage("A"), ASKED, instructions="B")),
        {"merge_system": True},
    ),
    (
        "ids of nine characters",
        {"object": "error", "message": "Tool call id was call_12345 but must be a-z, A-Z, 0-9, with a length of 9.",
         "type": "invalid_function_call", "param": None, "code": "3280"},
        sent(asked(*CALLED)),
        {"tool_id_length": 9},
    ),
    (
        "ids that are too long",
        openai_error("Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length "
                     "40, but got a string with length 64 instead.", "messages[1].tool_calls[0].id",
                     "string_above_max_length"),
        sent(asked(*CALLED)),
        {"tool_id_length": 40},
    ),
    (
        "a field of a message",
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 1, "assistant", "reasoning_content"],
         "msg": "Extra inputs are not permitted", "input": "Look it up."}]},
        sent(asked(*CALLED)),
        {"replay_reasoning": False},
    ),
    (
        "a value that is too large is the caller's to mend",
        openai_error("max_tokens is too large: 50000. This model supports at most 16384 completion tokens.",
                     "max_tokens", "invalid_value"),
        sent(settings(max_tokens=50_000)),
        None,
    ),
    (
        "a value outside its range is the caller's to mend",
        openai_error("temperature must be between 0 and 1", "temperature"),
        sent(settings(temperature=1.5)),
        None,
    ),
    ("a message that is missing", openai_error("messages is required", "messages"), sent(settings(seed=1)), None),
    ("no reason at all", openai_error("Unprocessable request", None, "invalid_param"), sent(settings(seed=1)), None),
    (
        "a model that does not exist",
        openai_error("The model `gpt-9` does not exist or you do not have access to it.", None, "model_not_found"),
        sent(settings(seed=1, user="gpt")),
        None,
    ),
    (
        "tools that need a flag of the server",
        openai_error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        sent(asked(tools=[WEATHER], tool_choice="auto"), choice="auto"),
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "request_sent", "change"), [case[1:] for case in SPOKEN], ids=[case[0] for case in SPOKEN]
)
def test_what_real_servers_say_is_understood(body: Any, request_sent: Sent, change: Mapping[str, Any] | None) -> None:
    found = lesson(refused(body), request_sent, [request_sent.profile])

    expected = None if change is None else replace(request_sent.profile, **change)
    assert (None if found is None else found.profile) == expected


def test_a_lesson_that_was_tried_is_not_tried_again() -> None:
    error = refused(openai_error("Unsupported parameter: 'max_tokens' is not supported", "max_tokens"))
    request = settings(max_tokens=9)
    first = lesson(error, sent(request), [Profile()])
    assert first == Lesson(
        Profile(max_tokens_field="max_completion_tokens"), "max_tokens goes out as max_completion_tokens"
    )

    again = refused(openai_error("Unknown parameter: 'max_completion_tokens'", "max_completion_tokens"))
    second = lesson(again, sent(request, first.profile), [Profile(), first.profile])
    assert second == Lesson(
        Profile(max_tokens_field="max_completion_tokens", dropped=frozenset({"max_tokens"})), "max_tokens is left out"
    )
    assert lesson(again, sent(settings(), second.profile), [Profile(), first.profile, second.profile]) is None


@pytest.mark.parametrize(
    ("taken", "wanted", "given"),
    [
        (("low", "medium", "high"), "none", "low"),
        (("low", "medium", "high"), "xhigh", "high"),
        (("none", "high"), "low", "none"),
        (("minimal", "low", "medium", "high"), "medium", "medium"),
    ],
)
def test_the_nearest_level_of_effort_goes_out(taken: Any, wanted: Any, given: str) -> None:
    changed, told = fitted(ModelSettings(reasoning_effort=wanted), Profile(efforts=taken), tools=False)

    assert changed.reasoning_effort == given
    assert len(told) == (wanted != given)


def test_settings_that_are_taken_are_left_as_they_are() -> None:
    given = ModelSettings(temperature=0.5, reasoning_effort="low", extra={"a": 1})

    assert fitted(given, Profile(), tools=True) == (given, ())


def test_a_complaint_about_one_tool_is_no_refusal_of_tools() -> None:
    error = refused(
        openai_error("Invalid 'tools[0].function.name': string does not match pattern.", "tools[0].function.name")
    )

    assert not refuses_tools(error)


def test_a_saved_profile_says_only_what_was_learned() -> None:
    profile = replace(Profile(), dropped=frozenset({"seed"}), output_modes=("prompt",), tool_id_length=9)

    assert profile.to_json() == '{"output_modes":["prompt"],"tool_id_length":9,"dropped":["seed"]}'
    assert Profile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"gate": 1}',
        '{"ranges": 5}',
        '{"price": {"input": "x", "q": 1}}',
        '{"max_tokens_field": "tokens"}',
        '{"output_modes": []}',
        '{"efforts": ["huge"]}',
        '{"efforts": 5}',
    ],
)
def test_a_text_that_is_no_saved_profile_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"this is no saved profile"):
        Profile.from_json(text)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gateway", ("5", '""', "null")),
        ("context", ('"many"', "0", "-1", "1.5", "true")),
        ("tool_id_length", ('"9"', "0")),
        ("max_stop", ("null", "[4]")),
        ("strict", ('"false"', "0", "null")),
        ("vision", ('"no"', "1")),
        ("failures_billed", ('"no"',)),
        ("dropped", ('"seed"', "[1]", "{}")),
        ("unsupported", ("null",)),
        ("tool_choices", ('["sometimes"]', '"auto"')),
        ("output_modes", ("[]", '["xml"]', '"json_schema"')),
        ("efforts", ("[]", '"none"')),
        ("system_role", ('"root"', "[]")),
        ("ranges", ('{"temperature": 2}', '{"temperature": ["a", "b"]}', "[1]")),
        ("price", ("1", '{"input": "1", "output": 2}', '{"input": -1, "output": 2}', '{"input": 1}',
                   '{"input": 1, "output": 2, "as_of": "today"}')),
    ],
)  # fmt: skip
def test_a_saved_field_of_another_kind_is_refused_by_its_name(name: str, values: Sequence[str]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            Profile.from_json(f'{{"{name}": {value}}}')
        assert str(caught.value).startswith(f"this is no saved profile: {name} is ")


def test_a_profile_that_takes_no_tool_choice_survives_being_saved() -> None:
    profile = Profile(tool_choices=frozenset(), ranges={"seed": (None, 5)})

    assert Profile.from_json(profile.to_json()) == profile


def test_every_preset_survives_being_saved() -> None:
    from agentkit.providers import GATEWAYS

    for gateway in GATEWAYS.values():
        for profile in (gateway.profile, *gateway.models.values()):
            assert Profile.from_json(profile.to_json()) == profile


def test_text_parts_are_no_vendor_fields() -> None:
    body = {"detail": [{"loc": ["body", "messages", 1, "name"], "msg": "Extra inputs are not permitted"}]}
    request = asked(ASKED, AssistantMessage([TextPart("Hi")]), ASKED)

    assert lesson(refused(body), sent(request), [Profile()]) is None
