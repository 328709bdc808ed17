"""How Runware's tasks are delivered: as a stream, by polling, and to a webhook."""

from __future__ import annotations

import http.server
import json
import queue
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from agentkit.emulator import Call, Emulator, Fault, NoReply, Raw, Reply

MODEL = "openai:gpt@5.4-mini"
TOOL = {"type": "function", "name": "lookup", "schema": {"type": "object"}}
ANOTHER = "00000000-0000-4000-8000-000000000000"


def ok(request: object) -> Reply:
    return Reply("Hello there world", reasoning="thinking")


def numbered(request: Mapping[str, Any]) -> Reply:
    return Reply(f"seed {request['seed']}")


def task(**changes: Any) -> dict[str, Any]:
    least = {
        "taskType": "textInference",
        "taskUUID": str(uuid.uuid4()),
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return {**least, **changes}


def post(client: httpx.Client, gateway: Emulator, *tasks: Any) -> httpx.Response:
    return client.post(gateway.urls["tasks"], json=tasks, headers={"authorization": f"Bearer {gateway.key}"})


def poll(client: httpx.Client, gateway: Emulator, asked: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = post(client, gateway, {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}).json()
    return answer


def polled_until_done(client: httpx.Client, gateway: Emulator, asked: Mapping[str, Any]) -> dict[str, Any]:
    for _ in range(1000):
        answer = poll(client, gateway, asked)
        if all(entry["status"] != "processing" for entry in answer.get("data", [])):
            return answer
    raise AssertionError("the task never finished")


class Hook:
    """A webhook on loopback. `url` is where it is; `next()` waits for a call and gives its body."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, str | None, Any]] = queue.Queue()
        calls = self.calls

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()
                calls.put((self.path, self.headers["content-type"], json.loads(body)))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?run=1"

    def next(self) -> Any:
        return self.calls.get(timeout=5)[2]


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()
    thread.join()


def test_a_stream_is_deltas_and_then_what_ended_it(client: httpx.Client) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    asked = task(deliveryMethod="stream", seed=7)
    with Emulator([Reply("Hello world", reasoning="thinking", usage=usage)], gateway="runware") as gateway:
        answer = post(client, gateway, asked)

    assert answer.headers["content-type"].startswith("text/event-stream")
    heartbeat, *events, done, rest = answer.text.split("\n\n")
    made = {"taskUUID": asked["taskUUID"]}
    assert (heartbeat, done, rest) == (":heartbeat", "data: [DONE]", "")
    assert [json.loads(event.removeprefix("data: ")) for event in events] == [
        {"delta": {"reasoningContent": "thinking"}, **made},
        {"delta": {"text": "Hello "}, **made},
        {"delta": {"text": "world"}, **made},
        {"delta": {}, "finishReason": "stop", "seed": 7, "cost": 1.125e-05, **made},
    ]


def test_the_brain_is_told_of_a_stream_and_its_calls_come_in_the_last_event(client: httpx.Client) -> None:
    seen: list[object] = []

    def brain(request: Mapping[str, Any]) -> Reply:
        seen.append(request["stream"])
        return Reply(calls=(Call("lookup", {"key": "a"}, id="c1"),))

    with Emulator(brain, gateway="runware") as gateway:
        answer = post(client, gateway, task(deliveryMethod="stream", tools=[TOOL], includeUsage=True))

    last = json.loads(answer.text.split("\n\n")[-3].removeprefix("data: "))
    assert seen == [True]
    assert (last["delta"], last["finishReason"]) == ({}, "unknown")
    assert last["tools"] == [{"id": "c1", "name": "lookup", "input": {"key": "a"}}]
    assert last["usage"]["totalTokens"] == last["usage"]["promptTokens"] + last["usage"]["completionTokens"]


STREAM_REFUSED: dict[str, tuple[list[dict[str, Any]], int, str]] = {
    "a field that is wrong": ([task(deliveryMethod="stream", seed=-1)], 400, "invalidSeed"),
    "several results": ([task(deliveryMethod="stream", numberResults=2)], 400, "invalidNumberResults"),
    "two tasks": ([task(deliveryMethod="stream"), task()], 400, "invalidDeliveryMethod"),
    "another kind of task": ([{"taskType": "ping", "deliveryMethod": "stream"}], 400, "invalidTaskType"),
}


@pytest.mark.parametrize(("tasks", "status", "code"), STREAM_REFUSED.values(), ids=STREAM_REFUSED.keys())
def test_what_ends_before_a_stream_begins_is_one_error(
    client: httpx.Client, tasks: list[dict[str, Any]], status: int, code: str
) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        answer = post(client, gateway, *tasks)

    made = {"taskUUID": tasks[0]["taskUUID"]} if "taskUUID" in tasks[0] else {}
    assert (answer.status_code, answer.json()) == (
        status,
        {"error": {"code": code, "message": answer.json()["error"]["message"]}, **made},
    )


def test_faults_of_a_stream_have_the_task_apis_form(client: httpx.Client) -> None:
    faults = ["rate_limit", "error_in_stream", "cut_stream"]
    asked = [task(deliveryMethod="stream") for _ in range(3)]
    with Emulator(ok, gateway="runware", faults=faults) as gateway:
        refused = post(client, gateway, asked[0])
        broken = post(client, gateway, asked[1])
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            post(client, gateway, asked[2])

    assert (refused.status_code, refused.headers["retry-after"], refused.json()["error"]["code"]) == (
        429,
        "1",
        "rateLimitExceeded",
    )
    last = json.loads(broken.text.strip().split("\n\n")[-1].removeprefix("data: "))
    error = last["errors"][0]
    assert (broken.status_code, error["code"], error["taskUUID"]) == (200, "providerError", asked[1]["taskUUID"])


def test_a_stream_whose_brain_fails_or_gives_bytes(client: httpx.Client) -> None:
    def failing(request: object) -> Reply:
        raise NoReply("no idea")

    with Emulator([failing, Raw((b"data: [DONE]\n\n",))], gateway="runware") as gateway:
        failed = post(client, gateway, task(deliveryMethod="stream"))
        raw = post(client, gateway, task(deliveryMethod="stream"))

    assert (failed.status_code, failed.json()["error"]) == (500, {"code": "providerError", "message": "no idea"})
    assert raw.text == "data: [DONE]\n\n"


def test_an_asynchronous_task_is_acknowledged_and_then_polled(client: httpx.Client) -> None:
    asked = task(deliveryMethod="async", seed=7, includeCost=False)
    head = {"taskType": "textInference", "taskUUID": asked["taskUUID"]}
    done = {
        **head,
        "status": "success",
        "text": "seed 7",
        "finishReason": "stop",
        "seed": 7,
    }
    with Emulator(numbered, gateway="runware") as gateway:
        acknowledged = post(client, gateway, asked)
        first = poll(client, gateway, asked)
        last = polled_until_done(client, gateway, asked)
        again = poll(client, gateway, asked)

    assert (acknowledged.status_code, acknowledged.json()) == (200, {"data": [head]})
    assert first == {"data": [{**head, "status": "processing"}]}
    assert (last, again) == ({"data": [done]}, {"data": [done]})


def test_polls_are_told_of_one_result_more_each_time_and_of_the_earlier_ones_again(
    client: httpx.Client, hook: Hook
) -> None:
    asked = task(deliveryMethod="async", numberResults=3, seed=1, webhookURL=hook.url)
    with Emulator(numbered, gateway="runware", polls=2) as gateway:
        post(client, gateway, asked)
        for _ in range(3):
            hook.next()  # then all results are there, and only the polls are counted
        polls = [[entry.get("text") for entry in poll(client, gateway, asked)["data"]] for _ in range(6)]

    one, two, three = "seed 1", "seed 2", "seed 3"
    assert polls == [
        [None] * 3,
        [None] * 3,
        [one, None, None],
        [one, two, None],
        [one, two, three],
        [one, two, three],
    ]


def test_a_result_that_is_not_there_yet_is_processing_however_often_one_asks(client: httpx.Client) -> None:
    release = threading.Event()

    def slow(request: object) -> Reply:
        release.wait(5)
        return Reply("at last")

    asked = task(deliveryMethod="async")
    with Emulator(slow, gateway="runware", polls=0) as gateway:
        post(client, gateway, asked)
        statuses = [poll(client, gateway, asked)["data"][0]["status"] for _ in range(3)]
        release.set()
        last = polled_until_done(client, gateway, asked)

    assert (statuses, last["data"][0]["text"]) == (["processing"] * 3, "at last")


def test_an_asynchronous_task_that_fails_says_so_to_the_poll(client: httpx.Client) -> None:
    def failing(request: object) -> Reply:
        raise NoReply("no idea")

    with Emulator([failing, Raw((b"{}",)), Reply("fine")], gateway="runware", polls=0) as gateway:
        asked = [task(deliveryMethod="async") for _ in range(3)]
        ends = []
        for one in asked:
            post(client, gateway, one)
            ends.append(polled_until_done(client, gateway, one))

    failed, raw, fine = ends
    error = failed["errors"][0]
    assert (error["code"], error["message"], error["taskUUID"], error["status"]) == (
        "providerError",
        "no idea",
        asked[0]["taskUUID"],
        "error",
    )
    assert raw["errors"][0]["message"] == "A brain's raw answer cannot be the result of an asynchronous task."
    assert fine["data"][0]["text"] == "fine"


def test_a_poll_for_what_there_is_not_is_refused(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        sync = task()
        post(client, gateway, sync)
        answers = [
            post(client, gateway, {"taskType": "getResponse", **fields})
            for fields in (
                {"taskUUID": str(uuid.uuid4())},
                {"taskUUID": sync["taskUUID"]},
                {},
                {"taskUUID": sync["taskUUID"], "model": MODEL},
            )
        ]

    assert [(answer.status_code, answer.json()["errors"][0]["code"]) for answer in answers] == [
        (400, "taskNotFound"),
        (400, "taskNotFound"),
        (400, "missingTaskUUID"),
        (400, "unsupportedParameter"),
    ]


def test_a_fault_can_be_for_a_poll_and_leaves_the_task_alone(client: httpx.Client) -> None:
    faults: list[str | Fault] = [
        Fault("server_error", match="getResponse"),
        Fault("disconnect", match="getResponse"),
        "invalid_json",
    ]
    asked = task(deliveryMethod="async")
    with Emulator([Reply('{"a": 1}')], gateway="runware", faults=faults, polls=0) as gateway:
        acknowledged = post(client, gateway, asked)
        failed = post(client, gateway, {"taskType": "getResponse", "taskUUID": asked["taskUUID"]})
        with pytest.raises(httpx.RemoteProtocolError):
            poll(client, gateway, asked)
        last = polled_until_done(client, gateway, asked)

    assert (acknowledged.status_code, failed.status_code) == (200, 500)
    assert last["data"][0]["text"] == '{"a" = 1}'


def test_a_fault_of_the_models_answer_is_not_used_up_by_a_poll(client: httpx.Client) -> None:
    with Emulator([Reply('{"a": 1}'), Reply('{"a": 2}')], gateway="runware", polls=0) as gateway:
        first, second = task(deliveryMethod="async"), task()
        post(client, gateway, first)
        gateway.inject("invalid_json")
        ended = polled_until_done(client, gateway, first)
        spoiled = post(client, gateway, second).json()

    assert (ended["data"][0]["text"], spoiled["data"][0]["text"]) == ('{"a": 1}', '{"a" = 2}')


def test_an_asynchronous_task_that_is_refused_is_not_begun(client: httpx.Client) -> None:
    asked = task(deliveryMethod="async")
    with Emulator([Reply("one")], gateway="runware", faults=["overloaded"]) as gateway:
        refused = post(client, gateway, asked)
        unknown = poll(client, gateway, asked)
        post(client, gateway, asked)
        last = polled_until_done(client, gateway, asked)

    assert (refused.status_code, unknown["errors"][0]["code"]) == (503, "taskNotFound")
    assert last["data"][0]["text"] == "one"


def test_each_finished_result_is_one_call_to_the_webhook(client: httpx.Client, hook: Hook) -> None:
    with Emulator(numbered, gateway="runware") as gateway:
        asked = task(deliveryMethod="async", numberResults=2, seed=4, webhookURL=hook.url, includeCost=False)
        post(client, gateway, asked)
        path, content_type, first = hook.calls.get(timeout=5)
        second = hook.next()

    result = {"taskType": "textInference", "taskUUID": asked["taskUUID"], "finishReason": "stop"}
    assert (path, content_type) == ("/hook?run=1", "application/json")
    assert [first, second] == [{"data": [{**result, "text": f"seed {n}", "seed": n}]} for n in (4, 5)]
    assert hook.calls.empty()


def test_a_webhook_is_called_whatever_the_delivery_and_whatever_came_of_it(client: httpx.Client, hook: Hook) -> None:
    def failing(request: object) -> Reply:
        raise NoReply("no idea")

    with Emulator([Reply("sync"), Reply("stream"), failing], gateway="runware") as gateway:
        post(client, gateway, task(webhookURL=hook.url))
        post(client, gateway, task(webhookURL=hook.url, deliveryMethod="stream"))
        post(client, gateway, task(webhookURL=hook.url, deliveryMethod="async"))
        calls = [hook.next() for _ in range(3)]

    assert [call["data"][0]["text"] for call in calls[:2]] == ["sync", "stream"]
    assert [(error["code"], error["message"]) for error in calls[2]["errors"]] == [("providerError", "no idea")]


def test_a_webhook_that_nobody_answers_changes_nothing(client: httpx.Client, hook: Hook) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        dead = task(webhookURL="http://127.0.0.1:9/hook")
        assert post(client, gateway, dead).status_code == 200
        assert post(client, gateway, task(webhookURL=hook.url)).status_code == 200
        assert hook.next()["data"][0]["text"] == "Hello there world"


FAULTS: dict[str, tuple[str, list[str]]] = {
    "none": ("", ["own", "next"]),
    "lost": ("webhook_lost", ["next"]),
    "twice": ("webhook_twice", ["own", "own", "next"]),
    "unknown": ("webhook_unknown", ["another", "own", "next"]),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_calls_to_a_webhook_can_go_wrong(client: httpx.Client, hook: Hook, fault: str, expected: list[str]) -> None:
    own, following = task(webhookURL=hook.url), task(webhookURL=hook.url)
    with Emulator(ok, gateway="runware", faults=[fault] if fault else []) as gateway:
        answers = [post(client, gateway, one) for one in (own, following)]
        calls = [hook.next()["data"][0]["taskUUID"] for _ in expected]

    names = {own["taskUUID"]: "own", following["taskUUID"]: "next", ANOTHER: "another"}
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [names[made] for made in calls] == expected
    assert hook.calls.empty()


def test_a_fault_of_a_webhook_hits_no_answer(client: httpx.Client) -> None:
    with Emulator(ok, gateway="toapis", faults=["webhook_lost", "server_error"]) as gateway:
        body = {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {gateway.key}"}
        statuses = [client.post(gateway.urls["chat"], json=body, headers=headers).status_code for _ in range(2)]

    assert statuses == [500, 200]


def test_stopping_ends_what_is_still_being_made(client: httpx.Client) -> None:
    before = set(threading.enumerate())

    def slow(request: object) -> Reply:
        threading.Event().wait(0.2)
        return Reply("too late")

    with Emulator(slow, gateway="runware") as gateway:
        assert post(client, gateway, task(deliveryMethod="async")).status_code == 200
    assert set(threading.enumerate()) <= before
