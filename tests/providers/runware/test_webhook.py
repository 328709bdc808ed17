"""Tasks whose results are delivered to a webhook, and the small receiver of those calls."""

import gc
import json
import time
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.errors import BadRequest, ConfigurationError, GatewayTimeout
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelResponse
from agentkit.providers.runware import Polling, WebhookReceiver

from .tasks import (
    HI,
    Answer,
    acknowledged,
    answering,
    at,
    failed,
    finished,
    hangs_up,
    http,
    sent,
    succeeded,
    tasks,
    working,
)

pytestmark = pytest.mark.anyio
NEVER = Polling(first=3600, second=3600, longest=3600, budget=3600)
TASK = {"taskUUID": "a770f077-f413-47de-9dac-be0b26a35da6"}
OTHER = {"taskUUID": "00000000-0000-4000-8000-000000000000"}


async def call(receiver: WebhookReceiver, body: Any, *, url: str | None = None, method: str = "POST") -> int:
    """Call the webhook as a gateway would; the status of its answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return (await client.request(method, url or receiver.url, content=content)).status_code


async def test_a_result_is_delivered_and_not_asked_for() -> None:
    with anyio.fail_after(5), Emulator([Reply("Hello!", reasoning="Greet.")], gateway="runware") as gateway:
        async with WebhookReceiver(patience=3600) as receiver:
            response = await tasks(gateway, delivery=receiver, polling=NEVER).respond(HI)

    (task,) = sent(gateway)
    assert (task["deliveryMethod"], task["webhookURL"]) == ("async", receiver_url_of(task))
    assert (response.message.text, response.message.reasoning, response.id) == ("Hello!", "Greet.", task["taskUUID"])
    assert response.usage.cost_usd is not None


def receiver_url_of(task: dict[str, Any]) -> str:
    """The task's URL, when it leads to this machine and cannot be guessed."""
    url: str = task["webhookURL"]
    assert url.startswith("http://127.0.0.1:")
    assert len(url.rpartition("/")[2]) >= 20
    return url


async def test_each_of_several_results_has_a_call_of_its_own() -> None:
    replies = [Reply("One"), Reply("Two"), Reply("Three"), Reply("Four")]
    with anyio.fail_after(5), Emulator(replies, gateway="runware") as gateway:
        async with WebhookReceiver(patience=3600) as receiver:
            answers = await tasks(gateway, delivery=receiver, polling=NEVER).variations(HI, 4)

    assert [each.message.text for each in answers if isinstance(each, ModelResponse)] == ["One", "Two", "Three", "Four"]
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("fault", ["webhook_twice", "webhook_unknown"])
async def test_repeats_and_results_of_unknown_tasks_are_dropped(fault: str) -> None:
    with anyio.fail_after(5), Emulator([Reply("One"), Reply("Two")], gateway="runware", faults=[fault]) as gateway:
        async with WebhookReceiver(patience=3600) as receiver:
            answers = await tasks(gateway, delivery=receiver, polling=NEVER).variations(HI, 2)

    assert [each.message.text for each in answers if isinstance(each, ModelResponse)] == ["One", "Two"]


async def test_a_call_that_was_lost_is_made_up_for_by_polling() -> None:
    with Emulator([Reply("Hello!")], gateway="runware", faults=["webhook_lost"]) as gateway:
        async with WebhookReceiver(patience=0) as receiver:
            response = await tasks(gateway, delivery=receiver).respond(HI)

    first, *polls = sent(gateway)
    assert response.message.text == "Hello!"
    assert polls
    assert {(poll["taskType"], poll["taskUUID"]) for poll in polls} == {("getResponse", first["taskUUID"])}


async def test_what_came_by_call_and_what_came_by_poll_are_the_same_results() -> None:
    with Emulator([Reply("One"), Reply("Two")], gateway="runware", faults=["webhook_lost"]) as gateway:
        async with WebhookReceiver(patience=0.2) as receiver:
            answers = await tasks(gateway, delivery=receiver).variations(HI, 2)

    texts = [each.message.text for each in answers if isinstance(each, ModelResponse)]
    assert sorted(map(str, texts)) == ["One", "Two"]


async def test_a_lost_call_is_asked_for_before_the_deadline_is_over() -> None:
    request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 2)
    with Emulator([Reply("Hello!")], gateway="runware", faults=["webhook_lost"]) as gateway:
        async with WebhookReceiver(patience=3600) as receiver:
            response = await tasks(gateway, delivery=receiver).respond(request)

    assert response.message.text == "Hello!"


async def test_a_task_whose_acknowledgement_was_lost_is_asked_for_without_waiting_for_a_call() -> None:
    with anyio.fail_after(5), answering(hangs_up, succeeded) as (url, seen):
        async with WebhookReceiver(patience=3600) as receiver:
            response = await at(url, delivery=receiver, polling=Polling(first=0, budget=3600)).respond(HI)

    assert response.message.text == "Hello!"
    assert len({task["taskUUID"] for task in seen}) == 1


async def test_a_task_that_fails_in_the_background_is_the_error_that_is_delivered() -> None:
    async with WebhookReceiver(patience=3600) as receiver:

        async def fails(task: dict[str, Any]) -> None:
            assert await call(receiver, {"errors": [failed(task)]}) == 200

        with answering(_after(fails)) as (url, _), anyio.fail_after(5), pytest.raises(BadRequest, match="invalidModel"):
            await at(url, delivery=receiver, polling=NEVER).respond(HI)


def _after(deliver: Any) -> Answer:
    """Acknowledges a task, having had `deliver` called with it; the server has a thread and so a loop of its own."""

    def answer(task: dict[str, Any]) -> bytes:
        anyio.run(deliver, task)
        return acknowledged(task)

    return answer


async def test_a_result_that_is_faster_than_its_acknowledgement_is_not_lost() -> None:
    async with WebhookReceiver(patience=3600) as receiver:

        async def early(task: dict[str, Any]) -> None:
            assert await call(receiver, {"data": [finished(task)]}) == 200

        with answering(_after(early)) as (url, seen), anyio.fail_after(5):
            response = await at(url, delivery=receiver, polling=NEVER).respond(HI)

    assert response.message.text == "Hello!"
    assert len(seen) == 1


async def test_a_result_that_is_delivered_while_a_poll_fails_is_the_answer() -> None:
    async with WebhookReceiver(patience=0) as receiver:

        async def late(task: dict[str, Any]) -> None:
            assert await call(receiver, {"data": [finished(task)]}) == 200

        def refused_after_delivery(task: dict[str, Any]) -> bytes:
            anyio.run(late, task)
            return http(401, {"errors": [{"code": "invalidApiKey", "message": "no"}]})

        with answering(acknowledged, refused_after_delivery) as (url, _), anyio.fail_after(5):
            response = await at(url, delivery=receiver).respond(HI)

    assert response.message.text == "Hello!"


async def test_a_receiver_that_is_closed_in_mid_flight_leaves_the_task_to_polling() -> None:
    receiver = WebhookReceiver(patience=0.3)
    answers: list[ModelResponse] = []

    async def ask() -> None:
        answers.append(await at(url, delivery=receiver).respond(HI))

    with anyio.fail_after(5), answering(acknowledged, succeeded) as (url, seen):
        async with anyio.create_task_group() as group, receiver:
            group.start_soon(ask)
            while not seen:
                await anyio.lowlevel.checkpoint()

    assert [answer.message.text for answer in answers] == ["Hello!"]
    assert [task["taskType"] for task in seen] == ["textInference", "getResponse"]


async def test_a_receiver_forgets_a_task_however_it_ends() -> None:
    short = Polling(first=0, second=3600, budget=0.3)
    async with WebhookReceiver(patience=0) as receiver:
        with answering(acknowledged, succeeded, acknowledged, _fails, acknowledged, working) as (url, _):
            await at(url, delivery=receiver).respond(HI)
            with pytest.raises(BadRequest):
                await at(url, delivery=receiver).respond(HI)
            with pytest.raises(GatewayTimeout):
                await at(url, delivery=receiver, polling=short).respond(HI)
        with answering(acknowledged) as (url, _), anyio.move_on_after(0.5):
            receiver.patience = 3600
            await at(url, delivery=receiver, polling=NEVER).respond(HI)

        assert receiver._parcels == {}


def _fails(task: dict[str, Any]) -> bytes:
    return http(200, {"errors": [failed(task)]})


async def test_a_model_without_an_open_receiver_sends_nothing() -> None:
    receiver = WebhookReceiver()
    with answering(acknowledged) as (url, seen):
        model = at(url, delivery=receiver)
        with pytest.raises(ConfigurationError, match="the receiver does not listen: open it with"):
            await model.respond(HI)
        async with receiver:
            pass
        with pytest.raises(ConfigurationError, match="does not listen"):
            await model.respond(HI)

    assert seen == []


async def test_a_receiver_that_was_opened_again_is_told_to_the_gateway_as_it_is_now() -> None:
    with Emulator([Reply("One"), Reply("Two")], gateway="runware") as gateway, anyio.fail_after(5):
        receiver = WebhookReceiver(patience=3600)
        model = tasks(gateway, delivery=receiver, polling=NEVER)
        for text in ("One", "Two"):
            async with receiver:
                assert (await model.respond(HI)).message.text == text


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"data": [finished(TASK)]}, 1),
        ({"data": finished(TASK)}, 1),
        (finished(TASK), 1),
        ([finished(TASK)], 1),
        ({"data": [{**finished(TASK), "taskUUID": TASK["taskUUID"].upper()}]}, 1),
        ({"errors": [failed(TASK)]}, 1),
        ({"data": [finished(OTHER)]}, 0),
        ({"data": [{"text": "of nobody"}]}, 0),
        ({"errors": [failed(OTHER), "text", None, 5]}, 0),
        ({"data": [{**TASK, "status": "processing"}]}, 0),
        ({"data": [{**TASK, "taskUUID": ["a"]}]}, 0),
        ({"data": "text", "errors": "text"}, 0),
        ({}, 0),
        ([], 0),
        ("text", 0),
        (5, 0),
        (b"", 0),
        (b"\xff\xfe{", 0),
        (b'{"data": [' + b"[" * 5000, 0),
        (b"<html>", 0),
    ],
)
async def test_a_call_is_answered_and_taken_only_when_it_is_about_a_task(body: Any, taken: int) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with WebhookReceiver() as receiver:
        parcel = receiver.expect(TASK["taskUUID"], 1)
        assert await call(receiver, content) == 200
        arrived = len(parcel.items) + len(parcel.errors)
        assert parcel.complete.is_set() is bool(taken)
        assert receiver.deliver(content) == 0  # a repeat, or nothing

    assert arrived == taken


async def test_other_paths_and_methods_are_answered_and_not_taken() -> None:
    body = {"data": [finished(TASK)]}
    async with WebhookReceiver() as receiver:
        parcel = receiver.expect(TASK["taskUUID"], 1)
        root, _, token = receiver.url.rpartition("/")
        statuses = [
            await call(receiver, body, url=f"{root}/"),
            await call(receiver, body, url=f"{root}/{token[:-1]}"),
            await call(receiver, body, url=f"{root}/wrong?{token}"),
            await call(receiver, b"", method="GET"),
            await call(receiver, body, method="PUT"),
        ]
        assert parcel.items == []
        assert await call(receiver, body, url=f"{receiver.url}?a=b") == 200

    assert statuses == [404, 404, 404, 405, 405]


@pytest.mark.parametrize(
    "sent_bytes",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST http://[/x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        b"POST /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"x" * 200_000,
        b"",
    ],
)
async def test_whatever_is_sent_to_the_port_the_next_call_is_taken(sent_bytes: bytes) -> None:
    with anyio.fail_after(5):
        async with WebhookReceiver() as receiver:
            host, port = receiver.url.split("/")[2].split(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                try:
                    await stream.send(sent_bytes or b"\r\n")
                    await stream.send_eof()
                    while await stream.receive():
                        pass
                except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):  # it has hung up
                    pass
            parcel = receiver.expect(TASK["taskUUID"], 1)
            assert await call(receiver, {"data": [finished(TASK)]}) == 200
            assert parcel.complete.is_set()


async def test_a_call_that_is_too_long_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentkit.providers.runware.webhook._MAX_CALL", 1000)
    with anyio.fail_after(5):
        async with WebhookReceiver() as receiver:
            parcel = receiver.expect(TASK["taskUUID"], 1)
            host, port = receiver.url.split("/")[2].split(":")
            path = receiver.url.rpartition("/")[2]
            async with await anyio.connect_tcp(host, int(port)) as stream:
                head = f"POST /{path} HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\n"
                await stream.send(head.encode() + b" " * 1001)
                assert (await stream.receive()).startswith(b"HTTP/1.1 413 ")
            assert parcel.items == []


async def test_a_call_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentkit.providers.runware.webhook._PATIENCE", 0.05)
    with anyio.fail_after(5):
        async with WebhookReceiver() as receiver:
            host, port = receiver.url.split("/")[2].split(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345")
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()


async def test_an_error_of_the_block_leaves_it_as_itself_and_the_socket_is_closed() -> None:
    urls: list[str] = []

    async def breaks() -> None:
        async with WebhookReceiver() as receiver:
            urls.append(receiver.url)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await breaks()
    with pytest.raises(httpx.ConnectError):
        await call(WebhookReceiver(), b"", url=urls[0])
    gc.collect()  # an open socket would be a ResourceWarning, which is an error here


async def test_a_public_url_is_told_to_the_gateway_and_its_calls_can_be_given_by_hand() -> None:
    receiver = WebhookReceiver(public_url="https://me.example/hook/", patience=3600)

    def delivers(task: dict[str, Any]) -> bytes:
        bodies.append(json.dumps({"data": [finished(task)]}).encode())
        return acknowledged(task)

    bodies: list[bytes] = []
    answers: list[ModelResponse] = []
    with answering(delivers) as (url, seen), anyio.fail_after(5):

        async def ask() -> None:
            answers.append(await at(url, delivery=receiver, polling=NEVER).respond(HI))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not bodies:
                await anyio.lowlevel.checkpoint()
            assert receiver.deliver(bodies[0]) == 1

    assert seen[0]["webhookURL"] == receiver.url
    assert receiver.url.startswith("https://me.example/hook/")
    assert [answer.message.text for answer in answers] == ["Hello!"]


@pytest.mark.parametrize("url", ["me.example/hook", "ftp://me.example", "https://me.example/?a=b", "https://[", ""])
async def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="public_url="):
        WebhookReceiver(public_url=url)


async def test_a_port_that_is_taken_is_a_configuration_error_and_so_is_opening_twice() -> None:
    async with WebhookReceiver() as receiver:
        port = int(receiver.url.split("/")[2].split(":")[1])
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1, port {port}"):
            async with WebhookReceiver(port=port):
                pass
        with pytest.raises(ConfigurationError, match="open already"):
            async with receiver:
                pass


async def test_a_cancelled_block_ends_the_receiver_without_a_word() -> None:
    with anyio.fail_after(5):
        with anyio.move_on_after(0.05) as scope:
            async with WebhookReceiver() as receiver:
                host, port = receiver.url.split("/")[2].split(":")
                async with await anyio.connect_tcp(host, int(port)):  # a call that is under way
                    await anyio.sleep_forever()

    assert scope.cancelled_caught
