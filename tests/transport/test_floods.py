"""Answers that do not end: reading stops at a limit or at the deadline, and the connection is closed."""

import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat

import anyio
import pytest

from agentkit.errors import ConnectionFailed, GatewayError, GatewayTimeout, MalformedResponse
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelResponse
from agentkit.providers import ChatCompletionsModel
from agentkit.transport import HttpRequest, RetryPolicy, Transport, read

from .servers import Seen, read_request, serving

pytestmark = pytest.mark.anyio
MIB = 2**20
OK = b"HTTP/1.1 200 OK\r\n"
STREAM = OK + b"content-type: text/event-stream\r\n"
PLAIN = OK + b"content-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass(slots=True)
class Flood:
    """Answers with `head`, then with `piece` again and again, until the client goes; `sent` counts the bytes of it."""

    head: bytes
    piece: bytes
    times: int | None = None
    sent: int = 0
    refused: threading.Event = field(default_factory=threading.Event)  # the client closed before the end

    def __call__(self, connection: socket.socket, number: int, seen: Seen) -> None:
        read_request(connection)
        try:
            connection.sendall(self.head)
            for _ in repeat(None) if self.times is None else range(self.times):
                connection.sendall(self.piece)
                self.sent += len(self.piece)
            if connection.recv(1) == b"":
                self.refused.set()
        except OSError:
            self.refused.set()


async def ask(
    url: str, *, stream: bool, deadline: float | None = None, retries: int = 0
) -> ModelResponse | GatewayError:
    ends = None if deadline is None else time.monotonic() + deadline
    request = ModelRequest([UserMessage("Hi")], deadline=ends)
    transport = Transport()
    model = ChatCompletionsModel("m", base_url=url, retry=RetryPolicy(retries=retries), transport=transport)
    try:
        with anyio.fail_after(30):
            return await model.respond(request, stream=stream)
    except GatewayError as error:
        return error
    finally:
        await transport.aclose()


@contextmanager
def counted_memory() -> Iterator[list[int]]:
    """The most bytes that Python objects took at one time in the block, beyond what there was before."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def zeros(encoder: "zlib._Compress") -> tuple[bytes, bytes]:
    """A compressed stream's head, and what one more mebibyte of zeros adds to it."""
    head = encoder.compress(b"data: ") + encoder.flush(zlib.Z_FULL_FLUSH)
    return head, encoder.compress(b"0" * MIB) + encoder.flush(zlib.Z_FULL_FLUSH)


LINE, BODY = "more than 32 MiB without a line end", "larger than 64 MiB and was not read to its end"


@pytest.mark.parametrize(
    ("head", "stream", "limit", "sentence"),
    [
        pytest.param(STREAM + CHUNKED, True, 32, LINE, id="a stream"),
        pytest.param(PLAIN + CHUNKED, False, 64, BODY, id="a body"),
        pytest.param(b"HTTP/1.1 500 No\r\n" + CHUNKED, False, 64, BODY, id="an error"),
    ],
)
async def test_an_answer_without_an_end_is_refused_at_its_limit(
    head: bytes, stream: bool, limit: int, sentence: str
) -> None:
    flood = Flood(head, chunk(b"x" * MIB))
    with serving(flood) as server, counted_memory() as peak:
        error = await ask(server.url, stream=stream)
        assert flood.refused.wait(5)

    assert isinstance(error, MalformedResponse)
    assert sentence in str(error)
    assert flood.sent < (limit + 24) * MIB  # the sockets between the two hold a few
    assert peak[0] < (limit + 16) * MIB


@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize(
    ("head", "stream", "limit", "sentence"),
    [(STREAM, True, 32, LINE), (PLAIN, False, 64, BODY)],
    ids=["stream", "body"],
)
async def test_a_compressed_answer_is_opened_up_to_its_limit_only(
    head: bytes, stream: bool, limit: int, sentence: str, kind: str
) -> None:
    bits = {"gzip": 31, "deflate": 15, "raw deflate": -15}[kind]
    start, mebibyte = zeros(zlib.compressobj(wbits=bits))
    head += b"content-encoding: " + kind.split()[-1].encode() + b"\r\n" + CHUNKED + chunk(start)
    flood = Flood(head, chunk(mebibyte * 64), times=16)  # a gibibyte in a mebibyte
    with serving(flood) as server, counted_memory() as peak:
        error = await ask(server.url, stream=stream)
        assert flood.refused.wait(5)

    assert isinstance(error, MalformedResponse)
    assert sentence in str(error)
    assert peak[0] < (limit + 16) * MIB


EVENT = b"data: " + json.dumps({"choices": [{"delta": {"content": "la "}}]}).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("piece", "said"),
    [(b": ping\n\n", False), (b"\n", False), (EVENT, True)],
    ids=["comments", "blank lines", "deltas"],
)
async def test_a_stream_that_goes_on_for_ever_ends_at_the_deadline(piece: bytes, said: bool) -> None:
    flood = Flood(STREAM + CHUNKED, chunk(piece))
    with serving(flood) as server:
        error = await ask(server.url, stream=True, deadline=0.3)
        assert flood.refused.wait(5)

    assert isinstance(error, GatewayTimeout)
    assert (str(error), error.retryable) == ("the deadline passed in the middle of the answer", False)
    assert (error.partial is not None) is said


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(PLAIN + CHUNKED, chunk(b" "), id="a body"),
        pytest.param(b"HTTP/1.1 500 No\r\n" + CHUNKED, chunk(b" "), id="an error"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="answers before the answer"),
    ],
)
async def test_a_plain_answer_that_goes_on_for_ever_ends_at_the_deadline(head: bytes, piece: bytes) -> None:
    flood = Flood(head, piece)
    with serving(flood) as server:
        error = await ask(server.url, stream=False, deadline=0.3)
        assert flood.refused.wait(5)

    assert isinstance(error, GatewayTimeout)
    assert not error.retryable


async def test_a_server_that_falls_silent_ends_at_the_deadline_however_long_its_silence_may_be() -> None:
    flood = Flood(STREAM + CHUNKED, chunk(EVENT), times=1)
    transport = Transport()
    with serving(flood) as server, anyio.fail_after(5):
        deadline = time.monotonic() + 0.3
        response = await transport.send(HttpRequest(server.url, (), b"", timeout=600, deadline=deadline))
        with pytest.raises(GatewayTimeout, match="the deadline passed in the middle of the answer"):
            await read(response)
        await response.aclose()
        await transport.aclose()
        assert flood.refused.wait(5)


async def test_a_scope_that_ends_by_the_deadline_keeps_it_alone() -> None:
    flood = Flood(STREAM + CHUNKED, chunk(EVENT), times=1)
    transport = Transport()
    with serving(flood) as server, anyio.fail_after(5):
        with anyio.move_on_after(1) as scope:
            deadline = time.monotonic() + 1
            response = await transport.send(HttpRequest(server.url, (), b"", timeout=600, deadline=deadline))
            await read(response)
        await response.aclose()
        await transport.aclose()

    assert scope.cancelled_caught


async def test_a_deadline_that_is_further_away_than_the_timeout_changes_nothing() -> None:
    flood = Flood(STREAM + CHUNKED, chunk(EVENT), times=1)
    transport = Transport()
    with serving(flood) as server, anyio.fail_after(5):
        deadline = time.monotonic() + 600
        response = await transport.send(HttpRequest(server.url, (), b"", timeout=0.2, deadline=deadline))
        with pytest.raises(GatewayTimeout, match="nothing more of the answer came in time"):
            await read(response)
        await response.aclose()
        await transport.aclose()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(OK, b"x-filler: " + b"x" * 1000 + b"\r\n", id="many headers"),
        pytest.param(OK + b"x-filler: ", b"x" * 1000, id="one long header"),
        pytest.param(b"", b"x" * 1000, id="no status line"),
        pytest.param(PLAIN + b"transfer-encoding: chunked\r\n\r\n1;", b"x" * 1000, id="a long chunk header"),
    ],
)
async def test_a_head_without_an_end_is_an_error_of_the_tree(head: bytes, piece: bytes) -> None:
    flood = Flood(head, piece)
    with serving(flood) as server, counted_memory() as peak:
        error = await ask(server.url, stream=False)
        assert flood.refused.wait(5)

    assert isinstance(error, GatewayError)
    assert error.retryable
    assert peak[0] < 16 * MIB


async def test_a_server_that_speaks_no_http_is_said_to_be_that() -> None:
    with serving(Flood(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"", times=0)) as server:
        error = await ask(server.url, stream=False)

    assert isinstance(error, ConnectionFailed)
    assert str(error).startswith(f"127.0.0.1:{server.port} answered something that is not HTTP: illegal status line")


async def fetched(head: bytes, *pieces: bytes) -> bytes:
    """The body of one answer, whose pieces are chunks of their own."""
    answer = OK + head + CHUNKED + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
    transport = Transport()
    with serving(Flood(answer, b"", times=0)) as server, anyio.fail_after(5):
        response = await transport.send(HttpRequest(server.url, (), b""))
        try:
            return await read(response)
        finally:
            await response.aclose()
            await transport.aclose()


@pytest.mark.parametrize("cut", [1, 7, 1_000_000])
@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw deflate", "identity"])
async def test_a_compressed_body_is_opened_wherever_it_is_cut(kind: str, cut: int) -> None:
    text = b"".join(b"%d. What is the weather like?\n" % number for number in range(200)) + b"0" * 3 * MIB
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw deflate": raw.compress(text) + raw.flush(),
        "identity": text[:5000],
    }[kind]
    pieces = [packed[start : start + cut] for start in range(0, len(packed), cut)]

    body = await fetched(b"content-encoding: " + kind.split()[-1].encode() + b"\r\n", *pieces)

    assert body == (text[:5000] if kind == "identity" else text)
