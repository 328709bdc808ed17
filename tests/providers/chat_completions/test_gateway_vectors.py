"""The requests and answers of ToAPIs, ByteSpike and ModelStream (tests/data/gateways), each compared whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit import ModelSettings, RetryPolicy
from agentkit.errors import AuthenticationError, ServerError
from agentkit.messages import AssistantMessage, ImagePart, TextPart, UserMessage
from agentkit.models import ModelRequest, ModelResponse, ResponseFormat, ToolDefinition
from agentkit.providers import ChatCompletionsModel
from agentkit.providers.learned import LearnedProfiles
from agentkit.usage import Usage

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:temperature and top_p are both set")]
FOLDER = Path(__file__).parents[2] / "data" / "gateways"
HI = ModelRequest([UserMessage("Hello")])
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
AMOUNTS = {
    "type": "object",
    "properties": {"amounts": {"type": "array", "items": {"type": "number"}}},
    "required": ["amounts"],
    "additionalProperties": False,
}
WEATHER = ToolDefinition("get_weather", "Weather for a city.", CITY)
LOOK = UserMessage([TextPart("What is in the image?"), ImagePart("https://example.com/a.png", detail="low")])
MODELSTREAM = ModelRequest(
    [LOOK],
    instructions="You are terse.",
    response_format=ResponseFormat("json_object"),
    settings=ModelSettings(temperature=0.2, top_p=1, presence_penalty=0, frequency_penalty=0, seed=1, max_tokens=256),
)
REQUESTS: Mapping[str, ModelRequest] = {
    "toapis/request_chat": ModelRequest(
        [UserMessage("Hello")],
        instructions="You are terse.",
        settings=ModelSettings(max_tokens=256, temperature=1, top_p=1, stop=("END",)),
    ),
    "toapis/request_tools": ModelRequest(
        [UserMessage("Weather in Oslo?")], tools=[WEATHER], tool_choice="auto", settings=ModelSettings(max_tokens=256)
    ),
    "bytespike/request_json_object": ModelRequest(
        [UserMessage("Extract amounts as JSON.")], response_format=ResponseFormat("json_object")
    ),
    "bytespike/request_json_schema": ModelRequest(
        [UserMessage("Extract amounts.")],
        tools=[WEATHER],
        tool_choice="get_weather",
        response_format=ResponseFormat("json_schema", "invoice", AMOUNTS, strict=True),
        settings=ModelSettings(max_tokens=16_384, seed=1, user="u1"),
    ),
    "modelstream/request_messages": MODELSTREAM,
    "modelstream/request_form_flat": MODELSTREAM,
}
NOT_SENT: Mapping[str, Any] = {
    "stream": False,  # the default, and nothing is sent that was not asked for
}


class Wire:
    """The gateway's end of the wire: keeps what is sent, and answers the same each time."""

    def __init__(self, reply: httpx.Response) -> None:
        self._reply = reply
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._reply

    def model(self, model: str, gateway: str) -> ChatCompletionsModel:
        return ChatCompletionsModel(
            model,
            gateway=gateway,
            api_key="sk-key",
            retry=RetryPolicy(retries=0),
            learned=LearnedProfiles(),
            http_client=httpx.AsyncClient(transport=httpx.MockTransport(self)),
        )


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return read


def answer_of(read: Mapping[str, Any]) -> httpx.Response:
    """The sample's response."""
    headers = dict(read.get("headers", {}))
    if "chunks" in read:
        return httpx.Response(read["status"], headers=headers, content="".join(read["chunks"]).encode())
    return httpx.Response(read["status"], headers=headers, json=read["body"])


def test_each_sample_has_a_test() -> None:
    files = {f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*.json") if path.parent.name != "runware"}

    assert files == {*REQUESTS, *ANSWERS, "bytespike/stream_error", "modelstream/error"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.outside_openai("the form has a prompt in place of messages"))
        if name.endswith("form_flat")
        else name
        for name in REQUESTS
    ],
)
async def test_a_request_is_the_documented_one(name: str) -> None:
    read = sample(name)
    gateway = "modelstream/form" if name.endswith("form_flat") else name.partition("/")[0]
    wire = Wire(answer_of(sample("bytespike/response")))
    await wire.model(read["body"]["model"], gateway).respond(REQUESTS[name])

    (request,) = wire.requests
    assert (request.method, str(request.url)) == (read["method"], read["url"])
    assert request.headers["authorization"] == "Bearer sk-key"
    assert request.headers["content-type"] == read["headers"]["Content-Type"]
    unsaid = {field: value for field, value in NOT_SENT.items() if field in read["body"]}
    assert {**json.loads(request.content), **unsaid} == read["body"]


ANSWERS: Mapping[str, ModelResponse] = {
    "toapis/response_chat": ModelResponse(
        AssistantMessage([TextPart("Hello!", "tool")]),
        "stop",
        Usage(13, 38, 51, requests=1, raw=sample("toapis/response_chat")["body"]["usage"]),
        model="claude-sonnet-4-6",
        id="chatcmpl-abc123",
        raw=sample("toapis/response_chat")["body"],
    ),
    "toapis/stream_chat": ModelResponse(
        AssistantMessage([TextPart("Hello", "tool")]),
        "stop",
        Usage(requests=1),
        model="gpt-5-4-mini-official",
        id="chatcmpl-abc123",
        raw={
            "id": "chatcmpl-abc123",
            "object": "chat.completion.chunk",
            "created": 1703884800,
            "model": "gpt-5-4-mini-official",
        },
    ),
    "bytespike/response": ModelResponse(
        AssistantMessage([TextPart('{"amounts": [142.50, 89.00]}', "tool")]),
        "stop",
        Usage(87, 24, 111, requests=1, raw=sample("bytespike/response")["body"]["usage"]),
        model="gpt-5-4-mini",
        id="chatcmpl-…",
        raw=sample("bytespike/response")["body"],
        headers={
            "x-ratelimit-limit": "5.00",
            "x-ratelimit-remaining": "4.99",
            "x-ratelimit-reset": "1790000042",
            "x-quota-remaining-credits": "12.34",
            "x-org-quota-remaining-credits": "100.00",
        },
    ),
    "modelstream/response": ModelResponse(
        AssistantMessage([TextPart("A cat.", "tool")]),
        "stop",
        Usage(20, 3, 23, requests=1, raw=sample("modelstream/response")["body"]["usage"]),
        model="gpt-4o-mini",
        id="chatcmpl-1",
        raw=sample("modelstream/response")["body"],
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_read_whole(name: str) -> None:
    read = sample(name)
    model = Wire(answer_of(read)).model("any", name.partition("/")[0])

    assert await model.respond(HI, stream="chunks" in read) == ANSWERS[name]


async def test_an_error_in_a_stream_of_bytespike_is_a_server_error_that_is_not_billed() -> None:
    model = Wire(answer_of(sample("bytespike/stream_error"))).model("gpt-5-4-mini", "bytespike")
    with pytest.raises(ServerError, match="upstream failed") as caught:
        await model.respond(HI, stream=True)

    assert caught.value.partial == AssistantMessage([TextPart('{"am', "tool")])
    assert (caught.value.billed, caught.value.provider_message) == (False, "upstream failed")


async def test_an_error_of_modelstream_has_its_four_fields() -> None:
    read = sample("modelstream/error")
    model = Wire(answer_of(read)).model("gpt-4o-mini", "modelstream")
    with pytest.raises(AuthenticationError) as caught:
        await model.respond(HI)

    error = caught.value
    assert (error.status, error.code, error.param, error.provider_message, error.body) == (
        401,
        "invalid_api_key",
        None,
        "Invalid API key",
        read["body"],
    )
