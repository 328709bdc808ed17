"""Runware's task API: what it takes, what it answers, and how it says what is wrong."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit._json import dumps, loads
from agentkit.emulator import Call, Emulator, NoReply, Raw, Reply
from agentkit.emulator.brain import FunctionBrain
from agentkit.emulator.dialects import dialect
from agentkit.emulator.exchange import Answer
from agentkit.emulator.faults import Faults
from agentkit.emulator.gateway import Gateway

MODEL = "openai:gpt@5.4-mini"
UUID = "a770f077-f413-47de-9dac-be0b26a35da6"
SAMPLES = Path(__file__).parents[3] / "shared/reference/wire-samples/gateways/runware"
DOCUMENTATION = "https://runware.ai/docs/platform/errors"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather for a city.",
    "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def ok(request: object) -> Reply:
    return Reply("Hello!")


def task(**changes: Any) -> dict[str, Any]:
    """The least valid task, with fields set or, where `...`, left out."""
    least = {
        "taskType": "textInference",
        "taskUUID": str(uuid.uuid4()),
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return {name: value for name, value in {**least, **changes}.items() if value is not ...}


def post(client: httpx.Client, gateway: Emulator, tasks: Any) -> httpx.Response:
    return client.post(gateway.urls["tasks"], json=tasks, headers={"authorization": f"Bearer {gateway.key}"})


def test_a_task_is_answered_with_usage_and_cost(client: httpx.Client) -> None:
    usage = {
        "prompt_tokens": 18,
        "completion_tokens": 3,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 10},
    }
    with Emulator([Reply("Hello!", reasoning="Greet.", usage=usage)], gateway="runware") as gateway:
        asked = task(taskUUID=UUID, seed=7, includeUsage=True, deliveryMethod="sync", numberResults=1)
        answer = post(client, gateway, [asked])

    cost = 8 * 0.75e-6 + 10 * 0.075e-6 + 3 * 4.5e-6
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "data": [
                {
                    "taskType": "textInference",
                    "taskUUID": UUID,
                    "text": "Hello!",
                    "reasoningContent": "Greet.",
                    "finishReason": "stop",
                    "seed": 7,
                    "usage": {
                        "promptTokens": 18,
                        "completionTokens": 3,
                        "totalTokens": 21,
                        "thinkingTokens": 0,
                        "completionTokensDetails": {"reasoningTokens": 0},
                        "costBreakdown": {
                            "tokens": {
                                "prompt": {
                                    "modalities": [{"modality": "text", "tokens": 8, "cost": 6e-06}],
                                    "billableTokens": 8,
                                },
                                "cache": {"billableTokens": 10},
                                "completion": {"billableTokens": 3, "textTokens": 3, "reasoningTokens": 0},
                            },
                            "total": pytest.approx(cost),
                        },
                    },
                    "cost": pytest.approx(cost),
                }
            ]
        },
    )


def test_cost_is_told_unless_it_is_not_wanted_and_usage_only_if_it_is(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        given = [
            set(post(client, gateway, [task(**flags)]).json()["data"][0])
            for flags in ({}, {"includeCost": False}, {"includeUsage": True, "includeCost": False})
        ]

    always = {"taskType", "taskUUID", "text", "finishReason", "seed"}
    assert given == [always | {"cost"}, always, always | {"usage"}]


def test_the_brain_sees_a_chat_request(client: httpx.Client) -> None:
    seen: list[Mapping[str, Any]] = []

    def brain(request: Mapping[str, Any]) -> Reply:
        seen.append(request)
        return Reply("ok")

    settings = {"systemPrompt": "Be terse.", "temperature": 0.25, "topP": 1, "maxTokens": 128_000}
    messages = [
        {"role": "user", "content": "Weather in Tokyo?"},
        {"role": "assistant", "tools": [{"id": "c1", "name": "get_weather", "input": {"city": "Tokyo"}}]},
        {"role": "tool", "id": "c1", "content": "22 C"},
        {"role": "user", "content": "And this?"},
    ]
    choice = {"type": "tool", "name": "get_weather"}
    with Emulator(brain, gateway="runware") as gateway:
        asked = task(
            messages=messages,
            settings={**settings, "thinkingLevel": "high"},
            tools=[TOOL],
            toolChoice=choice,
            inputs={"images": ["https://example.com/a.png", "AAAA"]},
            seed=5,
        )
        assert post(client, gateway, [asked]).status_code == 200
        assert post(client, gateway, [task(seed=6)]).status_code == 200

    def image(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url}}

    function = {"name": "get_weather", "description": TOOL["description"], "parameters": TOOL["schema"]}
    arguments = {"name": "get_weather", "arguments": '{"city":"Tokyo"}'}
    assert seen == [
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "Be terse."},
                {"role": "user", "content": "Weather in Tokyo?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": arguments}],
                },
                {"role": "tool", "content": "22 C", "tool_call_id": "c1"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "And this?"},
                        image("https://example.com/a.png"),
                        image("data:image/png;base64,AAAA"),
                    ],
                },
            ],
            "temperature": 0.25,
            "top_p": 1.0,
            "max_completion_tokens": 128_000,
            "reasoning_effort": "high",
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "seed": 5,
        },
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hello"}],
            "temperature": 1.0,
            "top_p": 0.95,
            "max_completion_tokens": 4096,
            "seed": 6,
        },
    ]


@pytest.mark.parametrize(("choice", "meaning"), [("auto", "auto"), ("any", "required"), ("none", "none")])
@pytest.mark.parametrize("place", ["task", "settings"])
def test_tools_are_taken_in_both_documented_places(client: httpx.Client, choice: str, meaning: str, place: str) -> None:
    given = {"tools": [TOOL], "toolChoice": {"type": choice}}
    seen: list[Any] = []

    def brain(request: Mapping[str, Any]) -> Reply:
        seen.append((request["tools"][0]["function"]["name"], request["tool_choice"]))
        return Reply("ok")

    with Emulator(brain, gateway="runware") as gateway:
        asked = task(**given) if place == "task" else task(settings=given)
        assert post(client, gateway, [asked]).status_code == 200

    assert seen == [("get_weather", meaning)]


def test_tool_calls_come_as_the_mirror_of_the_request(client: httpx.Client) -> None:
    calls = (Call("get_weather", {"city": "Tokyo"}, id="c1"), Call("get_weather", "{not json"))
    with Emulator([Reply(calls=calls)], gateway="runware") as gateway:
        result = post(client, gateway, [task(tools=[TOOL])]).json()["data"][0]

    assert (result["text"], result["finishReason"]) == ("", "unknown")
    made = result["tools"][1]["id"]
    assert result["tools"] == [
        {"id": "c1", "name": "get_weather", "input": {"city": "Tokyo"}},
        {"id": made, "name": "get_weather", "input": "{not json"},
    ]


@pytest.mark.parametrize(
    ("reply", "text", "reason"),
    [
        (Reply("one two", finish_reason="length"), "one two", "length"),
        (Reply("", finish_reason="content_filter"), "", "content_filter"),
        (Reply(refusal="I can't."), "I can't.", "content_filter"),
        (Reply("x", finish_reason="odd"), "x", "unknown"),
    ],
)
def test_a_result_says_why_it_ended(client: httpx.Client, reply: Reply, text: str, reason: str) -> None:
    with Emulator([reply], gateway="runware") as gateway:
        result = post(client, gateway, [task()]).json()["data"][0]

    assert (result["text"], result["finishReason"]) == (text, reason)


def test_several_results_have_seeds_of_their_own(client: httpx.Client) -> None:
    def brain(request: Mapping[str, Any]) -> Reply:
        return Reply(f"seed {request['seed']}")

    with Emulator(brain, gateway="runware") as gateway:
        given = post(client, gateway, [task(numberResults=3, seed=10)]).json()["data"]
        drawn = post(client, gateway, [task(taskUUID=UUID, numberResults=2)]).json()["data"]

    assert [(result["seed"], result["text"]) for result in given] == [(n, f"seed {n}") for n in (10, 11, 12)]
    assert drawn[1]["seed"] == drawn[0]["seed"] + 1 <= 2**32


INVALID: dict[str, tuple[dict[str, Any], str, Any]] = {
    "no uuid": ({"taskUUID": ...}, "missingTaskUUID", "taskUUID"),
    "a uuid of another version": ({"taskUUID": str(uuid.uuid1())}, "invalidTaskUUID", "taskUUID"),
    "an unknown task": ({"taskType": "imageInference"}, "invalidTaskType", "taskType"),
    "no task type": ({"taskType": ...}, "invalidTaskType", "taskType"),
    "an unknown field": ({"mesages": []}, "unsupportedParameter", "mesages"),
    "null": ({"seed": None}, "invalidSeed", "seed"),
    "no model": ({"model": ...}, "missingModel", "model"),
    "another model": ({"model": "openai:gpt@6"}, "invalidModel", "model"),
    "a delivery that there is not": ({"deliveryMethod": "pigeon"}, "invalidDeliveryMethod", "deliveryMethod"),
    "a flag that is none": ({"includeCost": 1}, "invalidIncludeCost", "includeCost"),
    "no results": ({"numberResults": 0}, "invalidNumberResults", "numberResults"),
    "too many results": ({"numberResults": 5}, "invalidNumberResults", "numberResults"),
    "several results with tools": ({"numberResults": 2, "tools": [TOOL]}, "invalidNumberResults", "numberResults"),
    "a negative seed": ({"seed": -1}, "invalidSeed", "seed"),
    "a seed that is too large": ({"seed": 9_223_372_036_854_776_001}, "invalidSeed", "seed"),
    "a seed that is true": ({"seed": True}, "invalidSeed", "seed"),
    "no messages": ({"messages": ...}, "missingMessages", "messages"),
    "empty messages": ({"messages": []}, "invalidMessages", "messages"),
    "a message that is none": ({"messages": ["Hi"]}, "invalidMessages", ["messages", "0"]),
    "a system message": (
        {"messages": [{"role": "system", "content": "x"}]},
        "invalidRole",
        ["messages", "0", "role"],
    ),
    "a message without a role": ({"messages": [{"content": "x"}]}, "missingRole", ["messages", "0", "role"]),
    "a message without words": (
        {"messages": [{"role": "user", "content": ""}]},
        "invalidContent",
        ["messages", "0", "content"],
    ),
    "parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "invalidContent",
        ["messages", "0", "content"],
    ),
    "a field that a message has not": (
        {"messages": [{"role": "user", "content": "x", "id": "c1"}]},
        "unsupportedParameter",
        ["messages", "0", "id"],
    ),
    "a result that nobody asked for": (
        {"messages": [{"role": "tool", "id": "c1", "content": "x"}], "settings": {"systemPrompt": "x"}},
        "invalidRequest",
        ["messages", "0", "id"],
    ),
    "a result without its id": (
        {"messages": [{"role": "tool", "content": "x"}]},
        "missingId",
        ["messages", "0", "id"],
    ),
    "a call whose input is a text": (
        {"messages": [{"role": "assistant", "tools": [{"id": "c1", "name": "f", "input": "{}"}]}]},
        "invalidInput",
        ["messages", "0", "tools", "0", "input"],
    ),
    "a system prompt of nothing": ({"settings": {"systemPrompt": ""}}, "invalidSystemPrompt", "s.systemPrompt"),
    "a system prompt that is too long": (
        {"settings": {"systemPrompt": "x" * 200_001}},
        "invalidSystemPrompt",
        "s.systemPrompt",
    ),
    "a temperature between the steps": ({"settings": {"temperature": 0.333}}, "invalidTemperature", "s.temperature"),
    "a temperature that is too high": ({"settings": {"temperature": 2.01}}, "invalidTemperature", "s.temperature"),
    "a top_p that is too high": ({"settings": {"topP": 1.01}}, "invalidTopP", "s.topP"),
    "no tokens": ({"settings": {"maxTokens": 0}}, "invalidMaxTokens", "s.maxTokens"),
    "too many tokens": ({"settings": {"maxTokens": 128_001}}, "invalidMaxTokens", "s.maxTokens"),
    "tokens that are a float": ({"settings": {"maxTokens": 9.0}}, "invalidMaxTokens", "s.maxTokens"),
    "a level of thinking": ({"settings": {"thinkingLevel": "max"}}, "invalidThinkingLevel", "s.thinkingLevel"),
    "a setting that this model has not": ({"settings": {"topK": 3}}, "unsupportedParameter", "s.topK"),
    "settings that are none": ({"settings": []}, "invalidSettings", "settings"),
    "JSON": ({"outputFormat": "JSON"}, "invalidOutputFormat", "outputFormat"),
    "a schema": ({"jsonSchema": {"type": "object"}}, "unsupportedParameter", "jsonSchema"),
    "no images": ({"inputs": {"images": []}}, "invalidImages", ["inputs", "images"]),
    "an image that is none": ({"inputs": {"images": ["no image"]}}, "invalidImages", ["inputs", "images", "0"]),
    "an image that was never uploaded": ({"inputs": {"images": [UUID]}}, "imageNotFound", ["inputs", "images", "0"]),
    "an image that nobody shows": (
        {"inputs": {"images": ["AAAA"]}, "messages": [{"role": "assistant", "content": "x"}]},
        "invalidImages",
        ["inputs", "images"],
    ),
    "videos": ({"inputs": {"videos": ["AAAA"]}}, "unsupportedParameter", ["inputs", "videos"]),
    "tools twice": ({"tools": [TOOL], "settings": {"tools": [TOOL]}}, "conflictingParameters", "s.tools"),
    "no tools": ({"tools": []}, "invalidTools", "tools"),
    "a tool without a name": ({"tools": [{"type": "function"}]}, "missingName", ["tools", "0", "name"]),
    "a tool without a type": ({"tools": [{"name": "f"}]}, "missingType", ["tools", "0", "type"]),
    "a tool as OpenAI has it": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "missingName",
        ["tools", "0", "name"],
    ),
    "a schema that is no object's": (
        {"tools": [{"type": "function", "name": "f", "schema": {"type": "string"}}]},
        "invalidRequest",
        ["tools", "0", "schema"],
    ),
    "a schema in both its names": (
        {"tools": [{**TOOL, "input_schema": {}}]},
        "invalidInput_schema",
        ["tools", "0", "input_schema"],
    ),
    "a choice among no tools": ({"toolChoice": {"type": "auto"}}, "invalidToolChoice", "toolChoice"),
    "a choice without a type": ({"tools": [TOOL], "toolChoice": {}}, "missingType", ["toolChoice", "type"]),
    "a choice that is a word": ({"tools": [TOOL], "toolChoice": "auto"}, "invalidToolChoice", "toolChoice"),
    "a choice that names nothing": (
        {"tools": [TOOL], "toolChoice": {"type": "tool"}},
        "missingName",
        ["toolChoice", "name"],
    ),
    "a choice that names no tool": (
        {"tools": [TOOL], "toolChoice": {"type": "tool", "name": "f"}},
        "invalidName",
        ["toolChoice", "name"],
    ),
    "a name where none belongs": (
        {"tools": [TOOL], "toolChoice": {"type": "any", "name": "get_weather"}},
        "invalidName",
        ["toolChoice", "name"],
    ),
    "a webhook elsewhere": ({"webhookURL": "http://example.com/hook"}, "invalidWebhookURL", "webhookURL"),
    "a webhook with TLS": ({"webhookURL": "https://127.0.0.1/hook"}, "invalidWebhookURL", "webhookURL"),
    "a webhook that is no URL": ({"webhookURL": "http://[::1"}, "invalidWebhookURL", "webhookURL"),
    "a webhook with a blank": ({"webhookURL": "http://127.0.0.1/a b"}, "invalidWebhookURL", "webhookURL"),
    "a webhook that is no ASCII": ({"webhookURL": "http://127.0.0.1/ä"}, "invalidWebhookURL", "webhookURL"),
    "more than the context": (
        {"messages": [{"role": "user", "content": "word " * 400_000}]},
        "contextLengthExceeded",
        "messages",
    ),
}


@pytest.mark.parametrize(("changes", "code", "parameter"), INVALID.values(), ids=INVALID.keys())
def test_what_the_page_does_not_allow_is_refused_by_name(
    client: httpx.Client, changes: dict[str, Any], code: str, parameter: Any
) -> None:
    asked = task(**{"taskUUID": UUID, **changes})
    with Emulator(ok, gateway="runware") as gateway:
        answer = post(client, gateway, [asked])

    error = answer.json()["errors"][0]
    parameter = ["settings", parameter[2:]] if isinstance(parameter, str) and parameter[:2] == "s." else parameter
    assert (answer.status_code, error["code"], error["parameter"]) == (400, code, parameter)
    assert (error.get("taskType"), error.get("taskUUID")) == (asked.get("taskType"), asked.get("taskUUID"))
    assert (error["documentation"], list(answer.json())) == (DOCUMENTATION, ["errors"])


def test_a_value_out_of_range_is_answered_with_the_range(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        answer = post(client, gateway, [task(taskUUID=UUID, settings={"temperature": 3})])

    assert answer.json() == {
        "errors": [
            {
                "code": "invalidTemperature",
                "message": "Invalid value for 'settings.temperature': it must be a number from 0 to 2 in steps of "
                "0.01, not 3.",
                "parameter": ["settings", "temperature"],
                "type": "float",
                "min": 0,
                "max": 2,
                "step": 0.01,
                "taskType": "textInference",
                "taskUUID": UUID,
                "documentation": DOCUMENTATION,
            }
        ]
    }


def test_a_task_uuid_is_good_for_one_task_that_was_taken(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware", faults=["server_error"]) as gateway:
        wrong = task(taskUUID=UUID, seed=-1)
        right = task(taskUUID=UUID)
        answers = [post(client, gateway, [asked]) for asked in (wrong, right, right, right)]
        other = str(uuid.uuid4())
        post(client, gateway, [task(taskUUID=other.upper())])
        lower = post(client, gateway, [task(taskUUID=other)])

    assert [answer.status_code for answer in answers] == [400, 500, 200, 400]
    assert [answer.json()["errors"][0]["code"] for answer in (answers[3], lower)] == ["duplicateTaskUUID"] * 2


def test_tasks_succeed_and_fail_one_by_one(client: httpx.Client) -> None:
    def brain(request: Mapping[str, Any]) -> Reply:
        text = request["messages"][0]["content"]
        if text == "fail":
            raise NoReply("no idea")
        return Reply(text)

    said = ["first", "fail", "last"]
    asked = [task(messages=[{"role": "user", "content": text}]) for text in said]
    wrong = task(settings={"maxTokens": 0})
    with Emulator(brain, gateway="runware") as gateway:
        answer = post(client, gateway, [*asked, wrong, {"taskType": "ping", "ping": True}, 3])

    body = answer.json()
    assert answer.status_code == 200
    assert [entry.get("text", entry.get("pong")) for entry in body["data"]] == ["first", "last", True]
    assert [(error["code"], error.get("taskUUID")) for error in body["errors"]] == [
        ("providerError", asked[1]["taskUUID"]),
        ("invalidMaxTokens", wrong["taskUUID"]),
        ("invalidRequest", None),
    ]


def test_the_key_may_stand_in_the_header_or_in_the_first_task(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:

        def status(tasks: list[Any], key: str | None) -> tuple[int, Any]:
            headers = {} if key is None else {"authorization": f"Bearer {key}"}
            answer = client.post(gateway.url, json=tasks, headers=headers)
            return answer.status_code, answer.json().get("errors")

        def first(key: Any) -> dict[str, Any]:
            return {"taskType": "authentication", "apiKey": key}

        refused = {
            "code": "invalidApiKey",
            "parameter": "apiKey",
            "taskType": "authentication",
            "documentation": DOCUMENTATION,
        }
        assert status([task()], gateway.key) == (200, None)
        assert status([first(gateway.key), task()], None) == (200, None)
        for tasks, key in (([task()], None), ([task()], "x"), ([first("x"), task()], gateway.key), ([first(3)], None)):
            code, errors = status(tasks, key)
            assert (code, [{**error, "message": ...} for error in errors]) == (401, [{**refused, "message": ...}])
        assert gateway.key not in repr(gateway.requests)


@pytest.mark.parametrize("body", [{}, [], "x", {"tasks": []}])
def test_a_body_that_is_no_array_of_tasks_is_refused(client: httpx.Client, body: Any) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        answer = post(client, gateway, body)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalidRequest")


def test_an_error_that_is_no_tasks_has_the_same_envelope(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        answer = client.get(gateway.url)
        broken = client.post(gateway.url, content=b"[", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert [entry["code"] for entry in (answer.json()["errors"] + broken.json()["errors"])] == [
        "methodNotAllowed",
        "invalidRequest",
    ]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit", 429, "rateLimitExceeded"),
        ("payment_required", 400, "insufficientCredits"),
        ("quota", 429, "quotaExceeded"),
        ("overloaded", 503, "providerOverloaded"),
        ("unauthorized", 401, "invalidApiKey"),
        ("unprocessable", 422, "unprocessableRequest"),
        ("context_overflow", 400, "contextLengthExceeded"),
    ],
)
def test_a_fault_is_an_error_of_the_task_that_it_hits(client: httpx.Client, fault: str, status: int, code: str) -> None:
    with Emulator(ok, gateway="runware", faults=[fault, fault]) as gateway:
        alone = post(client, gateway, [task()])
        beside = post(client, gateway, [task(), task()])

    assert (alone.status_code, alone.json()["errors"][0]["code"]) == (status, code)
    assert alone.headers.get("retry-after") == ("1" if fault == "rate_limit" else None)
    assert (beside.status_code, len(beside.json()["data"]), beside.json()["errors"][0]["code"]) == (200, 1, code)


def test_a_fault_of_the_whole_answer_is_one_of_the_whole_request(client: httpx.Client) -> None:
    faults = ["error_in_200", "html", "disconnect", "cut_stream", "error_in_stream"]
    with Emulator(ok, gateway="runware", faults=faults) as gateway:
        in_200, html = post(client, gateway, [task(), task()]), post(client, gateway, [task()])
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                post(client, gateway, [task()])
        in_stream = post(client, gateway, [task()])

    assert (in_200.status_code, in_200.json()["errors"][0]["code"]) == (200, "providerError")
    assert html.text.startswith("<!doctype html>")
    assert (in_stream.status_code, in_stream.json()["errors"][0]["code"]) == (200, "providerError")


def test_what_a_brain_gives_as_bytes_is_the_whole_answer(client: httpx.Client) -> None:
    with Emulator([Raw((b'{"data": []}',))], gateway="runware") as gateway:
        assert post(client, gateway, [task(), task()]).json() == {"data": []}


def test_the_demo_brain_answers_tasks(client: httpx.Client) -> None:
    with Emulator(gateway="runware") as gateway:
        asked = task(messages=[{"role": "user", "content": "What is the weather in Oslo?"}], tools=[TOOL])
        result = post(client, gateway, [asked]).json()["data"][0]

    assert [(call["name"], call["input"]) for call in result["tools"]] == [("get_weather", {"city": "Oslo"})]


def test_a_repeated_prompt_is_billed_as_cached(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        usages = [
            post(client, gateway, [task(includeUsage=True)]).json()["data"][0]["usage"]["costBreakdown"]["tokens"]
            for _ in range(2)
        ]

    fresh, cached = usages
    assert (fresh["cache"]["billableTokens"], cached["prompt"]["billableTokens"]) == (0, 0)
    assert fresh["prompt"]["billableTokens"] == cached["cache"]["billableTokens"] > 0


@pytest.mark.parametrize("name", ["request_sync", "request_tools", "request_images", "async_flow", "stream"])
def test_the_requests_of_the_vendors_own_clients_are_taken(client: httpx.Client, name: str) -> None:
    path = SAMPLES / f"{name}.json"
    if not path.exists():
        pytest.skip("the wire samples of ../shared are not in a user's checkout")
    sample = loads(path.read_bytes())
    match name:
        case "async_flow":
            tasks = sample["steps"][0]["request"]
        case "stream":
            tasks = sample["request"]
        case _:
            tasks = sample["body"]
    with Emulator(ok, gateway="runware") as gateway:
        assert post(client, gateway, tasks).status_code == 200


def test_a_result_has_every_field_of_the_vendors_own(client: httpx.Client) -> None:
    path = SAMPLES / "response_sync.json"
    if not path.exists():
        pytest.skip("the wire samples of ../shared are not in a user's checkout")
    sample = loads(path.read_bytes())["body"]["data"][0]
    usage = {"prompt_tokens": 18, "completion_tokens": 3}
    with Emulator([Reply("Hello!", usage=usage)], gateway="runware") as gateway:
        asked = task(taskUUID=sample["taskUUID"], includeUsage=True, seed=1)
        result = post(client, gateway, [asked]).json()["data"][0]

    assert result == {**sample, "seed": 1}


def values() -> st.SearchStrategy[Any]:
    """JSON, with words in it that mean something to the endpoint."""
    words = st.sampled_from(
        ["textInference", "getResponse", UUID, MODEL, "sync", "async", "stream", "user", "tool", "assistant", "any"]
    )
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    names = st.sampled_from(
        ["taskType", "taskUUID", "messages", "role", "content", "tools", "toolChoice", "type", "name", "settings", "id"]
    )
    return st.recursive(
        leaves | words | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    )


FIELDS = (
    *("taskType", "taskUUID", "webhookURL", "deliveryMethod", "includeCost", "includeUsage", "numberResults", "inputs"),
    *("model", "seed", "messages", "settings", "tools", "toolChoice", "outputFormat", "jsonSchema"),
)


@given(changes=st.dictionaries(st.sampled_from(FIELDS), values(), max_size=3), beside=st.lists(values(), max_size=2))
def test_any_json_is_taken_or_refused_and_never_breaks_the_server(changes: dict[str, Any], beside: list[Any]) -> None:
    async def outcome() -> Any:
        gateway = Gateway(dialect("runware"), FunctionBrain(ok), "key", Faults(), latency=0, keep=1)
        headers = {"authorization": "Bearer key", "content-type": "application/json"}
        async with anyio.create_task_group() as group:
            await group.start(gateway.background)
            answer = await gateway.respond("POST", "/v1", headers, dumps([{**task(), **changes}, *beside]))
            group.cancel_scope.cancel()
        gateway.join()
        return answer

    answer = anyio.run(outcome)
    assert isinstance(answer, Answer)
    assert (answer.status in (200, 400), b"the emulator failed" in b"".join(answer.chunks)) == (True, False)
