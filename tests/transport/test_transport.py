"""Connections: one pool for each event loop, dead kept-alive ones resent unseen, proxies, certificates, sentences."""

import asyncio
import gc
import ssl
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.errors import ConfigurationError, ConnectionFailed, GatewayError, GatewayTimeout, MalformedResponse
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest
from agentkit.providers import ChatCompletionsModel
from agentkit.transport import HttpRequest, HttpResponse, RetryPolicy, Transport, is_loopback, proxy_for, read

from .servers import OK, Seen, closing_after_one, hanging_up, kept_alive, read_request, serving

TLS = Path(__file__).parent / "tls"
HI = ModelRequest([UserMessage("Hi")])


async def post(transport: Transport, url: str, *, timeout: float = 5.0) -> bytes:
    """The body of the answer to one POST."""
    with anyio.fail_after(5):
        request = HttpRequest(url, (("content-type", "application/json"),), b"{}", timeout=timeout, connect_timeout=2.0)
        response = await transport.send(request)
        try:
            return await read(response)
        finally:
            await response.aclose()


async def failure(transport: Transport, url: str, *, timeout: float = 5.0) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await post(transport, url, timeout=timeout)
    await transport.aclose()
    return caught.value


@pytest.mark.anyio
async def test_a_connection_is_used_again() -> None:
    with serving(kept_alive) as server:
        transport = Transport()
        for _ in range(3):
            assert await post(transport, server.url) == b"{}"
        await transport.aclose()

    assert (server.connections, server.requests) == (1, [1, 1, 1])


@pytest.mark.anyio
async def test_a_request_on_a_connection_that_died_meanwhile_is_resent_once_and_nobody_notices() -> None:
    may_close, closed = threading.Event(), threading.Event()

    def serve(connection: Any, number: int, seen: Seen) -> None:
        closing_after_one(connection, number, seen)
        if number == 1 and may_close.wait(5):  # the second request is on its way when the first connection ends
            read_request(connection)
        connection.close()
        closed.set()

    with serving(serve) as server:
        transport = Transport()
        assert await post(transport, server.url) == b"{}"
        may_close.set()
        assert await post(transport, server.url) == b"{}"
        await transport.aclose()

    assert (server.connections, server.requests) == (2, [1, 2])


@pytest.mark.anyio
async def test_a_fresh_connection_that_breaks_is_an_attempt_and_not_resent() -> None:
    with serving(hanging_up) as server:
        error = await failure(Transport(), server.url)

    assert isinstance(error, ConnectionFailed)
    assert str(error).startswith(f"127.0.0.1:{server.port} closed the connection before it answered")
    assert error.retryable
    assert server.requests == [1]


@pytest.mark.anyio
async def test_a_resend_that_fails_as_well_is_an_error() -> None:
    def serve(connection: Any, number: int, seen: Seen) -> None:
        if number == 1:
            closing_after_one(connection, number, seen)
            read_request(connection)
        else:
            hanging_up(connection, number, seen)

    with serving(serve) as server:
        transport = Transport()
        await post(transport, server.url)
        error = await failure(transport, server.url)

    assert isinstance(error, ConnectionFailed)
    assert server.requests == [1, 2]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_loops_in_two_threads_never_share_a_connection(backend: str) -> None:
    transport = Transport()
    barrier = threading.Barrier(2, timeout=5)
    failures: list[BaseException] = []

    async def talk(url: str) -> None:
        for _ in range(3):
            await post(transport, url)
            await anyio.to_thread.run_sync(barrier.wait)

    def loop(url: str) -> None:
        try:
            anyio.run(talk, url, backend=backend)
        except BaseException as error:  # shown by the assertion below
            failures.append(error)

    with serving(kept_alive) as server:
        threads = [threading.Thread(target=loop, args=(server.url,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    assert failures == []
    assert server.connections == 2
    assert sorted(server.requests) == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nothing_stays_open_after_a_loop_that_closed_nothing(backend: str) -> None:
    transport = Transport()
    with serving(kept_alive) as server:
        for _ in range(2):
            assert anyio.run(post, transport, server.url, backend=backend) == b"{}"
        gc.collect()  # an open socket would be a ResourceWarning here, which is an error

    assert server.connections == 2


@pytest.mark.anyio
async def test_leaving_the_models_block_closes_its_connections_and_entering_again_opens_new_ones() -> None:
    with Emulator(lambda _: Reply("Hello")) as gateway:
        model = gateway.model()
        for _ in range(2):
            async with model, model:
                await model.respond(HI)
                await model.respond(HI)

    assert gateway.connections == 2
    assert len(gateway.requests) == 4


@pytest.mark.anyio
async def test_models_that_share_a_transport_share_connections() -> None:
    transport = Transport()
    with Emulator(lambda _: Reply("Hello")) as gateway:
        for _ in range(3):
            await gateway.model(transport=transport).respond(HI)
        await transport.aclose()

    assert gateway.connections == 1


@pytest.mark.anyio
async def test_a_client_that_is_given_is_used_and_stays_open() -> None:
    async with httpx.AsyncClient(headers={"x-mine": "yes"}, trust_env=False) as client:
        with Emulator(lambda _: Reply("Hello")) as gateway:
            async with gateway.model(http_client=client) as model:
                response = await model.respond(HI, stream=True)
        assert not client.is_closed

    assert response.message.text == "Hello"


@pytest.mark.anyio
async def test_a_client_that_is_given_resends_nothing_by_itself() -> None:
    def serve(connection: Any, number: int, seen: Seen) -> None:
        closing_after_one(connection, number, seen)
        read_request(connection)

    async with httpx.AsyncClient(trust_env=False) as client:
        with serving(serve) as server:
            transport = Transport(http_client=client)
            await post(transport, server.url)
            error = await failure(transport, server.url)

    assert isinstance(error, ConnectionFailed)


@pytest.mark.anyio
async def test_loopback_is_reached_directly_whatever_proxies_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:1")
    with serving(kept_alive) as server:
        transport = Transport(proxy="http://127.0.0.1:1")
        for host in ("127.0.0.1", "localhost"):
            assert await post(transport, f"http://{host}:{server.port}/v1") == b"{}"
        await transport.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_other_hosts_go_through_the_proxy(scheme: str) -> None:
    lines: list[bytes] = []

    def serve(connection: Any, number: int, seen: Seen) -> None:
        lines.append(read_request(connection).split(b"\r\n")[0])
        if scheme == "http":
            connection.sendall(OK)
        else:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with serving(serve) as server:
        transport = Transport(proxy=f"127.0.0.1:{server.port}")
        if scheme == "http":
            assert await post(transport, "http://model.example/v1") == b"{}"
            await transport.aclose()
        else:
            assert "403 Forbidden" in str(await failure(transport, "https://model.example/v1"))

    assert lines == [
        b"POST http://model.example/v1 HTTP/1.1" if scheme == "http" else b"CONNECT model.example:443 HTTP/1.1"
    ]


@pytest.mark.anyio
async def test_a_socks_proxy_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    model = ChatCompletionsModel("m", base_url="https://model.example/v1")

    with pytest.raises(ConfigurationError) as caught:
        await model.respond(HI)

    assert str(caught.value) == (
        "the proxy for model.example is of kind 'socks5'; http and https proxies are supported: change ALL_PROXY or "
        "HTTPS_PROXY, add the host to NO_PROXY, or pass http_client="
    )


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, None, None),
        ({"https_proxy": "http://p:1"}, None, "http://p:1"),
        ({"https_proxy": "p:1"}, None, "http://p:1"),
        ({"http_proxy": "http://p:1"}, None, None),
        ({"all_proxy": "https://p:1"}, None, "https://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "model.example"}, None, None),
        ({"https_proxy": "http://p:1", "no_proxy": "model.example"}, "http://mine:2", "http://mine:2"),
    ],
)
def test_the_proxy_is_the_given_one_or_the_environments(
    environment: dict[str, str], given: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_for("https://model.example/v1", given) == expected


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("api.localhost", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_told_by_name_or_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_named() -> None:
    with serving(kept_alive) as server:
        pass

    error = await failure(Transport(), server.url)

    assert isinstance(error, ConnectionFailed)
    assert str(error) == f"cannot connect to 127.0.0.1:{server.port}: Connection refused"


@pytest.mark.anyio
async def test_a_host_that_cannot_be_resolved_is_said_to_be_that() -> None:
    error = await failure(Transport(), "http://no-such-host.invalid/v1")

    assert isinstance(error, ConnectionFailed)
    assert str(error).startswith("cannot connect to no-such-host.invalid: cannot resolve the name (")


@pytest.mark.anyio
async def test_a_url_that_is_none_is_refused_and_not_retried() -> None:
    odd, empty = await failure(Transport(), "ftp://127.0.0.1/v1"), await failure(Transport(), "http://127.0.0.1:x/v1")

    assert (str(odd), odd.retryable) == ("ftp://127.0.0.1 is not an http or https URL", False)
    assert (str(empty), empty.retryable) == (
        "'http://127.0.0.1:x/v1' is not a URL that can be reached: Invalid port: 'x'",
        False,
    )


@pytest.mark.anyio
async def test_a_server_that_says_nothing_is_a_timeout() -> None:
    def serve(connection: Any, number: int, seen: Seen) -> None:
        read_request(connection)
        read_request(connection)  # until the client has gone

    with serving(serve) as server:
        error = await failure(Transport(), server.url, timeout=0.2)

    assert isinstance(error, GatewayTimeout)
    assert str(error) == f"127.0.0.1:{server.port} did not answer in time; settings.timeout= sets the longest wait"


@pytest.mark.anyio
async def test_an_answer_that_stops_half_way_is_a_timeout() -> None:
    def serve(connection: Any, number: int, seen: Seen) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        read_request(connection)

    with serving(serve) as server:
        error = await failure(Transport(), server.url, timeout=0.2)

    assert isinstance(error, GatewayTimeout)
    assert str(error) == "nothing more of the answer came in time; settings.timeout= sets the longest wait"


@pytest.mark.anyio
async def test_a_body_beyond_the_limit_is_not_read_to_its_end() -> None:
    class Endless:
        status, headers, closed = 200, dict[str, str](), False

        async def chunks(self) -> Any:
            try:
                while True:
                    yield b"x" * 2**20
            finally:
                self.closed = True

        async def aclose(self) -> None: ...

    endless = Endless()
    response: HttpResponse = endless
    with pytest.raises(MalformedResponse, match="larger than 3 MiB and was not read to its end"):
        await read(response, limit=3 * 2**20)

    assert endless.closed


@pytest.mark.anyio
async def test_a_certificate_is_checked_unless_told_otherwise_and_an_authority_can_be_given() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    authority = ssl.create_default_context(cafile=str(TLS / "certificate.pem"))
    with serving(kept_alive, context) as server:
        url = f"https://127.0.0.1:{server.port}/v1"
        refused = await failure(Transport(), url)
        for verify in (False, str(TLS / "certificate.pem"), authority):
            transport = Transport(verify=verify)
            assert await post(transport, url) == b"{}"
            await transport.aclose()

    assert isinstance(refused, ConnectionFailed)
    assert "certificate verify failed" in str(refused)


@pytest.mark.anyio
async def test_a_cancelled_request_leaves_the_model_usable() -> None:
    with Emulator(lambda _: Reply("Hello"), faults=["hang"]) as gateway:
        async with gateway.model(retry=RetryPolicy(retries=0)) as model:
            with anyio.move_on_after(0.1) as scope:
                await model.respond(HI)
            assert scope.cancelled_caught
            with anyio.fail_after(5):
                response = await model.respond(HI)

    assert response.message.text == "Hello"


@pytest.mark.anyio
async def test_leaving_a_stream_in_the_middle_closes_it_without_a_warning() -> None:
    with Emulator(lambda _: Reply("one two three four five six seven")) as gateway:
        async with gateway.model() as model:
            for _ in range(2):
                events = model.events(HI, stream=True)
                for _ in range(3):
                    await anext(events)
                await events.aclose()
            with anyio.fail_after(5):
                response = await model.respond(HI, stream=True)
    gc.collect()

    assert response.message.text == "one two three four five six seven"


def test_plain_asyncio_without_anyio_run_works_too() -> None:
    with Emulator(lambda _: Reply("Hello")) as gateway:
        response = asyncio.run(gateway.model().respond(HI))

    assert response.message.text == "Hello"


@pytest.mark.anyio
async def test_a_model_leaves_a_transport_that_it_was_given_open() -> None:
    transport = Transport()
    with Emulator([Reply("one"), Reply("two")]) as gateway:
        first, second = gateway.model(transport=transport), gateway.model(transport=transport)
        async with first:
            await first.respond(ModelRequest([UserMessage("Hi")]))
        await second.respond(ModelRequest([UserMessage("Hi")]))
        assert gateway.connections == 1
    await transport.aclose()
