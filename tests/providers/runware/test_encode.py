"""What a task says: settings and their ranges, the system prompt, images, tools, and what it cannot say."""

import json
import warnings
from dataclasses import replace
from typing import Any

import pytest

from agentkit import ModelSettings
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ConfigurationError, MalformedResponse
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
from agentkit.models import ModelRequest, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import RunwareModel
from agentkit.providers.runware.encode import TaskEncoder, TaskOptions

from .tasks import MODEL, answering, at, finished, http, sent, tasks

pytestmark = pytest.mark.anyio
HI = [UserMessage("Hi")]
PNG = b"\x89PNG\r\n\x1a\n"
IMAGE = ImagePart("https://example.com/a.png")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolDefinition("get_weather", "Weather for a city.", SCHEMA)
LIST = [{"type": "function", "name": "get_weather", "description": "Weather for a city.", "schema": SCHEMA}]
CALL = ToolCall("c1", "get_weather", {"city": "Oslo"}, '{"city":"Oslo"}')


async def task_of(request: ModelRequest, **options: Any) -> dict[str, Any]:
    """The task that the embedded gateway was sent, and took."""
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        await tasks(gateway, **options).respond(request)
    (task,) = sent(gateway)
    return task


async def refusal_of(request: ModelRequest, *, stream: bool = False, **options: Any) -> str:
    """Why a request is not sent."""
    with Emulator([], gateway="runware") as gateway:
        model = tasks(gateway, **options)
        with pytest.raises(ConfigurationError) as caught:
            await model.respond(request, stream=stream)
    assert gateway.requests == []
    return str(caught.value)


SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"maxTokens": 4096}),
    ({"max_tokens": 1}, {"maxTokens": 1}),
    ({"max_tokens": 128_000}, {"maxTokens": 128_000}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"temperature": 2}, {"temperature": 2}),
    ({"temperature": 0.57}, {"temperature": 0.57}),
    ({"top_p": 0.0}, {"topP": 0.0}),
    ({"top_p": 1}, {"topP": 1}),
    *(({"reasoning_effort": level}, {"thinkingLevel": level}) for level in ("low", "medium", "high")),
]


@pytest.mark.parametrize(("given", "said"), SETTINGS)
async def test_a_setting_goes_out_under_the_name_of_the_page(given: dict[str, Any], said: dict[str, Any]) -> None:
    task = await task_of(ModelRequest(HI, settings=ModelSettings(**given)))

    assert task["settings"] == {"maxTokens": 4096, **said}


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
async def test_a_seed_is_a_field_of_the_task(seed: int) -> None:
    assert (await task_of(ModelRequest(HI, settings=ModelSettings(seed=seed))))["seed"] == seed


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"max_tokens": 0}, "max_tokens=0 is outside what runware/tasks takes for openai:gpt@5.4-mini: 1 to 128000"),
        ({"max_tokens": 128_001}, "max_tokens=128001 is outside"),
        ({"max_tokens": 5.5}, "max_tokens=5.5 is not a whole number"),
        (
            {"temperature": -0.01},
            "temperature=-0.01 is outside what runware/tasks takes for openai:gpt@5.4-mini: 0 to 2",
        ),
        ({"temperature": 2.01}, "temperature=2.01 is outside"),
        ({"temperature": float("nan")}, "temperature=nan is not a number"),
        ({"top_p": 1.01}, "top_p=1.01 is outside what runware/tasks takes for openai:gpt@5.4-mini: 0 to 1"),
        ({"top_p": -0.01}, "top_p=-0.01 is outside"),
        ({"seed": -1}, "seed=-1 is outside"),
        ({"seed": 2**63}, f"seed={2**63} is outside"),
        ({"n": 2}, "n=2 is not supported: a run has one answer"),
        ({"stop": "END"}, "stop='END': runware/tasks does not document it for openai:gpt@5.4-mini"),
        ({"presence_penalty": 1}, "presence_penalty=1: runware/tasks does not document it"),
        ({"frequency_penalty": 1}, "frequency_penalty=1: runware/tasks does not document it"),
        ({"prediction": "text"}, "prediction='text': runware's task API does not document it: leave it out, or use"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls=False: runware's task API does not document it"),
        ({"verbosity": "low"}, "verbosity='low'"),
        ({"logprobs": True}, "logprobs=True"),
        ({"top_logprobs": 1}, "top_logprobs=1"),
        ({"logit_bias": {"1": 1.0}}, "logit_bias={'1': 1.0}"),
        ({"service_tier": "flex"}, "service_tier='flex'"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key='k'"),
        ({"user": "u"}, "user='u'"),
        (
            {"extra": {"taskUUID": "mine"}},
            "settings.extra holds taskUUID, which agentkit sets itself for runware/tasks",
        ),
        ({"extra": {"numberResults": 2, "webhookURL": "x"}}, "settings.extra holds numberResults, webhookURL"),
        ({"extra": {"settings": {"maxTokens": 1}}}, "settings.extra holds maxTokens"),
        ({"extra": {"settings": 5}}, "settings.extra['settings']=5 is no object of more settings"),
    ],
)
async def test_what_the_page_does_not_take_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    assert (await refusal_of(ModelRequest(HI, settings=ModelSettings(**given)))).startswith(named)


@pytest.mark.parametrize(
    ("given", "said", "warning"),
    [
        (
            {"temperature": 0.123},
            {"temperature": 0.12},
            "temperature=0.123 went out as 0.12: runware takes steps of 0.01",
        ),
        (
            {"temperature": 0.999},
            {"temperature": 1.0},
            "temperature=0.999 went out as 1.0: runware takes steps of 0.01",
        ),
        ({"top_p": 0.9549}, {"topP": 0.95}, "top_p=0.9549 went out as 0.95: runware takes steps of 0.01"),
        ({"temperature": 0.1 + 0.2}, {"temperature": 0.3}, None),
        ({"temperature": 0.57}, {"temperature": 0.57}, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_step_finer_than_the_pages_is_rounded_with_a_warning(
    given: dict[str, Any], said: dict[str, Any], warning: str | None, stream: bool
) -> None:
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        response = await tasks(gateway).respond(ModelRequest(HI, settings=ModelSettings(**given)), stream=stream)

    assert sent(gateway)[0]["settings"] == {"maxTokens": 4096, **said}
    assert response.warnings == (() if warning is None else (warning,))


async def test_a_level_that_the_page_may_not_have_goes_out_as_the_nearest_with_a_warning() -> None:
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        request = ModelRequest(HI, settings=ModelSettings(reasoning_effort="minimal"))
        response = await tasks(gateway).respond(request)

    assert sent(gateway)[0]["settings"]["thinkingLevel"] == "low"
    assert response.warnings == ("reasoning_effort went out as 'low' in place of 'minimal', for runware/tasks",)


async def test_other_models_take_penalties_and_up_to_five_stops() -> None:
    settings = ModelSettings(stop=("a", "b", "c", "d", "e"), presence_penalty=1, frequency_penalty=-1)
    with answering(lambda task: http(200, {"data": [finished(task)]})) as (url, seen):
        await at(url, model="deepseek:v4@flash").respond(ModelRequest(HI, settings=settings))
        with pytest.raises(ConfigurationError, match="has 6 sequences, and runware/tasks takes up to 5"):
            await at(url, model="deepseek:v4@flash").respond(
                ModelRequest(HI, settings=ModelSettings(stop=("a", "b", "c", "d", "e", "f")))
            )

    assert seen[0]["settings"] == {
        "maxTokens": 4096,
        "presencePenalty": 1,
        "frequencyPenalty": -1,
        "stopSequences": ["a", "b", "c", "d", "e"],
    }


async def test_fields_that_agentkit_does_not_know_go_where_the_caller_puts_them() -> None:
    extra = {"routing": {"order": ["a"]}, "settings": {"topK": 5, "cache": {"scope": "x"}}}
    with answering(lambda task: http(200, {"data": [finished(task)]})) as (url, (seen)):
        await at(url, model="deepseek:v4@flash").respond(ModelRequest(HI, settings=ModelSettings(extra=extra)))

    assert seen[0]["routing"] == {"order": ["a"]}
    assert seen[0]["settings"] == {"maxTokens": 4096, "topK": 5, "cache": {"scope": "x"}}
    assert extra == {"routing": {"order": ["a"]}, "settings": {"topK": 5, "cache": {"scope": "x"}}}


async def test_system_messages_are_the_system_prompt_and_no_message() -> None:
    request = ModelRequest(
        [SystemMessage("Say little."), UserMessage("Hi"), AssistantMessage("Hello!"), SystemMessage("Be kind."), *HI],
        instructions="You are terse.",
    )
    task = await task_of(request)

    assert task["settings"]["systemPrompt"] == "You are terse.\n\nSay little.\n\nBe kind."
    assert task["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Hi"},
    ]


async def test_the_system_prompt_has_1_to_200_000_characters() -> None:
    task = await task_of(ModelRequest(HI, instructions="ä" * 200_000))
    assert len(task["settings"]["systemPrompt"]) == 200_000
    assert "systemPrompt" not in (await task_of(ModelRequest(HI, instructions="")))["settings"]

    refused = await refusal_of(ModelRequest(HI, instructions="ä" * 200_001))
    assert refused == "the system prompt has 200,001 characters, and runware takes 1 to 200,000"


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([], "runware wants at least one message besides the system prompt"),
        ([SystemMessage("Be kind.")], "runware wants at least one message besides the system prompt"),
        ([UserMessage(" ")], "messages[0] has no text, and runware wants at least one character"),
        ([*HI, UserMessage([IMAGE])], "messages[1] has no text"),
        ([UserMessage([TextPart("Read."), FilePart(b"%PDF", "application/pdf", "a.pdf")])], "messages[0] has a file"),
        (
            [*HI, AssistantMessage([CALL]), ToolMessage("c1", "get_weather", [IMAGE])],
            "messages[2] is a tool's image or file, and runware's task API documents text only there",
        ),
        (
            [
                UserMessage([TextPart("One."), IMAGE]),
                AssistantMessage("A cat."),
                UserMessage([TextPart("Two."), IMAGE]),
            ],
            "2 messages have images, and runware's inputs.images does not say which image belongs to which message",
        ),
        (
            [UserMessage([TextPart("One."), ImagePart("https://example.com/a.png", detail="low")])],
            "messages[0] has an image with detail='low', and runware's inputs.images has no place for it",
        ),
    ],
)
async def test_what_a_task_has_no_place_for_is_refused(messages: list[Message], named: str) -> None:
    assert (await refusal_of(ModelRequest(messages, instructions="You are terse."))).startswith(named)


async def test_images_are_refused_for_a_model_without_vision() -> None:
    blind = replace(RunwareModel(MODEL).profile, vision=False)
    refused = await refusal_of(ModelRequest([UserMessage([TextPart("Look."), IMAGE])]), profile=blind)

    assert refused == "messages[0] has an image, and runware/tasks documents no vision for this model: leave it out"


async def test_extra_fields_do_not_take_the_place_of_what_the_request_says() -> None:
    images = ModelRequest(
        [UserMessage([TextPart("Look."), IMAGE])], settings=ModelSettings(extra={"inputs": {"videos": []}})
    )
    typed = ModelRequest(
        HI, response_format=ResponseFormat("json_object"), settings=ModelSettings(extra={"outputFormat": "TEXT"})
    )

    assert (await refusal_of(images)).startswith("settings.extra holds inputs, which agentkit sets itself")
    assert (await refusal_of(typed)).startswith("settings.extra holds outputFormat, which agentkit sets itself")


async def test_an_answer_that_came_empty_is_not_said_again() -> None:
    empty = AssistantMessage([ReasoningPart("Hm.", "reasoningContent")], extra={"thoughtSignature": "s"})
    refused = AssistantMessage([RefusalPart("No.")])
    messages: list[Message] = [*HI, empty, *HI, refused, *HI]
    task = await task_of(ModelRequest(messages))

    assert [(message["role"], message["content"]) for message in task["messages"]] == [
        ("user", "Hi"),
        ("user", "Hi"),
        ("assistant", "No."),
        ("user", "Hi"),
    ]


async def test_images_are_inputs_as_url_data_or_uuid() -> None:
    images = [IMAGE, ImagePart(data=PNG), ImagePart("9e1f3c5a-3f6f-4d4e-9a64-0d6a4b8f2c11", detail="auto")]
    with answering(lambda task: http(200, {"data": [finished(task)]})) as (url, seen):
        await at(url).respond(ModelRequest([UserMessage([TextPart("Compare."), *images]), *HI]))

    assert seen[0]["inputs"] == {
        "images": [
            "https://example.com/a.png",
            "data:image/png;base64,iVBORw0KGgo=",
            "9e1f3c5a-3f6f-4d4e-9a64-0d6a4b8f2c11",
        ]
    }
    assert seen[0]["messages"] == [{"role": "user", "content": "Compare."}, {"role": "user", "content": "Hi"}]


async def test_the_gateway_sees_the_images() -> None:
    seen: list[Any] = []

    def looks(request: Any) -> Reply:
        seen.append(request["messages"])
        return Reply("A cat.")

    with Emulator(looks, gateway="runware") as gateway:
        await tasks(gateway).respond(ModelRequest([UserMessage([TextPart("What is it?"), ImagePart(data=PNG)])]))

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert seen == [[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]]


@pytest.mark.parametrize(
    ("format", "said"),
    [
        (ResponseFormat("json_object"), {"outputFormat": "JSON"}),
        (
            ResponseFormat("json_schema", "city", SCHEMA, strict=True),
            {"outputFormat": "JSON", "jsonSchema": {"name": "city", "schema": SCHEMA, "strict": True}},
        ),
        (
            ResponseFormat("json_schema", "city", SCHEMA),
            {"outputFormat": "JSON", "jsonSchema": {"name": "city", "schema": SCHEMA}},
        ),
    ],
)
async def test_a_response_format_is_the_output_format_of_models_that_have_one(
    format: ResponseFormat, said: dict[str, Any]
) -> None:
    with answering(lambda task: http(200, {"data": [finished(task)]})) as (url, (seen)):
        await at(url, model="openai:gpt@5-mini").respond(ModelRequest(HI, response_format=format))

    assert {name: seen[0][name] for name in ("outputFormat", "jsonSchema") if name in seen[0]} == said


# Tools


async def test_tools_without_the_opt_in_are_a_clear_error() -> None:
    refused = await refusal_of(ModelRequest(HI, tools=[WEATHER]))

    assert refused == (
        "runware does not document how its task API answers with tool calls: use 'runware:' for the OpenAI-compatible "
        "surface, or RunwareModel(..., experimental_tools=True) to try it"
    )


CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("auto", {"type": "auto"}),
    ("required", {"type": "any"}),
    ("none", {"type": "none"}),
    ("get_weather", {"type": "tool", "name": "get_weather"}),
]


@pytest.mark.parametrize(("choice", "said"), CHOICES)
@pytest.mark.parametrize("place", ["task", "settings"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_go_out_in_both_documented_places_and_calls_come_back(
    choice: str, said: dict[str, Any], place: str, stream: bool
) -> None:
    request = ModelRequest(HI, tools=[WEATHER], tool_choice=choice)
    reply = Reply("Hello!") if choice == "none" else Reply(calls=(Call("get_weather", {"city": "Oslo"}, "c1"),))
    with Emulator([reply], gateway="runware") as gateway:
        model = tasks(gateway, experimental_tools=True, tools_place=place)
        response = await model.respond(request, stream=stream)

    (task,) = sent(gateway)
    where, other = (task, task["settings"]) if place == "task" else (task["settings"], task)
    assert {name: where[name] for name in ("tools", "toolChoice")} == {"tools": LIST, "toolChoice": said}
    assert not {"tools", "toolChoice"} & other.keys()
    expected = ("stop", ()) if choice == "none" else ("tool_calls", (CALL,))
    assert (response.finish_reason, response.message.tool_calls) == expected


async def test_calls_and_their_results_go_back_as_documented() -> None:
    bad = ToolCall("c2", "get_weather", None, "{oops", "the arguments are not JSON")
    messages: list[Message] = [
        UserMessage("Weather?"),
        AssistantMessage([TextPart("I look."), CALL, bad]),
        ToolMessage("c1", "get_weather", "22 degrees"),
        ToolMessage("c2", "get_weather", "not JSON", is_error=True),
    ]
    task = await task_of(ModelRequest(messages, tools=[WEATHER]), experimental_tools=True)

    assert task["messages"][1:] == [
        {
            "role": "assistant",
            "content": "I look.",
            "tools": [
                {"id": "c1", "name": "get_weather", "input": {"city": "Oslo"}},
                {"id": "c2", "name": "get_weather", "input": {"invalid_json": "{oops"}},
            ],
        },
        {"role": "tool", "id": "c1", "content": "22 degrees"},
        {"role": "tool", "id": "c2", "content": "not JSON"},
    ]


async def test_ids_of_calls_go_out_in_the_length_that_the_server_wants_on_both_sides() -> None:
    request = ModelRequest([*HI, AssistantMessage([CALL]), ToolMessage("c1", "get_weather", "7 C")], tools=[WEATHER])
    plain, fitted = (
        json.loads(TaskEncoder(MODEL, profile, TaskOptions()).body(request, stream=False))[0]["messages"]
        for profile in (Profile(), Profile(tool_id_length=9))
    )

    assert (plain[1]["tools"][0]["id"], plain[2]["id"]) == ("c1", "c1")
    assert fitted[1]["tools"][0]["id"] == fitted[2]["id"]
    assert len(fitted[2]["id"]) == 9


@pytest.mark.parametrize(
    ("strict", "taken", "refused"),
    [(None, True, False), (False, True, False), (True, False, False), (True, True, True)],
)
async def test_a_strict_tool_is_refused_unless_the_profile_says_that_strict_is_not_taken(
    strict: bool | None, taken: bool, refused: bool
) -> None:
    request = ModelRequest(HI, tools=[replace(WEATHER, strict=strict)])
    encoder = TaskEncoder(MODEL, Profile(strict=taken), TaskOptions())
    if refused:
        with pytest.raises(ConfigurationError) as caught:
            encoder.body(request, stream=False)
        assert str(caught.value) == (
            "the tool 'get_weather' is strict, which runware's task API does not document for tools: leave out "
            "strict=, or use 'runware:' for the OpenAI-compatible surface"
        )
    else:
        assert json.loads(encoder.body(request, stream=False))[0]["tools"] == LIST


async def test_several_results_cannot_be_asked_for_with_tools() -> None:
    with (
        Emulator([], gateway="runware") as gateway,
        pytest.raises(ConfigurationError, match="2 results cannot be asked for with tools: ask for one"),
    ):
        await tasks(gateway, experimental_tools=True).variations(ModelRequest(HI, tools=[WEATHER]), 2)

    assert gateway.requests == []


ODD: list[tuple[dict[str, Any], str]] = [
    ({"toolCalls": [{"name": "get_weather"}]}, "'toolCalls'"),
    ({"tool_calls": [{"function": {"name": "get_weather"}}]}, "'tool_calls'"),
    ({"functionCall": {"name": "get_weather"}}, "'functionCall'"),
    ({"tools": {"name": "get_weather"}}, "'tools' that is no list"),
    (
        {"tools": [{"function": {"name": "get_weather", "arguments": "{}"}}]},
        "an entry of 'tools' without name or input",
    ),
    ({"tools": [{"name": "get_weather", "arguments": "{}"}]}, "an entry of 'tools' without name or input"),
    ({"tools": ["get_weather"]}, "an entry of 'tools' without name or input"),
    ({"tools": [{"name": "get_weather", "input": '{"a":1}{"a":2}'}]}, "several objects as one input"),
]


@pytest.mark.parametrize(("fields", "named"), ODD)
async def test_a_call_in_a_form_that_nobody_documents_is_an_error_that_shows_it(
    fields: dict[str, Any], named: str
) -> None:
    request = ModelRequest(HI, tools=[WEATHER])
    with (
        answering(lambda task: http(200, {"data": [finished(task, "", **fields)]})) as (url, _),
        pytest.raises(MalformedResponse) as caught,
    ):
        await at(url, experimental_tools=True).respond(request)

    assert f"runware/tasks answered with {named}, which is no known form of a tool call" in str(caught.value)
    assert "get_weather" in str(caught.value)


async def test_a_call_in_a_delta_is_an_error_too() -> None:
    body = b'data: {"delta": {"text": "I look.", "tools": [{"name": "get_weather"}]}}\n\ndata: [DONE]\n\n'
    with (
        answering(lambda task: http(200, body, kind="text/event-stream")) as (url, _),
        pytest.raises(MalformedResponse, match="'tools' in a delta") as caught,
    ):
        await at(url, experimental_tools=True).respond(ModelRequest(HI, tools=[WEATHER]), stream=True)

    assert caught.value.partial == AssistantMessage([TextPart("I look.", "tool")])


async def test_a_call_without_tools_is_not_read() -> None:
    call = {"id": "c1", "name": "get_weather", "input": {}}
    with answering(lambda task: http(200, {"data": [finished(task, tools=[call])]})) as (url, _):
        response = await at(url).respond(ModelRequest(HI))

    assert (response.message.tool_calls, response.finish_reason) == ((), "stop")


# Presets


def test_the_model_is_runwares_by_default_wherever_it_is() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models = [RunwareModel(MODEL), RunwareModel(MODEL, base_url="http://127.0.0.1:1/v1", gateway=None)]

    assert [model.name for model in models] == [f"runware/tasks:{MODEL}"] * 2
    assert [model.base_url for model in models] == ["https://api.runware.ai/v1", "http://127.0.0.1:1/v1"]
    assert models[0].profile == models[1].profile
    assert models[0].profile.reports_cost
