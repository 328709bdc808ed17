"""The server's life: starting, stopping, connections, clients that leave, brains that fail."""

from __future__ import annotations

import gc
import json
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest

from agentkit.emulator import Emulator, RecordedRequest, Reply, Script
from agentkit.emulator.connection import Connection
from agentkit.emulator.dialects import dialect
from agentkit.emulator.faults import Faults
from agentkit.emulator.gateway import Gateway
from agentkit.errors import ConfigurationError
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest

from .conftest import Ask


def ok(request: object) -> Reply:
    return Reply("ok")


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def connect(gateway: Emulator) -> socket.socket:
    port = httpx.URL(gateway.url).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def chat(gateway: Emulator, text: str) -> bytes:
    """A chat request as it goes over the wire."""
    body = json.dumps({"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": text}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def received(connection: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


@pytest.mark.usefixtures("no_threads_left")
def test_start_and_stop_leave_nothing_behind(ask: Ask) -> None:
    gateway = Emulator(ok)
    for _ in range(2):
        with gateway:
            assert ask(gateway).status_code == 200
    gc.collect()  # a socket left open would warn here, and warnings are errors


def test_stopping_closes_what_is_idle_and_what_waits_for_the_brain() -> None:
    thinking, release = threading.Event(), threading.Event()

    def brain(request: Any) -> Reply:
        thinking.set()
        release.wait(5)
        return Reply("too late")

    with Emulator(brain) as gateway:
        idle, hanging = connect(gateway), connect(gateway)
        hanging.sendall(chat(gateway, "Hi"))
        assert thinking.wait(5)

    release.set()
    with idle, hanging:
        assert (received(idle), received(hanging)) == (b"", b"")


def test_starting_and_stopping_twice_does_nothing_more() -> None:
    gateway = Emulator(ok)
    gateway.stop()
    gateway.start()
    url = gateway.url
    gateway.start()
    assert gateway.url == url
    gateway.stop()
    gateway.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_an_emulator_that_was_not_started_has_no_address() -> None:
    gateway = Emulator(ok)
    gateway.wait()

    assert (repr(gateway), gateway.connections) == ("Emulator(gateway='toapis', not started)", 0)
    with pytest.raises(ConfigurationError, match="with Emulator"):
        _ = gateway.url


def test_a_port_can_be_chosen_and_one_that_is_taken_is_refused() -> None:
    with Emulator(ok) as first:
        port = httpx.URL(first.url).port
        assert port is not None
        with pytest.raises(ConfigurationError, match=f"cannot listen on port {port}: .*; choose another, or 0"):
            Emulator(ok, port=port).start()
    with Emulator(ok, port=port) as second:
        assert second.url == f"http://127.0.0.1:{port}/v1"


def test_waiting_ends_when_another_thread_stops_it() -> None:
    with ThreadPoolExecutor() as pool, Emulator(ok) as gateway:
        waiting = pool.submit(gateway.wait)
        gateway.stop()
        waiting.result(timeout=5)


def test_a_key_can_be_given_and_is_not_shown(ask: Ask) -> None:
    with Emulator(ok, key="sk-mine") as gateway:
        assert (gateway.key, ask(gateway).status_code) == ("sk-mine", 200)
        assert "sk-mine" not in repr(gateway)
        assert "sk-mine" not in repr(gateway.requests)
        assert "Bearer sk-mine" in gateway.curl


def test_the_key_is_new_each_time() -> None:
    assert Emulator(ok).key != Emulator(ok).key


def test_requests_are_recorded_as_they_came(client: httpx.Client) -> None:
    with Emulator(ok) as gateway:
        client.post(
            f"{gateway.url}/chat/completions?x=1", content=b"{", headers={"X-Own": "Yes", "authorization": "no"}
        )
        client.get(f"{gateway.url}/models")
        post, get = gateway.requests

    assert post == RecordedRequest("POST", "/v1/chat/completions", post.headers, None, b"{")
    assert (post.headers["x-own"], post.headers["authorization"]) == ("Yes", "no")
    assert (get.method, get.path, get.raw) == ("GET", "/v1/models", b"")


def test_one_connection_serves_many_requests(client: httpx.Client) -> None:
    with Emulator(ok, faults=["server_error"]) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}"}
        for body in ({}, {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": "Hi"}]}) * 2:
            client.post(f"{gateway.url}/chat/completions", json=body, headers=headers)
            client.post(f"{gateway.url}/chat/completions", json={**body, "stream": True}, headers=headers)

        assert (len(gateway.requests), gateway.connections) == (8, 1)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "invalid URL (GET /)"),
        ("POST", "/v1/embeddings", 404, "invalid URL (POST /v1/embeddings)"),
        ("GET", "/v1/chat/completions", 405, "/v1/chat/completions takes POST, not GET"),
        ("POST", "/v1/models", 405, "/v1/models takes GET, not POST"),
    ],
)
def test_any_other_route_is_an_error_in_the_gateways_shape(
    client: httpx.Client, method: str, path: str, status: int, message: str
) -> None:
    with Emulator(ok) as gateway:
        response = client.request(method, gateway.url.removesuffix("/v1") + path)

    assert (response.status_code, response.json()["error"]["message"]) == (status, message)


@pytest.mark.parametrize(
    ("content", "content_type", "words"),
    [
        (b"{", "application/json", "the request body is not JSON: "),
        (b"", "application/json", "the request body is not JSON: "),
        (b"\xff", "application/json", "the request body is not JSON: "),
        (b"null", "application/json", "must be a JSON object"),
        (b"[]", "application/json; charset=utf-8", "must be a JSON object"),
        (b"{}", "text/plain", "content-type header must be application/json"),
        (b"{}", "", "content-type header must be application/json"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_400(
    client: httpx.Client, content: bytes, content_type: str, words: str
) -> None:
    with Emulator(ok) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": content_type}
        response = client.post(f"{gateway.url}/chat/completions", content=content, headers=headers)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_numbers_that_json_does_not_have_break_nothing(client: httpx.Client) -> None:
    body = b'{"model":"gpt-5-4-mini-official","messages":[{"role":"user","content":"Hi"}],'
    body += b'"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","default":NaN}}}]}'
    with Emulator(ok) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        assert client.post(f"{gateway.url}/chat/completions", content=body, headers=headers).status_code in (200, 400)


def test_a_body_that_is_too_large_is_a_413(client: httpx.Client) -> None:
    with Emulator(ok) as gateway:
        announced = client.post(f"{gateway.url}/chat/completions", content=b"x" * (64 * 1024 * 1024 + 1))
        sent = client.post(f"{gateway.url}/chat/completions", content=(b"x" * 1024 * 1024 for _ in range(65)))
        assert gateway.requests == []

    for response in (announced, sent):
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


def test_a_client_may_go_on_sending_a_body_that_was_too_large() -> None:
    with Emulator(ok) as gateway, connect(gateway) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        for _ in range(16):
            connection.sendall(b"x" * 1024 * 1024)


def test_what_is_not_http_is_a_400_and_the_end() -> None:
    with Emulator(ok) as gateway, connect(gateway) as connection:
        connection.sendall(b"hello\r\n\r\n")
        answer = received(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"this is not HTTP/1.1" in answer


def test_a_client_that_asks_whether_to_go_on_is_told_to() -> None:
    with Emulator(ok) as gateway, connect(gateway) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n")
        connection.sendall(b"Connection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert b" 401 " in received(connection)


def test_a_request_sent_before_the_answer_to_the_last_one_is_not_lost(ask: Ask) -> None:
    thinking, release = threading.Event(), threading.Event()

    def brain(request: Any) -> Reply:
        if request["messages"][0]["content"] == "Think":
            thinking.set()
            release.wait(5)
        return Reply("ok")

    with Emulator(brain) as gateway, connect(gateway) as connection:
        connection.sendall(chat(gateway, "Think"))
        assert thinking.wait(5)
        connection.sendall(chat(gateway, "Next").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert ask(gateway).status_code == 200  # by now the server has seen the early bytes
        release.set()
        assert received(connection).count(b"HTTP/1.1 200 ") == 2


def test_a_connection_that_breaks_the_server_is_closed_and_the_others_go_on(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(ok) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "serve", lambda connection: 1 / 0)
            with connect(gateway) as connection:
                assert received(connection) == b""
        assert ask(gateway).status_code == 200


@pytest.mark.anyio
async def test_only_so_many_requests_are_kept() -> None:
    gateway = Gateway(dialect("toapis"), Script([]), "key", Faults(), latency=0, keep=2)
    for number in range(3):
        await gateway.respond("GET", f"/{number}", {}, b"")

    assert [request.path for request in gateway.requests] == ["/1", "/2"]


@pytest.mark.parametrize("reset", [False, True], ids=["closing", "resetting"])
def test_a_client_that_leaves_while_the_brain_thinks_is_forgotten(ask: Ask, reset: bool) -> None:
    thinking, release = threading.Event(), threading.Event()

    def brain(request: Any) -> Reply:
        if request["messages"][0]["content"] == "Think":
            thinking.set()
            release.wait(5)
        return Reply("ok")

    with Emulator(brain) as gateway:
        with connect(gateway) as connection:
            connection.sendall(chat(gateway, "Think"))
            assert thinking.wait(5)
            if reset:  # closing now sends no end but an abort
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert ask(gateway).status_code == 200
        release.set()
        assert ask(gateway).status_code == 200


def test_a_client_that_leaves_in_the_middle_of_a_stream_is_forgotten(client: httpx.Client, ask: Ask) -> None:
    long = Reply("word " * 1_000_000)
    with Emulator([long, Reply("ok")]) as gateway:
        body = {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"authorization": f"Bearer {gateway.key}"}
        with client.stream("POST", f"{gateway.url}/chat/completions", json=body, headers=headers) as response:
            next(response.iter_raw())
        assert ask(gateway).status_code == 200


def test_brains_think_at_the_same_time(ask: Ask) -> None:
    together = threading.Barrier(8, timeout=5)

    def brain(request: Any) -> Reply:
        return Reply(str(together.wait()))

    with Emulator(brain) as gateway, ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda _: ask(gateway).json()["choices"][0]["message"]["content"], range(8))

        assert sorted(texts) == list("01234567")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["toapis", "bytespike", "modelstream", "openai"])
@pytest.mark.anyio
async def test_it_gives_a_model_that_talks_to_it(name: str, stream: bool) -> None:
    with Emulator([Reply("Hello!")], gateway=name) as gateway:
        async with gateway.model() as model:
            response = await model.respond(ModelRequest([UserMessage("Hi")]), stream=stream)

    assert (response.message.text, response.finish_reason) == ("Hello!", "stop")
    assert gateway.requests[0].headers["authorization"] == f"Bearer {gateway.key}"


def test_the_model_may_be_another_and_takes_options() -> None:
    with Emulator(ok) as gateway:
        model = gateway.model("ft:mine", headers={"x-own": "1"})

        assert (model.model, model.base_url) == ("ft:mine", gateway.url)


@pytest.mark.anyio
async def test_many_requests_at_once_from_any_event_loop_are_each_answered_with_their_own() -> None:
    def echo(request: Any) -> Reply:
        return Reply(request["messages"][0]["content"])

    said: dict[int, str] = {}
    with Emulator(echo) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=10) as client:

            async def one(number: int) -> None:
                body = {"model": "gpt-5-4-mini-official", "messages": [{"role": "user", "content": f"number {number}"}]}
                response = await client.post(f"{gateway.url}/chat/completions", json=body)
                said[number] = response.json()["choices"][0]["message"]["content"]

            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    for number in range(50):
                        group.start_soon(one, number)

    assert said == {number: f"number {number}" for number in range(50)}


def test_a_brain_that_raises_is_a_500_that_names_only_the_type(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    def brain(request: Any) -> Reply:
        raise ValueError("the secret")

    with Emulator(brain) as gateway:
        response = ask(gateway)

    assert (response.status_code, response.json()["error"]["message"]) == (500, "the brain raised ValueError")
    assert response.headers["x-should-retry"] == "false"
    assert capfd.readouterr() == ("", "")


def test_a_brain_that_answers_something_else_is_a_500(ask: Ask) -> None:
    with Emulator(lambda request: "ok") as gateway:  # type: ignore[arg-type, return-value]
        response = ask(gateway)

    assert response.status_code == 500
    assert "must answer with a Reply or a Raw, not str" in response.json()["error"]["message"]


def test_a_reply_that_is_not_json_is_a_500_that_says_so(ask: Ask) -> None:
    with Emulator([Reply(usage={"cost": object()})]) as gateway:
        response = ask(gateway)

    assert response.status_code == 500
    assert response.json()["error"]["message"].startswith("the emulator failed: TypeError:")


def test_something_that_cannot_be_a_brain_is_refused() -> None:
    with pytest.raises(TypeError, match=r"brain must have reply\(request\).*not 7"):
        Emulator(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", ["hello", [7]])
def test_a_script_of_something_else_is_refused(steps: Any) -> None:
    with pytest.raises(TypeError, match="a step of a script is a Reply, a Raw or a function of the request, not"):
        Emulator(steps)


def test_a_script_answers_in_order_and_says_when_it_has_run_out(ask: Ask) -> None:
    script = Script([Reply("one"), lambda request: Reply(request["messages"][0]["content"])])
    with Emulator(script) as gateway:
        said = [ask(gateway).json()["choices"][0]["message"]["content"] for _ in range(2)]
        over = ask(gateway)

    assert (said, script.unused) == (["one", "Hi"], 0)
    assert over.status_code == 500
    assert over.json()["error"]["message"] == "the script has 2 steps and this request would be one more"


def test_a_script_knows_how_many_steps_are_left() -> None:
    script = Script([Reply("one"), Reply("two")])
    script.reply({})
    assert script.unused == 1


def test_latency_is_waited_before_every_answer(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    real = anyio.sleep

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await real(0)

    monkeypatch.setattr(anyio, "sleep", sleep)
    with Emulator(ok, latency=30) as gateway:
        assert ask(gateway).status_code == 200

    assert waited == [30, 30]  # the models and the answer


def test_the_demo_brain_answers_when_none_is_given(ask: Ask) -> None:
    with Emulator() as gateway:
        assert "not a language model" in ask(gateway).json()["choices"][0]["message"]["content"]
