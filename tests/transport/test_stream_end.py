"""How an answer may end on the socket, before and after its last word, and what becomes of it."""

import gzip
import json
import socket
from collections.abc import Callable

import anyio
import pytest

from agentkit.errors import GatewayError, ServerError, StreamTruncated
from agentkit.messages import AssistantMessage, TextPart, UserMessage
from agentkit.models import ModelRequest, ModelResponse, ModelSettings
from agentkit.providers import ChatCompletionsModel
from agentkit.transport import RetryPolicy

from .servers import Seen, read_request, serving

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
END = b"0\r\n\r\n"


def event(delta: object, finish: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"


HELLO, STOP, DONE = event({"content": "Hello"}), event({}, "stop"), b"data: [DONE]\n\n"
FAILED = b'data: {"error": {"message": "timeout", "type": "server_error"}}\n\n'


def chunked(*pieces: bytes) -> bytes:
    return b"transfer-encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def then_close(answer: bytes) -> Callable[[socket.socket, int, Seen], None]:
    """Answers with these bytes and closes."""

    def serve(connection: socket.socket, number: int, seen: Seen) -> None:
        read_request(connection)
        connection.sendall(HEAD + answer)

    return serve


def then_wait(answer: bytes) -> Callable[[socket.socket, int, Seen], None]:
    """Answers each request with these bytes and keeps the connection open until the client goes."""

    def serve(connection: socket.socket, number: int, seen: Seen) -> None:
        while read_request(connection):
            seen.requests.append(number)
            connection.sendall(HEAD + answer)

    return serve


async def ask(server: Seen, *, stream: bool = True, times: int = 1, timeout: float = 5) -> ModelResponse | GatewayError:
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(timeout=timeout))
    model = ChatCompletionsModel("m", base_url=server.url, retry=RetryPolicy(retries=0))
    try:
        with anyio.fail_after(10):
            async with model:
                for _ in range(times - 1):
                    await model.respond(request, stream=stream)
                return await model.respond(request, stream=stream)
    except GatewayError as error:
        return error


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(then_close(chunked(HELLO, STOP, DONE) + END), id="as it should"),
        pytest.param(then_close(b"\r\n" + HELLO + STOP + DONE), id="without a length, closed"),
        pytest.param(then_close(chunked(HELLO, STOP, DONE)), id="broken off after [DONE]"),
        pytest.param(then_close(chunked(HELLO, STOP)), id="broken off after the finish reason"),
        pytest.param(then_wait(chunked(HELLO, STOP, DONE)), id="left open after [DONE]"),
        pytest.param(then_close(chunked(HELLO, STOP, DONE, b"data: {not JSON\n\n") + END), id="rubbish after [DONE]"),
        pytest.param(
            then_close(b"content-encoding: gzip\r\n" + chunked(gzip.compress(HELLO + STOP + DONE)) + END),
            id="compressed",
        ),
    ],
)
async def test_an_answer_whose_last_word_has_come_is_complete(
    serve: Callable[[socket.socket, int, Seen], None],
) -> None:
    with serving(serve) as server:
        response = await ask(server)

    assert isinstance(response, ModelResponse)
    assert (response.message.text, response.finish_reason) == ("Hello", "stop")


async def test_a_server_that_falls_silent_after_the_finish_reason_has_answered() -> None:
    with serving(then_wait(chunked(HELLO, STOP))) as server:
        response = await ask(server, timeout=0.5)

    assert isinstance(response, ModelResponse)
    assert (response.message.text, response.finish_reason) == ("Hello", "stop")


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        pytest.param(chunked(HELLO), StreamTruncated, "Hello", id="broken off"),
        pytest.param(chunked(HELLO) + END, StreamTruncated, "Hello", id="ended in good order"),
        pytest.param(b"content-length: 9999\r\n\r\n" + HELLO, StreamTruncated, "Hello", id="shorter than announced"),
        pytest.param(chunked(HELLO, STOP, FAILED) + END, ServerError, "Hello", id="an error after the finish reason"),
    ],
)
async def test_an_answer_that_misses_its_last_word_is_an_error_with_what_had_come(
    answer: bytes, kind: type[GatewayError], text: str | None
) -> None:
    with serving(then_close(answer)) as server:
        error = await ask(server)

    assert isinstance(error, kind)
    assert error.retryable
    assert error.partial == (None if text is None else AssistantMessage([TextPart(text, "tool")]))


async def test_a_stream_that_ends_in_good_order_leaves_its_connection_for_the_next_request() -> None:
    with serving(then_wait(chunked(HELLO, STOP, DONE) + END)) as server:
        response = await ask(server, times=3)

    assert isinstance(response, ModelResponse)
    assert (server.connections, server.requests) == (1, [1, 1, 1])


async def test_a_plain_answer_that_is_shorter_than_announced_is_truncated() -> None:
    with serving(then_close(b'content-length: 99\r\n\r\n{"choices"')) as server:
        error = await ask(server, stream=False)

    assert isinstance(error, StreamTruncated)
    assert str(error).startswith("the connection broke in the middle of the answer: ")


async def test_a_body_that_cannot_be_decompressed_is_an_error_of_the_tree() -> None:
    with serving(then_close(b"content-encoding: gzip\r\n" + chunked(b"no gzip") + END)) as server:
        error = await ask(server)

    assert isinstance(error, StreamTruncated)
    assert error.partial is None
