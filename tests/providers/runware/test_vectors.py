"""Runware's requests and answers as its documents show them (tests/data/gateways/runware), each compared whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit import ModelSettings, RetryPolicy, _json
from agentkit.errors import GatewayTimeout
from agentkit.messages import AssistantMessage, ImagePart, ReasoningPart, TextPart, ToolCall, ToolMessage, UserMessage
from agentkit.models import ModelRequest, ModelResponse, ReasoningDelta, ResponseFormat, TextDelta, ToolDefinition
from agentkit.providers import ChatCompletionsModel, RunwareModel
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.runware import Polling
from agentkit.usage import Usage

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:temperature and top_p are both set")]
FOLDER = Path(__file__).parents[2] / "data" / "gateways" / "runware"
UUID = "a770f077-f413-47de-9dac-be0b26a35da6"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
AMOUNTS = {
    "type": "object",
    "properties": {"amounts": {"type": "array", "items": {"type": "number"}}},
    "required": ["amounts"],
    "additionalProperties": False,
}
TERSE = ModelSettings(temperature=1, top_p=0.95, max_tokens=4096, reasoning_effort="low")
WEATHER = ToolDefinition("get_weather", "Get weather for a city.", SCHEMA)
HELLO = ModelRequest([UserMessage("Hello")], instructions="You are terse.", settings=TERSE)
CALL = ToolCall("c1", "get_weather", {"city": "Tokyo"}, '{"city":"Tokyo"}')
SHORT = ModelSettings(max_tokens=300)
REQUESTS: Mapping[str, ModelRequest] = {
    "request_sync": HELLO,
    "request_images": ModelRequest(
        [UserMessage([TextPart("Hello"), ImagePart("https://example.com/a.png")])],
        instructions="You are terse.",
        settings=TERSE,
    ),
    "request_json": ModelRequest(
        [UserMessage("Extract amounts.")],
        response_format=ResponseFormat("json_schema", "invoice", AMOUNTS, strict=True),
    ),
    "request_tools": ModelRequest(
        [UserMessage("Weather in Tokyo?")], tools=[WEATHER], tool_choice="get_weather", settings=SHORT
    ),
    "request_tool_results": ModelRequest(
        [
            UserMessage("Weather in Tokyo?"),
            AssistantMessage([CALL]),
            ToolMessage("c1", "get_weather", "22°C, partly cloudy."),
        ],
        tools=[WEATHER],
        settings=SHORT,
    ),
}
ALWAYS: Mapping[str, Any] = {
    "deliveryMethod": "sync",  # said, although it is the default: the answer is read by what was asked for
    "includeCost": True,  # the default too; a run's money limit stands on it
    "includeUsage": True,  # the default is false, and then nothing could be counted
    "numberResults": 1,
}
MAX_TOKENS = 4096  # the page's default, said in any case: a run reserves it before it asks


class Wire:
    """The gateway's end of the wire: keeps what is sent, and answers in turn."""

    def __init__(self, *replies: httpx.Response) -> None:
        self._replies = [*replies]
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._replies.pop(0)

    def model(self, model: str, **options: Any) -> RunwareModel:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return RunwareModel(model, api_key="rw-key", http_client=client, learned=LearnedProfiles(), **options)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return read


def answer_of(read: Mapping[str, Any]) -> httpx.Response:
    """The sample's response."""
    if "chunks" in read:
        return httpx.Response(200, headers=read["headers"], content="".join(read["chunks"]).encode())
    return httpx.Response(read["status"], json=read["body"])


def test_each_sample_has_a_test() -> None:
    tested = {*REQUESTS, *ANSWERS, "async_flow", "compat_chat", "compat_tool_call", "stream_error"}
    tested.add("response_tool_call_GUESS")

    assert {path.stem for path in FOLDER.glob("*.json")} == tested


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_the_documented_one_with_what_is_always_said(name: str) -> None:
    read = sample(name)
    (documented,) = read["body"]
    wire = Wire(httpx.Response(200, json=sample("response_sync")["body"]))
    await wire.model(documented["model"], experimental_tools=True).respond(REQUESTS[name])

    (request,) = wire.requests
    assert (request.method, str(request.url)) == (read["method"], read["url"])
    assert request.headers["authorization"] == "Bearer rw-key"
    assert request.headers["content-type"] == read["headers"]["Content-Type"]
    (task,) = wire.bodies[0]
    uuid = task["taskUUID"]
    settings = {"maxTokens": MAX_TOKENS, **documented.get("settings", {})}
    assert wire.bodies[0] == [{**ALWAYS, **documented, "taskUUID": uuid, "settings": settings}]


HELLO_BACK = AssistantMessage([TextPart("Hello!", "tool")])
BESIDE = "runware/tasks sent an error beside the data: valueTooLarge: maxTokens too large"
ANSWERS: Mapping[str, ModelResponse] = {
    "response_sync": ModelResponse(
        HELLO_BACK,
        "stop",
        Usage(18, 3, 21, requests=1, cost_usd=2.7e-05, raw=sample("response_sync")["body"]["data"][0]["usage"]),
        id=UUID,
        raw=sample("response_sync")["body"],
    ),
    "response_partial": ModelResponse(
        HELLO_BACK, "stop", Usage(requests=1), id=UUID, raw=sample("response_partial")["body"], warnings=(BESIDE,)
    ),
    "stream": ModelResponse(
        AssistantMessage([ReasoningPart("thinking...", "reasoningContent"), TextPart("Hello world", "tool")]),
        "stop",
        Usage(
            3,
            2,
            5,
            requests=1,
            cost_usd=0.001,
            raw={"promptTokens": 3, "completionTokens": 2, "totalTokens": 5},
        ),
        id=UUID,
        raw={
            "taskUUID": UUID,
            "finishReason": "stop",
            "usage": {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5},
            "cost": 0.001,
        },
    ),
    "stream_wrapped": ModelResponse(
        AssistantMessage([TextPart("Hello", "tool")]),
        "stop",
        Usage(requests=1, cost_usd=0.001),
        id=UUID,
        raw={"taskType": "textInference", "taskUUID": UUID, "finishReason": "stop", "cost": 0.001},
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_read_whole(name: str) -> None:
    read = sample(name)
    model = Wire(answer_of(read)).model("openai:gpt@5.4-mini")

    assert await model.respond(HELLO, stream="chunks" in read) == ANSWERS[name]


async def test_the_request_of_a_stream_is_the_documented_one_and_its_deltas_come_as_they_are() -> None:
    read = sample("stream")
    wire = Wire(answer_of(read))
    events = [event async for event in wire.model("openai:gpt@5.4-mini").events(HELLO, stream=True)]

    (body,) = wire.bodies
    assert body == [{**read["request"][0], "taskUUID": body[0]["taskUUID"]}]
    assert events[1:4] == [ReasoningDelta("thinking..."), TextDelta("Hello"), TextDelta(" world")]


async def test_the_error_of_a_stream_is_a_timeout_of_the_provider() -> None:
    read = sample("stream_error")
    model = Wire(answer_of(read)).model("openai:gpt@5.4-mini", retry=RetryPolicy(retries=0))
    with pytest.raises(GatewayTimeout) as caught:
        await model.respond(HELLO, stream=True)

    error = caught.value
    assert (error.code, error.status, error.retryable, error.partial) == ("providerTimeout", None, True, None)
    assert error.provider_message == "provider timed out"
    assert error.body == {"errors": _json.loads(read["chunks"][0].removeprefix("data: ").strip())["errors"]}


async def test_an_asynchronous_task_is_the_documented_exchange() -> None:
    steps = sample("async_flow")["steps"]
    wire = Wire()

    def reply(request: httpx.Request) -> httpx.Response:
        """The documented response, under the UUID that was sent."""
        (task,) = json.loads(request.content)
        text = json.dumps(steps[len(wire.requests)]["response"]).replace(UUID, task["taskUUID"])
        wire.requests.append(request)
        return httpx.Response(200, text=text)

    client = httpx.AsyncClient(transport=httpx.MockTransport(reply))
    model = RunwareModel(
        "openai:gpt@5.4-mini",
        api_key="rw-key",
        delivery="async",
        polling=Polling(first=0, second=0),
        http_client=client,
    )
    response = await model.respond(HELLO)

    uuid = response.id
    said = json.loads(json.dumps([step["request"] for step in steps]).replace(UUID, uuid))
    assert wire.bodies == said
    item = json.loads(json.dumps(steps[-1]["response"]["data"][0]).replace(UUID, uuid))
    assert response == ModelResponse(
        HELLO_BACK, "stop", Usage(requests=1, cost_usd=2.7e-05), id=uuid, raw={"data": [item]}
    )


async def test_the_guess_of_a_tool_call_is_read_where_tools_were_sent() -> None:
    read = sample("response_tool_call_GUESS")
    assert read["evidence"] == "guess"
    model = Wire(answer_of(read)).model("openai:gpt@5.4-mini", experimental_tools=True)
    response = await model.respond(REQUESTS["request_tools"])

    assert response == ModelResponse(
        AssistantMessage([CALL]), "tool_calls", Usage(requests=1), id=UUID, raw=read["body"]
    )


async def test_the_request_and_the_call_of_the_compatible_surface_are_the_documented_ones() -> None:
    asked, answered = sample("compat_chat"), sample("compat_tool_call")
    wire = Wire(httpx.Response(200, json=answered["body"]))
    client = httpx.AsyncClient(transport=httpx.MockTransport(wire))
    model = ChatCompletionsModel("openai:gpt@5.4-mini", gateway="runware", api_key="rw-key", http_client=client)
    tool = ToolDefinition("get_weather", "Weather for a city.", SCHEMA)
    response = await model.respond(
        ModelRequest(
            [UserMessage("Weather in Oslo?")],
            tools=[tool],
            tool_choice="auto",
            settings=ModelSettings(max_tokens=256),
        )
    )

    assert (str(wire.requests[0].url), wire.bodies) == (asked["url"], [asked["body"]])
    call = ToolCall(
        "functions.get_service_health:0", "get_service_health", {"service": "payments"}, '{"service":"payments"}'
    )
    assert response == ModelResponse(
        AssistantMessage([call]),
        "tool_calls",
        Usage(144, 17, 161, requests=1, raw=answered["body"]["usage"]),
        model="deepseek:v4@flash",
        id="chatcmpl-1fb9303b72d3939c40a33ecd",
        raw=answered["body"],
    )
