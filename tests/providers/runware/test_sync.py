"""Tasks whose results come in the response, over HTTP."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from agentkit.emulator import Emulator, Fault, Reply
from agentkit.errors import (
    BadRequest,
    ConfigurationError,
    GatewayError,
    GatewayTimeout,
    MalformedResponse,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from agentkit.messages import AssistantMessage, ReasoningPart, TextPart, UserMessage
from agentkit.models import AttemptStarting, ModelRequest, ModelResponse, ModelSettings, ResponseCompleted
from agentkit.usage import Price, Usage

from .tasks import HI, USAGE, acknowledged, answering, at, failed, finished, http, replies, sent, tasks

pytestmark = pytest.mark.anyio
COUNTED = {
    "prompt_tokens": 18,
    "completion_tokens": 3,
    "total_tokens": 21,
    "prompt_tokens_details": {"cached_tokens": 10},
}


async def test_an_answer_is_text_reasoning_usage_and_the_cost_that_the_server_tells() -> None:
    with Emulator([Reply("Hello!", reasoning="Greet.", usage=COUNTED)], gateway="runware") as gateway:
        response = await tasks(gateway).respond(HI)

    (task,) = sent(gateway)
    assert response == ModelResponse(
        message=AssistantMessage([ReasoningPart("Greet.", "reasoningContent"), TextPart("Hello!", "tool")]),
        finish_reason="stop",
        usage=Usage(
            input_tokens=18,
            output_tokens=3,
            total_tokens=21,
            cached_tokens=10,
            requests=1,
            cost_usd=round(8 * 0.75e-6 + 10 * 0.075e-6 + 3 * 4.5e-6, 10),
            raw=response.raw["data"][0]["usage"],
        ),
        id=task["taskUUID"],
        raw=response.raw,
        headers={"x-request-id": "req_emulated_1"},
    )
    assert uuid.UUID(task["taskUUID"]).version == 4
    assert task == {
        "taskType": "textInference",
        "taskUUID": task["taskUUID"],
        "model": "openai:gpt@5.4-mini",
        "deliveryMethod": "sync",
        "includeCost": True,
        "includeUsage": True,
        "numberResults": 1,
        "settings": {"maxTokens": 4096},
        "messages": [{"role": "user", "content": "Hi"}],
    }


@pytest.mark.parametrize(("asked", "told"), [(None, 4096), (100, 100)])
async def test_the_bound_on_the_output_is_told_before_the_request_is_sent(asked: int | None, told: int) -> None:
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(max_tokens=asked))
    with Emulator([Reply("Hello!")], gateway="runware") as gateway:
        events = [event async for event in tasks(gateway).events(request, stream=False)]

    assert events[0] == AttemptStarting(1, told)
    assert isinstance(events[1], ResponseCompleted)
    assert sent(gateway)[0]["settings"] == {"maxTokens": told}


async def test_the_cost_that_the_server_tells_wins_over_a_price() -> None:
    with answering(lambda task: http(200, {"data": [finished(task, cost=0.5)]})) as (url, _):
        model = at(url, model="openai:gpt@5-mini")
        model = at(url, model="openai:gpt@5-mini", profile=replace(model.profile, price=Price(input=1, output=1)))
        response = await model.respond(HI)

    assert response.usage == Usage(18, 3, 21, requests=1, cost_usd=0.5, raw=USAGE)


async def test_the_cost_of_the_breakdown_counts_where_none_stands_beside_it() -> None:
    usage = {**USAGE, "costBreakdown": {"tokens": {"cache": {"billableTokens": 4}}, "total": 0.25}}
    with answering(lambda task: http(200, {"data": [{**finished(task), "usage": usage, "cost": None}]})) as (url, _):
        response = await at(url).respond(HI)

    assert response.usage == Usage(18, 3, 21, cached_tokens=4, requests=1, cost_usd=0.25, raw=usage)


async def test_a_cost_without_usage_is_a_cost_and_no_count_of_tokens() -> None:
    with answering(lambda task: http(200, {"data": [{**finished(task), "usage": {}}]})) as (url, _):
        usage = (await at(url).respond(HI)).usage

    assert (usage, usage.reported) == (Usage(requests=1, cost_usd=0.001), False)


async def test_errors_beside_the_data_are_told_and_do_not_hide_the_answer() -> None:
    errors = [{"code": "valueTooLarge", "message": "maxTokens too large", "parameter": ["settings", "maxTokens"]}]
    with answering(lambda task: http(200, {"data": [finished(task)], "errors": errors})) as (url, _):
        response = await at(url).respond(HI)

    assert response.message.text == "Hello!"
    assert response.warnings == ("runware/tasks sent an error beside the data: valueTooLarge: maxTokens too large",)


ERRORS: list[tuple[Any, int, type[GatewayError], int, dict[str, Any]]] = [
    ({"errors": [{"code": "invalidApiKey", "message": "no"}]}, 401, GatewayError, 1, {"code": "invalidApiKey"}),
    ({"errors": [{"code": "insufficientCredits", "message": "pay"}]}, 400, QuotaExhausted, 1, {"status": 400}),
    ({"errors": [{"code": "insufficientCredits", "message": "pay"}]}, 200, QuotaExhausted, 1, {"status": None}),
    ({"errors": [{"code": "rateLimitExceeded", "message": "slow"}]}, 429, RateLimited, 4, {"status": 429}),
    ({"errors": [{"code": "rateLimitExceeded", "message": "slow"}]}, 200, RateLimited, 4, {"status": None}),
    ({"error": {"code": "providerTimeout", "message": "late"}, "taskUUID": "x"}, 200, GatewayTimeout, 4, {}),
    ({"errors": [{"code": "providerError", "message": "broken"}]}, 500, ServerError, 4, {"code": "providerError"}),
    (
        {"errors": [{"code": "invalidTopP", "message": "no", "parameter": ["settings", "topP"]}]},
        400,
        BadRequest,
        1,
        {"param": "settings, topP"},
    ),
    (
        {"errors": [{"code": "invalidSeed", "message": "no", "parameter": "seed"}]},
        400,
        BadRequest,
        1,
        {"param": "seed"},
    ),
    ({"data": []}, 200, MalformedResponse, 1, {}),
    ({"data": [{"taskType": "textInference"}]}, 200, MalformedResponse, 1, {}),
    ([], 200, MalformedResponse, 1, {}),
]


@pytest.mark.parametrize(("body", "status", "kind", "times", "holds"), ERRORS)
async def test_each_error_is_typed_and_sent_as_often_as_may_help(
    body: Any, status: int, kind: type[GatewayError], times: int, holds: dict[str, Any]
) -> None:
    with answering(*[replies(body, status)] * 4) as (url, seen), pytest.raises(kind) as caught:
        await at(url).respond(HI)

    assert len({task["taskUUID"] for task in seen}) == times == len(seen)
    assert {name: getattr(caught.value, name) for name in holds} == holds


async def test_a_result_that_failed_is_its_error() -> None:
    with (
        answering(lambda task: http(200, {"data": [failed(task, "invalidModel", status="error")]})) as (url, _),
        pytest.raises(BadRequest, match="It went wrong: invalidModel") as caught,
    ):
        await at(url).respond(HI)

    assert caught.value.code == "invalidModel"


async def test_an_acknowledgement_is_no_answer_where_none_was_asked_for() -> None:
    with answering(acknowledged) as (url, _), pytest.raises(MalformedResponse, match="answered without a result"):
        await at(url).respond(HI)


async def test_a_retry_has_a_new_task_uuid() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", faults=["server_error:2"]) as gateway:
        response = await tasks(gateway).respond(HI)

    first, second, third = sent(gateway)
    assert response.id == third["taskUUID"]
    assert len({task["taskUUID"] for task in (first, second, third)}) == 3
    assert [{**task, "taskUUID": ""} for task in (first, second)] == [{**third, "taskUUID": ""}] * 2


async def test_each_request_begins_with_the_messages_of_the_one_before() -> None:
    first = ModelRequest([UserMessage("Hi")], instructions="Be brief.")
    second = ModelRequest(
        first.messages.extended([AssistantMessage("Hello!"), UserMessage("Again")]), instructions="Be brief."
    )
    with Emulator([Reply("Hello!"), Reply("Hello again!")], gateway="runware") as gateway:
        model = tasks(gateway)
        for request in (first, second):
            await model.respond(request)

    earlier, later = (request.raw for request in gateway.requests)
    shorter, longer = (raw.partition(b'"taskUUID":"') for raw in (earlier, later))
    assert longer[0] == shorter[0]
    assert longer[2][36:].startswith(shorter[2][36:].removesuffix(b"]}]"))


@pytest.mark.parametrize(
    "body", [b"<html>oops</html>", b"[1, 2]", b'"text"', b"\xff\xfe", b'{"data": [{"text": 1e999}']
)
async def test_what_is_no_answer_is_malformed_and_says_how_it_begins(body: bytes) -> None:
    with answering(lambda task: http(200, body)) as (url, _), pytest.raises(MalformedResponse, match="answered"):
        await at(url).respond(HI)


async def test_the_key_is_in_no_error_although_the_server_repeats_it() -> None:
    body = {"data": [{"taskType": "textInference", "note": "your key rw-secret-key-1234567890"}]}
    with answering(replies(body)) as (url, _), pytest.raises(MalformedResponse) as caught:
        await at(url, api_key="rw-secret-key-1234567890").respond(HI)

    assert "rw-secret" not in str(caught.value)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_variations_are_so_many_answers_to_one_task(number: int) -> None:
    with Emulator([Reply(f"Name {index}") for index in range(number)], gateway="runware") as gateway:
        answers = await tasks(gateway).variations(HI, number)

    (task,) = sent(gateway)
    assert task["numberResults"] == number
    assert [each.message.text for each in answers if isinstance(each, ModelResponse)] == [
        f"Name {index}" for index in range(number)
    ]
    assert all(each.usage.cost_usd for each in answers if isinstance(each, ModelResponse))


@pytest.mark.parametrize("delivery", ["sync", "async"])
async def test_each_variation_tells_what_was_changed_in_the_request(delivery: Any) -> None:
    """Of the request's own settings and of the model's."""
    settings = ModelSettings(temperature=0.123)
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(seed=7))
    refusal = {"errors": [{"code": "unsupportedParameter", "message": "seed is not supported", "parameter": "seed"}]}

    def two(task: dict[str, Any]) -> bytes:
        return http(200, {"data": [finished(task, text, status="success") for text in ("One", "Two")]})

    with answering(replies(refusal, 400), two) as (url, seen):
        answers = await at(url, settings=settings, delivery=delivery).variations(request, 2)

    assert [(task["numberResults"], task.get("seed")) for task in seen] == [(2, 7), (2, None)]
    assert [(each.message.text, each.warnings) for each in answers if isinstance(each, ModelResponse)] == [
        (
            text,
            (
                "seed was left out: runware/tasks refused it",
                "temperature=0.123 went out as 0.12: runware takes steps of 0.01",
            ),
        )
        for text in ("One", "Two")
    ]


async def test_variations_that_failed_stand_among_the_answers_as_errors() -> None:
    errors = [{"code": "providerError", "message": "broken"}]
    with answering(lambda task: http(200, {"data": [finished(task, "One")], "errors": errors})) as (url, _):
        first, second = await at(url).variations(HI, 2)

    assert isinstance(first, ModelResponse)
    assert first.message.text == "One"
    assert isinstance(second, ServerError)
    assert second.code == "providerError"


async def test_variations_of_which_none_came_are_the_error() -> None:
    with (
        answering(*[replies({"errors": [{"code": "invalidModel", "message": "no"}]}, 400)]) as (url, _),
        pytest.raises(BadRequest, match="no"),
    ):
        await at(url).variations(HI, 3)


@pytest.mark.parametrize("number", [0, 5, -1])
async def test_other_numbers_of_variations_are_refused(number: int) -> None:
    with (
        Emulator([], gateway="runware") as gateway,
        pytest.raises(ConfigurationError, match=f"{number} results were asked for, and runware gives 1 to 4"),
    ):
        await tasks(gateway).variations(HI, number)

    assert gateway.requests == []


async def test_a_model_answers_once_after_it_has_given_variations() -> None:
    with Emulator([Reply("One"), Reply("Two"), Reply("Three")], gateway="runware") as gateway:
        model = tasks(gateway)
        assert len(await model.variations(HI, 2)) == 2
        assert (await model.respond(HI)).message.text == "Three"

    assert [task["numberResults"] for task in sent(gateway)] == [2, 1]


async def test_a_filtered_answer_and_a_cut_one_say_so() -> None:
    cut = Fault("length", skip=1)
    with Emulator([Reply(refusal="No."), Reply("Hello!")], gateway="runware", faults=[cut]) as gateway:
        model = tasks(gateway)
        filtered, short = [await model.respond(HI) for _ in range(2)]

    assert (filtered.finish_reason, filtered.message.text) == ("content_filter", "No.")
    assert (short.finish_reason, short.message.text) == ("length", "Hel")
