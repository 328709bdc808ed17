"""What the five vendors' pages say, tried through each gateway's preset; docs/seeds.md names these tests row by row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from agentkit import Agent, ModelSettings, RetryPolicy
from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    GatewayError,
    QuotaExhausted,
    RateLimited,
)
from agentkit.messages import AssistantMessage, ImagePart, TextPart, UserMessage
from agentkit.models import ModelRequest, ModelResponse, ResponseFormat
from agentkit.providers import ChatCompletionsModel
from agentkit.usage import Price, Usage

pytestmark = pytest.mark.anyio
HI = [UserMessage("Hi")]
MINI, NANO, BYTESPIKE = (
    ("toapis", "gpt-5-4-mini-official"),
    ("toapis", "gpt-5-4-nano-official"),
    ("bytespike", "gpt-5-4-mini"),
)
MODELSTREAM, RUNWARE = ("modelstream", "gpt-4o-mini"), ("runware", "openai:gpt@5.4-mini")
PAGES = [MINI, NANO, BYTESPIKE, MODELSTREAM, RUNWARE]
PAGE_ANSWER = {
    "id": "chatcmpl-…",
    "object": "chat.completion",
    "model": "gpt-5-4-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"amounts": [142.50, 89.00]}'},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 87, "completion_tokens": 24, "total_tokens": 111},
}
PAGE_STREAM = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}},
]


@dataclass
class Wire:
    """The gateway's end of the wire: keeps what is sent, answers `replies` in turn and then the page's answer."""

    replies: list[httpx.Response] = field(default_factory=list[httpx.Response])
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.replies.pop(0) if self.replies else httpx.Response(200, json=PAGE_ANSWER)

    def model(self, page: tuple[str, str]) -> ChatCompletionsModel:
        gateway, model = page
        return ChatCompletionsModel(
            model,
            gateway=gateway,
            api_key="sk-page",
            retry=RetryPolicy(waits=(0, 0, 0), jitter=0),
            http_client=httpx.AsyncClient(transport=httpx.MockTransport(self)),
        )

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]


PARAMETERS: list[tuple[tuple[str, str], dict[str, Any], dict[str, Any]]] = [
    *((page, {}, {}) for page in PAGES),
    *((page, {"max_tokens": 100}, {"max_tokens": 100}) for page in (MINI, NANO, BYTESPIKE)),
    *((page, {"max_tokens": 100}, {"max_completion_tokens": 100}) for page in (MODELSTREAM, RUNWARE)),
    *((page, {"temperature": 0}, {"temperature": 0}) for page in (MINI, NANO, MODELSTREAM, RUNWARE)),
    *((page, {"top_p": 0.95}, {"top_p": 0.95}) for page in (MINI, NANO, MODELSTREAM, RUNWARE)),
    *((page, {"stop": "END"}, {"stop": "END"}) for page in (MINI, NANO)),
    *((page, {"stop": ("a", "b", "c", "d")}, {"stop": ["a", "b", "c", "d"]}) for page in (MINI, NANO)),
    *((MODELSTREAM, {name: 0.5}, {name: 0.5}) for name in ("presence_penalty", "frequency_penalty")),
    *((page, {"seed": 7}, {"seed": 7}) for page in (MODELSTREAM, RUNWARE)),
    (MODELSTREAM, {"prediction": "text"}, {"prediction": {"type": "content", "content": "text"}}),
    *(
        (RUNWARE, {"reasoning_effort": level}, {"reasoning_effort": level})
        for level in ("none", "low", "medium", "high")
    ),
]


@pytest.mark.parametrize(("page", "settings", "fields"), PARAMETERS)
async def test_a_parameter_goes_out_under_the_name_of_its_page(
    page: tuple[str, str], settings: dict[str, Any], fields: dict[str, Any]
) -> None:
    wire = Wire()
    await wire.model(page).respond(ModelRequest(HI, settings=ModelSettings(**settings)))

    (request,) = wire.requests
    assert (request.method, request.url.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-page"
    assert wire.bodies == [{"model": page[1], **fields, "messages": [{"role": "user", "content": "Hi"}]}]


@pytest.mark.parametrize("settings", [{"temperature": 2.01}, {"temperature": -0.01}, {"top_p": 1.01}, {"top_p": -0.01}])
async def test_a_value_outside_the_runware_page_is_refused(settings: dict[str, Any]) -> None:
    wire = Wire()
    with pytest.raises(ConfigurationError, match=r"is outside what runware takes for openai:gpt@5\.4-mini: 0 to"):
        await wire.model(RUNWARE).respond(ModelRequest(HI, settings=ModelSettings(**settings)))

    assert wire.requests == []


@pytest.mark.parametrize(
    "prompt", ["Extract the dollar amounts from this invoice.", "Extract amounts as JSON."], ids=["Request", "Examples"]
)
async def test_a_request_of_the_bytespike_page_goes_out_as_printed(prompt: str) -> None:
    wire = Wire()
    await wire.model(BYTESPIKE).respond(
        ModelRequest([UserMessage(prompt)], response_format=ResponseFormat("json_object"))
    )

    assert wire.bodies == [
        {
            "model": "gpt-5-4-mini",
            "messages": [{"role": "user", "content": prompt}],
            "response_format": {"type": "json_object"},
        }
    ]
    (request,) = wire.requests
    assert str(request.url) == "https://llm.bytespike.ai/v1/chat/completions"
    assert (request.headers["authorization"], request.headers["content-type"]) == (
        "Bearer sk-page",
        "application/json",
    )


async def test_the_answer_of_the_bytespike_page_is_read_as_printed() -> None:
    assert await Wire().model(BYTESPIKE).respond(ModelRequest(HI)) == ModelResponse(
        AssistantMessage([TextPart('{"amounts": [142.50, 89.00]}', "tool")]),
        "stop",
        Usage(
            input_tokens=87,
            output_tokens=24,
            total_tokens=111,
            requests=1,
            raw={"prompt_tokens": 87, "completion_tokens": 24, "total_tokens": 111},
        ),
        model="gpt-5-4-mini",
        id="chatcmpl-…",
        raw=PAGE_ANSWER,
    )


@pytest.mark.parametrize("page", PAGES)
async def test_a_stream_is_asked_for_and_read_as_the_page_says(page: tuple[str, str]) -> None:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in PAGE_STREAM]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    wire = Wire([httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)])
    response = await wire.model(page).respond(ModelRequest(HI), stream=True)

    assert wire.bodies[0]["stream"] is True
    assert (response.message.text, response.finish_reason, response.usage.total_tokens) == ("Hello", "stop", 10)


async def test_the_inputs_of_the_modelstream_page_have_their_place_in_messages() -> None:
    wire = Wire()
    images = [ImagePart("https://example.com/a.png", detail="low"), ImagePart("https://example.com/b.png")]
    await wire.model(MODELSTREAM).respond(
        ModelRequest([UserMessage([TextPart("Compare."), *images])], instructions="Be brief.")
    )

    assert wire.bodies[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Compare."},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}},
            ],
        },
    ]


async def test_a_response_format_goes_out_as_an_object() -> None:
    wire = Wire()
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    declared = ResponseFormat("json_schema", "answer", schema, strict=True)
    await wire.model(MODELSTREAM).respond(ModelRequest(HI, response_format=declared))

    assert wire.bodies[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


@pytest.mark.parametrize(
    ("page", "cost"), [(MINI, (87 * 0.60 + 24 * 3.60) / 1e6), (NANO, (87 * 0.16 + 24 * 0.96) / 1e6)]
)
async def test_a_run_costs_what_the_page_says(page: tuple[str, str], cost: float) -> None:
    result = await Agent(Wire().model(page)).run("Hi")

    assert result.cost == pytest.approx(cost)


@pytest.mark.parametrize("page", [BYTESPIKE, MODELSTREAM, RUNWARE])
async def test_a_page_without_a_price_gives_no_cost(page: tuple[str, str]) -> None:
    assert (await Agent(Wire().model(page)).run("Hi")).cost is None


@pytest.mark.parametrize(
    ("page", "limits"),
    [
        (MINI, (None, None, None, "2026-05-02")),
        (NANO, (None, None, None, "2026-05-02")),
        (BYTESPIKE, (128_000, 16_384, True, None)),
        (MODELSTREAM, (128_000, 16_384, True, None)),
        (RUNWARE, (400_000, 128_000, True, None)),
    ],
)
def test_a_preset_holds_the_limits_of_its_page(page: tuple[str, str], limits: Sequence[object]) -> None:
    profile = ChatCompletionsModel(page[1], gateway=page[0]).profile
    dated = profile.price.as_of.isoformat() if isinstance(profile.price, Price) and profile.price.as_of else None

    assert (profile.context, profile.max_output, profile.vision, dated) == limits


@pytest.mark.parametrize(
    ("gateway", "model"), [("bytespike", "gpt-5-4-nano"), ("modelstream", "ft:gpt-4o-mini:acme::1")]
)
async def test_another_model_of_the_gateway_passes_through(gateway: str, model: str) -> None:
    wire = Wire()
    await wire.model((gateway, model)).respond(ModelRequest(HI))

    assert wire.bodies[0]["model"] == model


ERRORS: list[tuple[tuple[str, str], int, type[GatewayError], int]] = [
    *((page, 400, BadRequest, 1) for page in (MINI, NANO, BYTESPIKE)),
    *((page, 401, AuthenticationError, 1) for page in (MINI, NANO, BYTESPIKE)),
    (BYTESPIKE, 402, QuotaExhausted, 1),
    (BYTESPIKE, 422, BadRequest, 1),
    *((page, 429, RateLimited, 4) for page in (MINI, NANO, BYTESPIKE)),
    *((BYTESPIKE, status, GatewayError, 4) for status in (500, 502, 503)),
]


@pytest.mark.parametrize(("page", "status", "kind", "sent"), ERRORS)
async def test_an_error_of_the_page_is_sent_once_or_retried_as_it_says(
    page: tuple[str, str], status: int, kind: type[GatewayError], sent: int
) -> None:
    body = {"error": {"message": "no", "type": "error"}}
    wire = Wire([httpx.Response(status, json=body) for _ in range(4)])
    with pytest.raises(kind) as caught:
        await wire.model(page).respond(ModelRequest(HI))

    assert len(wire.requests) == sent
    assert caught.value.billed is (False if page == BYTESPIKE else None)


def test_the_waits_are_those_of_the_page() -> None:
    policy, error = RetryPolicy(), RateLimited("slow down")
    for number, base in enumerate((1, 2, 4), 1):
        assert base <= (policy.wait(number, error) or 0) <= base * 1.25
    assert policy.wait(4, error) is None


async def test_a_request_begins_with_the_messages_of_the_one_before() -> None:
    wire = Wire()
    agent = Agent(wire.model(BYTESPIKE), instructions="Be brief.")
    first = await agent.run("Hi")
    await agent.run("Again", history=first.messages)

    earlier, later = (request.content for request in wire.requests)
    assert later.startswith(earlier.removesuffix(b"]}"))
