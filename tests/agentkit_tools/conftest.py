"""What the tests of the ready-made tools share: a tool by its name, a real web server on loopback, and a name server
that the test answers for.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agentkit import Tool, Toolset

Named = Callable[[Toolset, str], Tool[..., Any]]


@pytest.fixture
def named() -> Named:
    """A tool of a toolset by its name."""
    return lambda toolset, name: next(tool for tool in toolset.tools if tool.name == name)


@dataclass
class Site:
    """A web server on 127.0.0.1: `pages` maps a path to (status, headers, body), or to a function that answers on the
    handler itself.
    """

    pages: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    server: ThreadingHTTPServer | None = None

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def html(self, path: str, html: str) -> None:
        self.pages[path] = (200, {"Content-Type": "text/html; charset=utf-8"}, html.encode())

    def use_tls(self, certificate: Path, key: Path) -> list[str | None]:
        """Speak TLS from now on; the list holds the names that clients ask for (SNI)."""
        asked: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda _connection, name, _context: asked.append(name)
        assert self.server is not None
        # The handshake happens in the request's own thread, at its first read.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        return asked


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = _server(site)
    site.port, site.server = server.server_address[1], server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join(5)


def _server(site: Site) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.seen.append((self.path, dict(self.headers)))
            page = site.pages[self.path]
            try:
                if callable(page):
                    page(self)
                    return
                status, headers, body = page
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client has read enough

        def log_message(self, *_: object) -> None:
            return None

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@dataclass
class NameServer:
    """Answers for the names in `answers`, a list of addresses for each look-up in turn (the last one stays). Nobody
    is asked for others.
    """

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    server = NameServer()
    system = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *positional: int, **keywords: int) -> list[Any]:
        flags = keywords.get("flags", positional[3] if len(positional) > 3 else 0)
        name = host.decode() if isinstance(host, bytes) else host
        if name not in server.answers:
            numbers_only = 0 if str(name).lower().rstrip(".") == "localhost" else socket.AI_NUMERICHOST
            return list(system(host, port, type=socket.SOCK_STREAM, flags=flags | numbers_only))
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        server.asked.append(name)
        answers = server.answers[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [_answer(address, int(port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return server


def _answer(address: str, port: int) -> tuple[int, int, int, str, tuple[Any, ...]]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
