"""The one thing agentkit asks of an HTTP client: POST these bytes, give me the answer as it comes.

Above: wire adapters, which know what the bytes mean. Below: httpx, or whatever a user gives. Implementations turn their
own exceptions into `ConnectionFailed`, `GatewayTimeout` and `StreamTruncated`, so that nobody above knows the client.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from agentkit.errors import MalformedResponse

MAX_BODY = 64 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. `timeout` is the longest silence in seconds while reading, `connect_timeout` that for connecting.

    `deadline`, in seconds of `time.monotonic()`, ends all of it, however busy the server is.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"
    timeout: float = 300.0
    connect_timeout: float = 10.0
    deadline: float | None = None


class HttpResponse(Protocol):
    """An answer whose body has not been read. `aclose` it in every case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body's bytes as they come, content-decoded.

        Raises:
            StreamTruncated: the connection broke before the body's end.
            GatewayTimeout: nothing came for `HttpRequest.timeout` seconds, or the deadline has passed.
        """
        ...

    async def aclose(self) -> None: ...


class HttpClient(Protocol):
    """Sends requests on pooled connections of one event loop."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, once its headers have come.

        Raises:
            ConnectionFailed: no connection, or it broke before the answer.
            GatewayTimeout: no connection or no answer in time.
        """
        ...

    async def aclose(self) -> None: ...


async def read(response: HttpResponse, *, limit: int = MAX_BODY) -> bytes:
    """The whole body.

    Raises:
        MalformedResponse: more than `limit` bytes.
        StreamTruncated, GatewayTimeout: see `HttpResponse.chunks`.
    """
    body = bytearray()
    async with aclosing(response.chunks()) as chunks:
        async for piece in chunks:
            body += piece
            if len(body) > limit:
                raise MalformedResponse(f"the answer is larger than {limit // 2**20} MiB and was not read to its end")
    return bytes(body)
