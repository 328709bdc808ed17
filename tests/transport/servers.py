"""A tiny HTTP server on loopback whose every byte and every closing the test decides."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@dataclass(slots=True)
class Seen:
    """What a server met. `requests` holds the connection's number for each request."""

    port: int
    connections: int = 0
    requests: list[int] = field(default_factory=list[int])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def read_request(connection: socket.socket) -> bytes:
    """One whole request; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket, int, Seen], None], tls: ssl.SSLContext | None = None) -> Iterator[Seen]:
    """A server for the length of the block; each connection has a thread, and all of them have ended after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = Seen(listener.getsockname()[1])
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def handle(connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            if tls is not None:
                with tls.wrap_socket(connection, server_side=True) as wrapped:
                    serve(wrapped, number, seen)
            else:
                serve(connection, number, seen)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            seen.connections += 1
            sockets.append(connection)
            thread = threading.Thread(target=handle, args=(connection, seen.connections), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield seen
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def kept_alive(connection: socket.socket, number: int, seen: Seen) -> None:
    """Answers each request with OK until the client goes."""
    while read_request(connection):
        seen.requests.append(number)
        connection.sendall(OK)


def closing_after_one(connection: socket.socket, number: int, seen: Seen) -> None:
    """Answers one request and closes without having said so."""
    if read_request(connection):
        seen.requests.append(number)
        connection.sendall(OK)


def hanging_up(connection: socket.socket, number: int, seen: Seen) -> None:
    """Reads a request and closes without an answer."""
    if read_request(connection):
        seen.requests.append(number)
