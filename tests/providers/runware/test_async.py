"""Tasks whose results are polled for: acknowledgement, `getResponse`, and what is lost on the way."""

import time
from typing import Any

import anyio
import pytest

from agentkit import RetryPolicy
from agentkit.emulator import Emulator, Fault, Reply
from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ConnectionFailed,
    GatewayError,
    GatewayTimeout,
    MalformedResponse,
    RateLimited,
    ServerError,
)
from agentkit.messages import UserMessage
from agentkit.models import AttemptDiscarded, ModelRequest, ModelResponse
from agentkit.providers.runware import Polling

from .tasks import (
    AT_ONCE,
    HI,
    Cut,
    acknowledged,
    answering,
    at,
    failed,
    finished,
    hangs_up,
    http,
    not_found,
    replies,
    sent,
    succeeded,
    tasks,
    working,
)

pytestmark = pytest.mark.anyio


def asked_of(seen: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """What was asked, each with the number of its task, counted from 1 in order of first appearance."""
    order = [*dict.fromkeys(task["taskUUID"] for task in seen)]
    return [(task["taskType"], order.index(task["taskUUID"]) + 1) for task in seen]


ASK, POLL = "textInference", "getResponse"


async def test_a_task_is_sent_once_and_asked_for_until_it_has_succeeded() -> None:
    with Emulator([Reply("Hello!", reasoning="Greet.")], gateway="runware", polls=2) as gateway:
        response = await tasks(gateway, delivery="async").respond(HI)

    first, *polls = sent(gateway)
    assert (first["taskType"], first["deliveryMethod"]) == (ASK, "async")
    assert "webhookURL" not in first
    assert len(polls) >= 3
    assert polls == [{"taskType": POLL, "taskUUID": first["taskUUID"]}] * len(polls)
    assert (response.message.text, response.message.reasoning, response.finish_reason) == ("Hello!", "Greet.", "stop")
    assert (response.id, response.usage.cost_usd) == (first["taskUUID"], response.raw["data"][0]["cost"])


async def test_an_answer_that_comes_with_the_acknowledgement_is_not_asked_for() -> None:
    with answering(succeeded) as (url, seen):
        response = await at(url, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(seen) == [(ASK, 1)]


async def test_the_waits_between_polls_are_those_of_the_vendors_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def move_on_after(delay: float, **options: Any) -> anyio.CancelScope:
        waits.append(delay)
        return original(delay if delay > 100 else 0, **options)

    original = anyio.move_on_after
    monkeypatch.setattr("agentkit.providers.runware.delivery.anyio.move_on_after", move_on_after)
    with answering(acknowledged, *[working] * 10, succeeded) as (url, _):
        await at(url, delivery="async", polling=Polling()).respond(HI)

    budget, *between = waits
    assert budget == 1200
    growing = [0.5 * 1.5**step for step in range(8)]
    assert between == [1.0, *growing, 10.0, 10.0]


@pytest.mark.parametrize("lost", [hangs_up, replies({}, 504), lambda task: Cut(acknowledged(task)[:-9])])
async def test_a_task_whose_acknowledgement_was_lost_is_asked_for_by_its_uuid_and_not_sent_again(lost: Any) -> None:
    with answering(lost, working, succeeded) as (url, seen):
        response = await at(url, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (POLL, 1)]


async def test_a_poll_for_a_lost_task_that_fails_is_repeated_before_anything_is_sent_again() -> None:
    with answering(hangs_up, replies({}, 503), hangs_up, succeeded) as (url, seen):
        response = await at(url, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (POLL, 1), (POLL, 1)]


@pytest.mark.parametrize("unknown", [not_found, replies({"data": []})])
async def test_a_task_that_the_server_never_got_is_sent_anew_with_a_new_uuid(unknown: Any) -> None:
    with answering(hangs_up, unknown, acknowledged, succeeded) as (url, seen):
        model = at(url, delivery="async")
        events = [event async for event in model.events(HI, stream=False)]

    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (ASK, 2), (POLL, 2)]
    (discarded,) = [event for event in events if isinstance(event, AttemptDiscarded)]
    assert isinstance(discarded.error, ConnectionFailed)


async def test_a_task_that_the_transport_sent_twice_is_asked_for_when_the_server_calls_it_a_duplicate() -> None:
    with answering(
        acknowledged,
        succeeded,
        hangs_up,
        lambda task: http(400, {"errors": [failed(task, "duplicateTaskUUID", parameter="taskUUID")]}),
        succeeded,
    ) as (url, seen):
        model = at(url, delivery="async")
        await model.respond(HI)
        response = await model.respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (ASK, 2), (ASK, 2), (POLL, 2)]


async def test_a_task_that_is_refused_at_once_is_not_asked_for() -> None:
    with answering(lambda task: http(400, {"errors": [failed(task)]})) as (url, seen), pytest.raises(BadRequest):
        await at(url, delivery="async").respond(HI)

    assert asked_of(seen) == [(ASK, 1)]


async def test_nothing_is_sent_or_asked_for_after_the_deadline() -> None:
    late = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() - 1)
    with answering() as (url, seen), pytest.raises(GatewayTimeout, match="the deadline passed before") as caught:
        await at(url, delivery="async").respond(late)

    assert seen == []
    assert caught.value.billed is False


async def test_a_retry_after_a_refusal_has_a_new_uuid() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", faults=["server_error"]) as gateway:
        await tasks(gateway, delivery="async").respond(HI)

    refused, accepted, *polls = asked_of(sent(gateway))
    assert [refused, accepted] == [(ASK, 1), (ASK, 2)]
    assert set(polls) == {(POLL, 2)}


async def test_a_task_that_fails_in_the_background_is_retried_with_a_new_uuid() -> None:
    def broken(task: dict[str, Any]) -> bytes:
        return http(200, {"errors": [failed(task, "providerTimeout", status="error")]})

    with answering(acknowledged, working, broken, acknowledged, succeeded) as (url, seen):
        response = await at(url, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (POLL, 1), (ASK, 2), (POLL, 2)]


@pytest.mark.parametrize(
    "body",
    [
        lambda task: {"errors": [failed(task)]},
        lambda task: {"data": [failed(task, status="error")]},
        lambda task: {"data": [], "errors": [{**failed(task), "taskUUID": task["taskUUID"].upper()}]},
    ],
)
async def test_a_task_that_fails_for_good_is_not_asked_for_any_more(body: Any) -> None:
    with (
        answering(acknowledged, lambda task: http(200, body(task))) as (url, seen),
        pytest.raises(BadRequest, match="It went wrong: invalidModel"),
    ):
        await at(url, delivery="async").respond(HI)

    assert asked_of(seen) == [(ASK, 1), (POLL, 1)]


async def test_what_a_poll_says_of_other_tasks_is_not_taken() -> None:
    def of_another(task: dict[str, Any]) -> bytes:
        other = {"taskUUID": "00000000-0000-4000-8000-000000000000"}
        mine = {"taskType": ASK, "taskUUID": task["taskUUID"], "status": "processing"}
        return http(200, {"data": [finished(other, "Theirs"), mine], "errors": [failed(other)]})

    with answering(acknowledged, of_another, succeeded) as (url, _):
        response = await at(url, delivery="async").respond(HI)

    assert (response.message.text, response.warnings) == ("Hello!", ())


async def test_a_poll_that_failed_is_repeated_and_the_task_is_not() -> None:
    faults = [Fault("server_error", match=POLL), Fault("rate_limit_bare", match=POLL), Fault("disconnect", match=POLL)]
    with Emulator([Reply("Hello!")], gateway="runware", faults=faults, polls=0) as gateway:
        response = await tasks(gateway, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert asked_of(sent(gateway)).count((ASK, 1)) == 1


async def test_polls_that_fail_now_and_then_do_not_add_up() -> None:
    once = [replies({}, 503), working]
    with answering(acknowledged, *once * 5, succeeded) as (url, seen):
        response = await at(url, delivery="async").respond(HI)

    assert response.message.text == "Hello!"
    assert len(seen) == 12


async def test_polls_that_keep_failing_end_the_wait_and_do_not_start_the_task_again() -> None:
    with (
        answering(acknowledged, *[replies({"errors": [{"code": "rateLimitExceeded"}]}, 429)] * 9) as (url, seen),
        pytest.raises(RateLimited, match=r"Task [0-9a-f-]{36} may still finish\.") as caught,
    ):
        await at(url, delivery="async").respond(HI)

    assert asked_of(seen) == [(ASK, 1)] + [(POLL, 1)] * 4
    assert caught.value.retryable is False


async def test_a_poll_that_is_refused_for_good_is_sent_once() -> None:
    refusal = replies({"errors": [{"code": "invalidApiKey", "message": "no", "taskType": POLL}]}, 401)
    with answering(acknowledged, refusal) as (url, seen), pytest.raises(AuthenticationError):
        await at(url, delivery="async").respond(HI)

    assert asked_of(seen) == [(ASK, 1), (POLL, 1)]


async def test_an_error_of_the_poll_inside_a_200_is_the_polls() -> None:
    def limited(task: dict[str, Any]) -> bytes:
        return http(200, {"errors": [{**failed(task, "rateLimitExceeded"), "taskType": POLL}]})

    with answering(acknowledged, limited, replies({"errors": [{"code": "rateLimitExceeded"}]}), succeeded) as (
        url,
        seen,
    ):
        await at(url, delivery="async").respond(HI)

    assert asked_of(seen) == [(ASK, 1), (POLL, 1), (POLL, 1), (POLL, 1)]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 5}'])
async def test_a_poll_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with answering(acknowledged, lambda task: http(200, body)) as (url, _), pytest.raises(MalformedResponse):
        await at(url, delivery="async").respond(HI)


async def test_a_task_that_outlives_its_budget_is_a_timeout_and_is_not_sent_again() -> None:
    budget = Polling(first=0, second=3600, budget=0.3)
    with (
        Emulator([Reply("Hello!")], gateway="runware", polls=10**9) as gateway,
        pytest.raises(GatewayTimeout, match=r"task [0-9a-f-]{36} did not finish within 0\.3 s") as caught,
    ):
        await tasks(gateway, delivery="async", polling=budget).respond(HI)

    assert asked_of(sent(gateway)).count((ASK, 1)) == 1
    assert (caught.value.retryable, caught.value.billed) == (False, None)


async def test_a_task_that_outlives_the_deadline_is_a_timeout() -> None:
    request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 0.3)
    with (
        Emulator([Reply("Hello!")], gateway="runware", polls=10**9) as gateway,
        anyio.fail_after(5),
        pytest.raises(GatewayTimeout),
    ):
        await tasks(gateway, delivery="async", polling=Polling(first=60)).respond(request)


async def test_a_poll_that_trickles_in_ends_with_the_budget() -> None:
    with (
        Emulator([Reply("Hello!")], gateway="runware", faults=[Fault("hang", match=POLL)]) as gateway,
        anyio.fail_after(5),
        pytest.raises(GatewayTimeout, match="did not finish"),
    ):
        await tasks(gateway, delivery="async", polling=Polling(first=0, budget=0.3)).respond(HI)


async def test_a_wait_that_is_cancelled_ends_at_once() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", polls=10**9) as gateway:
        model = tasks(gateway, delivery="async", polling=Polling(first=60))
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(model.respond, HI)
                while not gateway.requests:
                    await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()

    assert model._line.active == 0


async def test_results_come_one_by_one_and_each_counts_once() -> None:
    with Emulator([Reply(text) for text in ("One", "Two", "Three")], gateway="runware") as gateway:
        answers = await tasks(gateway, delivery="async").variations(HI, 3)

    assert [each.message.text for each in answers if isinstance(each, ModelResponse)] == ["One", "Two", "Three"]


async def test_two_results_that_are_the_same_word_for_word_are_two() -> None:
    def grows(*texts: str) -> Any:
        return lambda task: http(200, {"data": [finished(task, text, status="success") for text in texts]})

    with answering(acknowledged, grows("Yes"), grows("Yes"), grows("Yes", "Yes"), grows("No", "Yes", "Yes")) as (
        url,
        seen,
    ):
        answers = await at(url, delivery="async").variations(HI, 3)

    assert [each.message.text for each in answers if isinstance(each, ModelResponse)] == ["Yes", "Yes", "No"]
    assert len(seen) == 5


async def test_results_that_fail_stand_beside_those_that_came() -> None:
    def partly(task: dict[str, Any]) -> bytes:
        broken = failed(task, "providerError", status="error")
        return http(200, {"data": [finished(task, "One", status="success")], "errors": [broken]})

    with answering(acknowledged, partly) as (url, _):
        first, second = await at(url, delivery="async").variations(HI, 2)

    assert isinstance(first, ModelResponse)
    assert first.message.text == "One"
    assert isinstance(second, ServerError)


async def test_one_error_may_stand_for_all_results() -> None:
    with (
        answering(acknowledged, lambda task: http(200, {"errors": [failed(task, status="error")]})) as (url, seen),
        pytest.raises(BadRequest),
    ):
        await at(url, delivery="async").variations(HI, 4)

    assert len(seen) == 2


async def test_results_that_did_not_come_in_time_are_errors_beside_those_that_did() -> None:
    def one(task: dict[str, Any]) -> bytes:
        waiting = {"taskType": ASK, "taskUUID": task["taskUUID"], "status": "processing"}
        return http(200, {"data": [finished(task, "One", status="success"), waiting]})

    budget = Polling(first=0, second=3600, budget=0.3)
    with answering(acknowledged, *[one] * 999) as (url, _):
        first, second = await at(url, delivery="async", polling=budget).variations(HI, 2)

    assert isinstance(first, ModelResponse)
    assert first.message.text == "One"
    assert isinstance(second, GatewayTimeout)
    assert "1 of 2 results did not come within 0.3 s" in str(second)


async def test_without_retries_a_failed_poll_is_the_end() -> None:
    with answering(acknowledged, replies({}, 503)) as (url, seen), pytest.raises(GatewayError):
        await at(url, delivery="async", retry=RetryPolicy(retries=0)).respond(HI)

    assert len(seen) == 2


async def test_a_server_that_cannot_be_reached_is_a_failed_connection() -> None:
    with answering() as (url, _):
        pass
    with anyio.fail_after(5), pytest.raises(ConnectionFailed):
        await at(url, delivery="async", retry=AT_ONCE).respond(HI)
