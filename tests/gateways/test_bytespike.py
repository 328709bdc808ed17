"""ByteSpike: the embedded gateway speaks its dialect over HTTP."""

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, RunLimits, Tool
from agentkit.emulator import Emulator, Fault
from agentkit.errors import BadRequest, ConfigurationError, ContextOverflow, QuotaExhausted, ServerError
from agentkit.messages import ImagePart, TextPart, UserMessage
from agentkit.models import ModelRequest
from agentkit.transport import RetryPolicy

HI = ModelRequest([UserMessage("Hi")])
ACCOUNTING = {
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-quota-remaining-credits",
    "x-org-quota-remaining-credits",
}


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.mark.anyio
async def test_an_agent_that_must_call_is_corrected_because_required_is_not_taken(
    brain: Any, weather: Tool[..., Any]
) -> None:
    with Emulator(brain, gateway="bytespike") as gateway:
        agent = Agent(gateway.model(), tools=[weather], tool_choice="required")
        result = await agent.run("Weather in Oslo and Rome?")

    assert result.output == "Oslo and Rome: 7 degrees"
    assert [request.body["tool_choice"] for request in gateway.requests] == ["auto", "auto"]


@pytest.mark.anyio
async def test_a_named_tool_goes_out_as_it_is(brain: Any, weather: Tool[..., Any]) -> None:
    with Emulator(brain, gateway="bytespike") as gateway:
        await Agent(gateway.model(), tools=[weather], tool_choice="get_weather").run("Weather?")

    assert gateway.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["json_schema", "json_object"])
async def test_structured_output_comes_in_both_of_its_forms(mode: Any, brain: Any) -> None:
    with Emulator(brain, gateway="bytespike") as gateway:
        result = await Agent(gateway.model(), output=Weather, output_mode=mode).run("Weather?")

    assert result.output == Weather(city="Oslo", degrees=7)
    assert gateway.requests[0].body["response_format"]["type"] == mode


@pytest.mark.anyio
async def test_the_accounting_headers_come_with_answers_and_with_errors(brain: Any) -> None:
    with Emulator(brain, gateway="bytespike", faults=[Fault("payment_required", skip=2)]) as gateway:
        model = gateway.model()
        plain = await model.respond(HI)
        streamed = await model.respond(HI, stream=True)
        with pytest.raises(QuotaExhausted) as caught:
            await model.respond(HI)

    assert plain.headers.keys() >= ACCOUNTING
    assert streamed.headers.keys() >= ACCOUNTING
    assert caught.value.headers.keys() >= ACCOUNTING
    assert (caught.value.headers["x-quota-remaining-credits"], caught.value.status) == ("0", 402)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "kind", "status"), [("payment_required", QuotaExhausted, 402), ("unprocessable", BadRequest, 422)]
)
async def test_402_and_422_are_sent_once_and_are_not_billed(fault: str, kind: Any, status: int) -> None:
    with Emulator(gateway="bytespike", faults=[Fault(fault, 9)]) as gateway, pytest.raises(kind) as caught:
        await gateway.model().respond(HI)

    assert (caught.value.status, caught.value.billed, caught.value.retryable) == (status, False, False)
    assert len(gateway.requests) == 1


@pytest.mark.anyio
async def test_a_failure_upstream_is_retried_and_free(brain: Any) -> None:
    with Emulator(brain, gateway="bytespike", faults=["server_error:2"]) as gateway:
        model = gateway.model(retry=RetryPolicy(waits=(0.0,), jitter=0.0))
        result = await Agent(model, limits=RunLimits(tokens=6_000), settings=ModelSettings(max_tokens=1_000)).run("Hi")

    assert (result.retries, result.output) == (2, "Oslo and Rome: 7 degrees")
    with Emulator(gateway="bytespike", faults=["server_error:inf"]) as gateway, pytest.raises(ServerError) as caught:
        await gateway.model(retry=RetryPolicy(retries=0)).respond(HI)
    assert caught.value.billed is False


@pytest.mark.anyio
async def test_a_stream_that_fails_in_the_middle_is_an_error_with_what_came_and_not_billed(brain: Any) -> None:
    with Emulator(brain, gateway="bytespike", faults=["error_in_stream"]) as gateway:
        model = gateway.model(retry=RetryPolicy(retries=0))
        with pytest.raises(ServerError) as caught:
            await model.respond(HI, stream=True)

    assert caught.value.partial is not None
    assert "Oslo and Rome: 7 degrees".startswith(caught.value.partial.text or "?")
    assert caught.value.billed is False


@pytest.mark.anyio
async def test_its_output_limit_and_its_context_hold(brain: Any) -> None:
    with Emulator(brain, gateway="bytespike") as gateway:
        with pytest.raises(ConfigurationError, match=r"max_tokens=16385 .* bytespike .* 1 to 16384"):
            await gateway.model().respond(ModelRequest([UserMessage("Hi")], settings=ModelSettings(max_tokens=16_385)))
        assert gateway.requests == []
        with pytest.raises(ContextOverflow):
            await gateway.model().respond(ModelRequest([UserMessage("word " * 150_000)]))


@pytest.mark.anyio
async def test_images_go_with_the_message(brain: Any) -> None:
    picture = ImagePart(url="https://example.com/a.png", detail="low")
    with Emulator(brain, gateway="bytespike") as gateway:
        await gateway.model().respond(ModelRequest([UserMessage([TextPart("What is it?"), picture])]))

    assert gateway.requests[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
