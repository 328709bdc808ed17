"""A tool that reads web pages and cannot be turned against the network it runs in.

Each hop is resolved, checked and then connected to by the checked address, with the name kept for the Host header and
for TLS. No proxy, cookie, key or `.netrc` of the environment is used: a request carries the same five headers whoever
runs it.
"""

import functools
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from agentkit import ToolRetry, Toolset, tool
from agentkit_tools.addresses import Address, resolved
from agentkit_tools.body import ACCEPTED, Body
from agentkit_tools.webpage import decoded, readable

if TYPE_CHECKING:
    import ssl

    import httpx

_MAX_REDIRECTS = 5
_MAX_ADDRESSES = 3
_MAX_URL = 4000
_CONNECT_TIMEOUT = 5.0
_ACCEPT = "text/html, application/json, text/*;q=0.9, */*;q=0.1"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = _HTML | frozenset(
    {"application/json", "application/xml", "application/javascript", "application/x-ndjson", "application/yaml"}
)


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page as text.

    Attributes:
        url: Where the text came from, after redirects.
        status: The HTTP status; the text of an error page is handed out too.
        content_type: Without parameters; "" where the server said none.
        title: The title of an HTML page, else "".
        text: The text; HTML is reduced to what a reader sees.
        complete: False where the page was larger than what may be read, or took too long to make sense of.
    """

    url: str
    status: int
    content_type: str
    title: str
    text: str
    complete: bool = True


def http(
    *,
    allow_hosts: Collection[str] | None = None,
    max_bytes: int = 1_000_000,
    timeout: float = 20,
    allow_private: bool = False,
) -> Toolset:
    """A tool `http_fetch(url)` that gets a page over http or https and returns its text, marked as coming from the web.

    Args:
        allow_hosts: The only host names that may be fetched, redirects included; ".example.com" takes every name below
            it. None for any.
        max_bytes: How much of a page is read, in bytes after decompression.
        timeout: For everything from the name to the last byte, redirects included, in seconds.
        allow_private: Also connect to addresses that are not on the public internet (loopback, private networks, cloud
            metadata).
    """
    names = None if allow_hosts is None else frozenset(name.lower().rstrip(".") for name in allow_hosts)
    # Built at the first https page and then kept: loading the certificates takes longer than many a page.
    fetch = _Fetch(names, max_bytes, timeout, allow_private, functools.cache(_tls_context))

    @tool(effect="read", trust="web", timeout=timeout + 10)
    async def http_fetch(url: str) -> WebPage:
        """Get a web page or a text file from the internet and return its text.

        Args:
            url: The full address, beginning with https:// or http://.
        """
        return await fetch.page(url)

    return Toolset([http_fetch])


@dataclass(frozen=True, slots=True)
class _Fetch:
    allow_hosts: frozenset[str] | None
    max_bytes: int
    timeout: float
    allow_private: bool
    tls: "Callable[[], ssl.SSLContext]"

    async def page(self, url: str) -> WebPage:
        import httpx

        try:
            with anyio.fail_after(self.timeout):
                return await self._followed(url)
        except TimeoutError:
            raise ToolRetry(f"{_short(url)} took longer than {self.timeout:g} s.") from None
        except httpx.TransportError as error:
            raise ToolRetry(f"{_short(url)} could not be fetched ({_reason(error)}).") from None

    async def _followed(self, url: str) -> WebPage:
        label = _short(url)
        target = self._checked(url, label)
        for _ in range(_MAX_REDIRECTS + 1):
            found = await self._hop(target)
            if isinstance(found, WebPage):
                return found
            target = self._checked(_joined(target.url, found), f"What {label} redirects to")
        raise ToolRetry(f"{label} redirects more than {_MAX_REDIRECTS} times.")

    def _checked(self, text: str, label: str) -> "_Target":
        import httpx

        try:
            url = httpx.URL(text) if len(text) <= _MAX_URL else None
        except (httpx.InvalidURL, UnicodeError):
            url = None
        if url is None or not url.scheme:
            raise ToolRetry(f"{label} is not a URL.")
        if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65536:
            raise ToolRetry(f"{label} is not an http or https address.")
        if url.userinfo:
            raise ToolRetry("A URL with a user name or a password in it may not be fetched.")
        if not self._allowed(url):
            raise ToolRetry(f"{label} is not on one of the hosts that may be fetched.")
        return _Target(url, label)

    def _allowed(self, url: "httpx.URL") -> bool:
        if self.allow_hosts is None:
            return True
        names = {url.host.lower().rstrip("."), url.raw_host.decode("ascii").lower().rstrip(".")}
        return any(
            name == allowed or (allowed.startswith(".") and name.endswith(allowed))
            for name in names
            for allowed in self.allow_hosts
        )

    async def _hop(self, target: "_Target") -> WebPage | str:
        """The page, or where it redirects to."""
        import httpx

        addresses = await resolved(target.host, target.port, label=target.label, allow_private=self.allow_private)
        *spare, last = addresses[:_MAX_ADDRESSES]
        for address in spare:
            try:
                return await self._from_address(target, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._from_address(target, last)

    async def _from_address(self, target: "_Target", address: Address) -> WebPage | str:
        import httpx

        url = target.url
        request = httpx.Request(
            "GET",
            # The checked address itself, so that no second look-up can lead elsewhere.
            url.copy_with(host=str(address), fragment=None),
            headers={
                "Host": url.netloc.decode("ascii"),
                "User-Agent": "agentkit",
                "Accept": _ACCEPT,
                "Accept-Encoding": ACCEPTED,
                "Connection": "close",
            },
            extensions={
                "sni_hostname": target.host,
                "timeout": httpx.Timeout(self.timeout, connect=min(self.timeout, _CONNECT_TIMEOUT)).as_dict(),
            },
        )
        # The bare transport: a client would add cookies, `.netrc` and the proxies of the environment.
        verify = self.tls() if url.scheme == "https" else False  # plain http needs no certificates
        async with httpx.AsyncHTTPTransport(verify=verify, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            response.request = request
            try:
                return await self._answered(target, response)
            finally:
                await response.aclose()

    async def _answered(self, target: "_Target", response: "httpx.Response") -> WebPage | str:
        if response.status_code in _REDIRECTS and "location" in response.headers:
            return response.headers["location"]
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not _is_text(content_type):
            raise ToolRetry(f"{target.label} is {_kind(content_type)}, not text.")
        body = Body(response.headers.get("content-encoding", ""), self.max_bytes)
        await _read(response, body)
        data, complete = body.taken()
        if not content_type and b"\0" in data:
            raise ToolRetry(f"{target.label} is {_kind(content_type)}, not text.")
        text = decoded(data, response.charset_encoding)
        url = str(target.url)
        if content_type not in _HTML:
            return WebPage(url, response.status_code, content_type, "", text, complete)
        # In a thread and for a part of the time: a hostile page can keep the parser busy for long.
        reduce = functools.partial(readable, text, deadline=time.monotonic() + self.timeout / 4)
        seen = await anyio.to_thread.run_sync(reduce, abandon_on_cancel=True)
        return WebPage(url, response.status_code, content_type, seen.title, seen.text, complete and seen.complete)


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that may be fetched, and what to call it towards the model.

    A refusal is the tool's own word and not marked as coming from the web, so it must not carry what a server wrote:
    neither the URL of a redirect nor a header.
    """

    url: "httpx.URL"
    label: str

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)


async def _read(response: "httpx.Response", body: Body) -> None:
    import httpx

    try:
        async for chunk in response.aiter_raw():
            body.add(chunk)
            if body.full:
                # Not `break`: the generators below would be left to the garbage collector. Cut off, they end by
                # themselves.
                await response.extensions["network_stream"].aclose()
    except httpx.TransportError:
        if not body.full:
            raise


def _joined(current: "httpx.URL", location: str) -> str:
    import httpx

    try:
        return str(current.join(location))
    except (httpx.InvalidURL, UnicodeError):
        return ""  # no URL either


def _is_text(content_type: str) -> bool:
    return (
        content_type == ""
        or content_type.startswith("text/")
        or content_type in _TEXT_TYPES
        or content_type.endswith(("+json", "+xml"))
    )


def _kind(content_type: str) -> str:
    kind = content_type.partition("/")[0]
    return f"of the kind {kind!r}" if kind in ("application", "audio", "font", "image", "video") else "binary"


def _reason(error: "httpx.TransportError") -> str:
    # In words of our own, because the error's text may quote the server.
    import ssl

    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            return "no secure connection: its certificate does not hold"
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def _short(url: str) -> str:
    return repr(url if len(url) <= 200 else f"{url[:200]}...")


def _tls_context() -> "ssl.SSLContext":
    import httpx

    return httpx.create_ssl_context()
