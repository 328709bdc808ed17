"""Tasks whose results come as server-sent events, over HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest

from agentkit import RetryPolicy, _json
from agentkit.emulator import Emulator, Raw, Reply
from agentkit.errors import (
    BadRequest,
    ConfigurationError,
    GatewayError,
    GatewayTimeout,
    MalformedResponse,
    ServerError,
    StreamTruncated,
)
from agentkit.messages import AssistantMessage, ReasoningPart, TextPart
from agentkit.models import AttemptDiscarded, ModelRequest, Profile, ReasoningDelta, ResponseEvent, TextDelta
from agentkit.providers import RunwareModel
from agentkit.providers.runware.encode import TaskEncoder, TaskOptions
from agentkit.usage import Usage

from .tasks import HI, MODEL, finished, sent, tasks

pytestmark = pytest.mark.anyio
USAGE = {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5}
END = {"delta": {}, "finishReason": "stop", "usage": USAGE, "cost": 0.001, "taskUUID": "t"}


def said(**delta: Any) -> dict[str, Any]:
    return {"delta": delta, "taskUUID": "t"}


def stream(*events: Any, done: bool = True, close: bool = False) -> Raw:
    """Bytes of a stream, sent as they stand."""
    frames = [event if isinstance(event, bytes) else b"data: " + _json.dumps(event) + b"\n\n" for event in events]
    ending = [b"data: [DONE]\n\n"] if done else []
    return Raw((*frames, *ending), headers={"content-type": "text/event-stream"}, close=close)


async def events_of(model: RunwareModel, request: ModelRequest = HI) -> tuple[list[ResponseEvent], GatewayError | None]:
    events: list[ResponseEvent] = []
    try:
        async for event in model.events(request, stream=True):
            events += [event]
    except GatewayError as error:
        return events, error
    return events, None


def deltas(events: Sequence[ResponseEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, (TextDelta, ReasoningDelta))]


async def test_a_stream_is_deltas_and_then_the_same_answer_as_a_plain_one() -> None:
    reply = Reply("Hello there, world!", reasoning="Greet them.")
    with Emulator([reply, reply], gateway="runware") as gateway:
        model = tasks(gateway)
        events, _ = await events_of(model)
        streamed = await model.respond(HI, stream=True)
    with Emulator([reply], gateway="runware") as other:
        plain = await tasks(other).respond(HI)

    assert sent(gateway)[0]["deliveryMethod"] == "stream"
    assert "".join(deltas(events)) == "Greet them.Hello there, world!"
    assert streamed.message == plain.message
    assert (streamed.finish_reason, streamed.usage.output_tokens) == (plain.finish_reason, plain.usage.output_tokens)
    assert streamed.usage.cost_usd is not None
    assert streamed.id == sent(gateway)[1]["taskUUID"]


WHOLE = AssistantMessage([ReasoningPart("Hm.", "reasoningContent"), TextPart("Hello world", "tool")])
STREAMS: dict[str, Raw] = {
    "as documented": stream(
        b":heartbeat\n\n", said(reasoningContent="Hm."), said(text="Hello"), said(text=" world"), END
    ),
    "wrapped in data, and without [DONE]": stream(
        *(
            {"data": {"taskType": "textInference", **each}}
            for each in (said(reasoningContent="Hm."), said(text="Hello"))
        ),
        {"data": {"taskType": "textInference", **said(text=" world")}},
        {"data": END},
        done=False,
    ),
    "wrapped in a list": stream(
        {"data": [said(reasoningContent="Hm."), said(text="Hello")]}, {"data": [said(text=" world"), END]}
    ),
    "text and reasoning in one delta": stream(said(reasoningContent="Hm.", text="Hello world"), END),
    "a heartbeat in the middle, nulls, and an unknown field": stream(
        said(reasoningContent="Hm.", text=None), b":heartbeat\n\n", said(text="Hello world", mood="fine"), END
    ),
    "the whole text in the last event only": stream({**END, "text": "Hello world", "reasoningContent": "Hm."}),
    "usage after the finish": stream(
        said(reasoningContent="Hm.", text="Hello world"),
        {"delta": {}, "finishReason": "stop"},
        {"usage": USAGE, "cost": 0.001, "taskUUID": "t"},
    ),
    "an empty event after [DONE]": stream(said(reasoningContent="Hm.", text="Hello world"), END, b"data: [DONE]\n\n"),
    "broken after the last word": stream(said(reasoningContent="Hm.", text="Hello world"), END, done=False, close=True),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_each_form_of_a_stream_is_the_same_answer(name: str) -> None:
    with Emulator([STREAMS[name]], gateway="runware") as gateway:
        response = await tasks(gateway).respond(HI, stream=True)

    assert (response.message, response.finish_reason) == (WHOLE, "stop")
    assert response.usage == Usage(3, 2, 5, requests=1, cost_usd=0.001, raw=USAGE)
    assert response.id == "t"


@pytest.mark.parametrize("close", [True, False])
async def test_a_cut_stream_is_truncated_with_what_had_come(close: bool) -> None:
    cut = stream(said(reasoningContent="Hm."), said(text="Hel"), done=False, close=close)
    with Emulator([cut], gateway="runware") as gateway:
        events, error = await events_of(tasks(gateway))

    assert isinstance(error, StreamTruncated)
    assert error.partial == AssistantMessage([ReasoningPart("Hm.", "reasoningContent"), TextPart("Hel", "tool")])
    assert deltas(events) == ["Hm.", "Hel"]
    assert len(gateway.requests) == 1


async def test_a_stream_without_a_word_is_truncated_with_nothing() -> None:
    with Emulator([stream(done=False)], gateway="runware") as gateway:
        _, error = await events_of(tasks(gateway, retry=RetryPolicy(retries=0)))

    assert isinstance(error, StreamTruncated)
    assert error.partial is None


async def test_done_without_a_finish_reason_is_an_end_that_is_not_known() -> None:
    with Emulator([stream(said(text="Hello"))], gateway="runware") as gateway:
        response = await tasks(gateway).respond(HI, stream=True)

    assert (response.message.text, response.finish_reason) == ("Hello", "other")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"errors": [{"code": "providerTimeout", "message": "provider timed out", "taskUUID": "t"}]}, GatewayTimeout),
        ({"error": {"code": "providerError", "message": "it broke"}, "taskUUID": "t"}, ServerError),
        ({"data": [{"status": "error", "code": "providerError", "message": "it broke"}]}, ServerError),
        (b"data: {oops\n\n", MalformedResponse),
        (b"data: [1]\n\n", MalformedResponse),
    ],
)
async def test_an_error_in_a_stream_is_that_error_with_what_had_come(event: Any, kind: type[GatewayError]) -> None:
    with Emulator([stream(said(text="Hel"), event)], gateway="runware") as gateway:
        events, error = await events_of(tasks(gateway))

    assert type(error) is kind
    assert error.partial == AssistantMessage([TextPart("Hel", "tool")])
    assert deltas(events) == ["Hel"]


async def test_an_error_before_the_stream_is_retried_with_a_new_uuid() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", faults=["overloaded"]) as gateway:
        response = await tasks(gateway).respond(HI, stream=True)

    first, second = sent(gateway)
    assert response.message.text == "Hello!"
    assert first["taskUUID"] != second["taskUUID"]


async def test_a_retry_after_output_is_a_new_task() -> None:
    cut = stream(said(text="Hel"), done=False)
    with Emulator([cut, Reply("Hello!")], gateway="runware") as gateway:
        events, error = await events_of(tasks(gateway, retry=RetryPolicy(waits=(0,), jitter=0, after_output=True)))

    assert error is None
    assert [type(event) for event in events].count(AttemptDiscarded) == 1
    assert len({task["taskUUID"] for task in sent(gateway)}) == 2


async def test_a_server_that_does_not_stream_although_it_was_asked_has_answered() -> None:
    plain = Raw((_json.dumps({"data": [finished({"taskUUID": "t"})]}),))
    with Emulator([plain], gateway="runware") as gateway:
        response = await tasks(gateway).respond(HI, stream=True)

    assert response.message.text == "Hello!"


@pytest.mark.parametrize("fault", ["cut_stream", "error_in_stream"])
async def test_the_gateways_own_faults_are_typed_with_what_had_come(fault: str) -> None:
    with Emulator([Reply("Hello there, dear world!")], gateway="runware", faults=[fault]) as gateway:
        events, error = await events_of(tasks(gateway))

    assert error is not None
    assert error.partial is not None
    assert "".join(deltas(events)) == error.partial.text


async def test_an_asynchronous_model_streams_when_it_is_asked_to() -> None:
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        await tasks(gateway, delivery="async").respond(HI, stream=True)

    assert [task["deliveryMethod"] for task in sent(gateway)] == ["stream"]


async def test_several_results_cannot_be_streamed() -> None:
    encoder = TaskEncoder(MODEL, Profile(), TaskOptions(number=2))
    with pytest.raises(ConfigurationError, match="2 results cannot be asked for with a stream: ask for one"):
        encoder.body(HI, stream=True)


async def test_an_error_in_a_stream_that_nobody_asked_for_has_what_had_come_too() -> None:
    broken = stream(said(text="Hel"), {"errors": [{"code": "invalidModel", "message": "it broke"}]})
    with Emulator([broken], gateway="runware") as gateway, pytest.raises(BadRequest, match="it broke") as caught:
        await tasks(gateway).respond(HI)

    assert caught.value.partial == AssistantMessage([TextPart("Hel", "tool")])
