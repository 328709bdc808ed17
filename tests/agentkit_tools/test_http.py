"""The web tool: it reads pages, and no page, name or redirect makes it connect where it may not."""

import gzip
import io
import threading
import time
import zlib
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import ToolRetry
from agentkit_tools import WebPage, http
from agentkit_tools.addresses import is_public
from agentkit_tools.webpage import Readable, readable

pytestmark = pytest.mark.anyio


async def fetched(named: Any, url: str, **options: Any) -> WebPage:
    """The page that a tool which may reach loopback gets."""
    with anyio.fail_after(5):
        page = await named(http(**{"allow_private": True, **options}), "http_fetch")(url)
    assert isinstance(page, WebPage)
    return page


async def refused(named: Any, url: str, **options: Any) -> str:
    """The sentence with which the tool refuses; it may not reach loopback unless told so."""
    with pytest.raises(ToolRetry) as refusal, anyio.fail_after(5):
        await named(http(**options), "http_fetch")(url)
    return str(refusal.value)


async def test_a_page_is_reduced_to_what_a_reader_sees(site: Any, named: Any) -> None:
    site.html(
        "/page",
        """<!doctype html><html><head><title>Tea &amp; more</title>
        <style>p {color: red}</style><script>alert("<p>no</p>")</script></head>
        <body><h1>Tea</h1><p>Green   tea<br>is <b>good</b>&nbsp;&euro;5.</p><ul><li>one<li>two</ul>
        <table><tr><td>a</td><td>b</td></tr></table>
        <svg><title>not this</title><text>no</text></svg><!-- no --></body></html>""",
    )
    assert await fetched(named, site.url("/page")) == WebPage(
        url=site.url("/page"),
        status=200,
        content_type="text/html",
        title="Tea & more",
        text="Tea\nGreen tea\nis good €5.\n- one\n- two\na b",
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<br/>b<svg/>c", "a\nbc"),
        ("<svg><title>x</title><template>y</svg>a", "a"),
        ("<head><style>x</style><body>a", "a"),
        ("<noscript>x<style>y</style>z</noscript>a", "a"),
        ("<template><script>x</template>a", ""),
        ("a</style></p>b", "a\nb"),
        ("a < b &amp;&lt;c", "a < b &<c"),
        ("<title>One</title><title>Two</title>a", "a"),
    ],
)
async def test_html_that_is_not_tidy_is_read_as_well_as_can_be(site: Any, named: Any, html: str, text: str) -> None:
    site.html("/", html)
    assert (await fetched(named, site.url("/"))).text == text


async def test_a_page_has_the_first_title_only(site: Any, named: Any) -> None:
    site.html("/", "<svg><title>drawing</title></svg><title>One</title><title>Two</title>text")
    page = await fetched(named, site.url("/"))
    assert (page.title, page.text) == ("One", "text")


async def test_a_request_carries_five_headers_and_nothing_of_the_environment(
    site: Any, named: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.pages["/first"] = (302, {"Location": "/second", "Set-Cookie": "session=secret"}, b"")
    site.html("/second", "done")
    assert (await fetched(named, site.url("/first"))).text == "done"
    headers = {
        "Host": f"127.0.0.1:{site.port}",
        "User-Agent": "agentkit",
        "Accept": "text/html, application/json, text/*;q=0.9, */*;q=0.1",
        "Accept-Encoding": "gzip",
        "Connection": "close",
    }
    assert site.seen == [("/first", headers), ("/second", headers)]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "é".encode(), "é"),
        ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
        ("text/plain; charset=windows-1251", "да".encode("cp1251"), "да"),
        ("text/plain; charset=shift_jis", "茶".encode("shift_jis"), "茶"),
        ("text/plain; charset=latin-1", b"\xef\xbb\xbf\xc3\xa9", "é"),
        ("text/plain", "é".encode("utf-16"), "é"),
        ("text/plain; charset=nonsense", "é".encode(), "é"),
        ("text/plain; charset=unicode_escape", b"\\u0041", "\\u0041"),
        ("text/plain; charset=zip", b"plain", "plain"),
        ("text/html", b'<meta charset="iso-8859-1"><p>\xe9', "é"),
        ("text/html", b'<meta http-equiv=x content="text/html; charset=koi8-r"><p>\xc4\xc1', "да"),
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/vnd.api+json", b"{}", "{}"),
        ("", b"plain", "plain"),
    ],
)
async def test_text_is_decoded_by_its_charset(site: Any, named: Any, content_type: str, body: bytes, text: str) -> None:
    site.pages["/page"] = (200, {"Content-Type": content_type} if content_type else {}, body)
    assert (await fetched(named, site.url("/page"))).text == text


async def test_an_error_page_is_handed_out_with_its_status(site: Any, named: Any) -> None:
    site.pages["/gone"] = (404, {"Content-Type": "text/plain"}, b"gone")
    assert await fetched(named, site.url("/gone")) == WebPage(site.url("/gone"), 404, "text/plain", "", "gone")


PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.9.9.9",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "2606:4700::1%1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_an_address_off_the_internet_is_refused(
    named: Any, names: Any, address: str
) -> None:
    names.answers["innocent.example"] = [[address]]
    names.answers["mixed.example"] = [["93.184.216.34", address]]
    for host in ("innocent.example", "mixed.example"):
        assert (
            await refused(named, f"http://{host}/")
            == f"'http://{host}/' is not on the public internet: such addresses may not be fetched."
        )


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "172.15.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
async def test_addresses_on_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "１２７.0.0.1",
    ],
)
async def test_no_spelling_of_loopback_gets_through(site: Any, named: Any, host: str) -> None:
    site.html("/", "inside")
    assert await refused(named, f"http://{host}:{site.port}/")
    assert site.seen == []


async def test_a_name_that_changes_its_answer_is_connected_to_by_the_one_that_was_checked(
    site: Any, named: Any, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.html("/", "inside")
    names.answers["rebinding.example"] = [["93.184.216.34"], ["127.0.0.1"]]
    connected: list[str] = []

    async def connect(*_: Any, **options: Any) -> Any:
        connected.append(options.get("remote_host") or options["host"])
        raise OSError("unreachable")

    import trio

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    assert "could not be fetched" in await refused(named, f"http://rebinding.example:{site.port}/")
    assert (connected, names.asked, site.seen) == (["93.184.216.34"], ["rebinding.example"], [])


async def test_a_name_is_resolved_once_for_each_hop_and_kept_in_the_host_header(
    site: Any, named: Any, names: Any
) -> None:
    names.answers["page.example"] = [["127.0.0.1"], ["192.0.2.1"]]
    site.html("/", "here")
    url = site.url("/", host="page.example")
    assert await fetched(named, url) == WebPage(url, 200, "text/html", "", "here")
    assert (names.asked, site.seen[0][1]["Host"]) == (["page.example"], f"page.example:{site.port}")


async def test_a_second_address_is_tried_when_the_first_does_not_answer(site: Any, named: Any, names: Any) -> None:
    names.answers["page.example"] = [["127.0.0.2", "127.0.0.1"]]
    site.html("/", "here")
    assert (await fetched(named, site.url("/", host="page.example"))).text == "here"


async def test_a_page_that_takes_too_long_to_parse_is_handed_out_as_far_as_it_was_read() -> None:
    assert readable("<title>T</title><p>text", deadline=time.monotonic() - 1) == Readable("", "", complete=False)
    assert readable("<title>T</title><p>text", deadline=time.monotonic() + 60) == Readable("T", "text")


async def test_each_redirect_is_resolved_and_checked_again(
    site: Any, named: Any, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first hop is public as far as the tool can tell; the second look-up of the same name leads inside.
    names.answers["page.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    monkeypatch.setattr("agentkit_tools.addresses.is_public", lambda address: str(address) == "127.0.0.1")
    site.pages["/"] = (302, {"Location": "/second"}, b"")
    url = site.url("/", host="page.example")
    sentence = f"What {url!r} redirects to is not on the public internet: such addresses may not be fetched."
    assert await refused(named, url) == sentence
    assert [path for path, _ in site.seen] == ["/"]


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("file:///etc/passwd", " redirects to is not an http or https address."),
        ("http://user:secret@other.example/", "A URL with a user name or a password in it may not be fetched."),
        ("http://other.example/", " redirects to is not on one of the hosts that may be fetched."),
        ("http://a:b/", " redirects to is not a URL."),
    ],
)
async def test_a_redirect_to_what_may_not_be_fetched_is_refused(
    site: Any, named: Any, location: str, sentence: str
) -> None:
    site.pages["/"] = (301, {"Location": location}, b"")
    assert (await refused(named, site.url("/"), allow_private=True, allow_hosts=["127.0.0.1"])).endswith(sentence)


@pytest.mark.parametrize(
    "page",
    [
        (302, {"Location": "ftp://obey-me.example/"}, b""),
        (302, {"Location": "http://obey-me.example/"}, b""),
        (302, {"Location": "http://obey-me:x/"}, b""),
        (200, {"Content-Type": "image/obey-me"}, b""),
        (200, {"Content-Type": "obey-me/obey-me"}, b""),
        (200, {"Content-Type": "text/plain", "Content-Encoding": "obey-me"}, b""),
        lambda handler: handler.wfile.write(b"obey-me\r\n\r\n"),
    ],
)
async def test_a_refusal_carries_no_word_of_the_server(site: Any, named: Any, page: Any) -> None:
    site.pages["/"] = page
    assert "obey-me" not in await refused(named, site.url("/"), allow_private=True)


async def test_five_redirects_are_followed_and_a_sixth_is_not(site: Any, named: Any) -> None:
    for number in range(6):
        site.pages[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    site.html("/6", "end")
    assert (await fetched(named, site.url("/1"))).url == site.url("/6")
    assert (
        await refused(named, site.url("/0"), allow_private=True) == f"{site.url('/0')!r} redirects more than 5 times."
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://example.com/x", "'ftp://example.com/x' is not an http or https address."),
        ("file:///etc/passwd", "'file:///etc/passwd' is not an http or https address."),
        ("example.com", "'example.com' is not a URL."),
        ("", "'' is not a URL."),
        ("http://", "'http://' is not an http or https address."),
        ("http://exa mple.com/\0", "'http://exa mple.com/\\x00' is not a URL."),
        ("http://example.com:99999999/", "'http://example.com:99999999/' is not an http or https address."),
        ("http://user@example.com/", "A URL with a user name or a password in it may not be fetched."),
        ("http://user:secret@example.com/", "A URL with a user name or a password in it may not be fetched."),
        ("http://example.com\\@127.0.0.1/", "A URL with a user name or a password in it may not be fetched."),
        ("https://" + "x" * 5000, f"{'https://' + 'x' * 192 + '...'!r} is not a URL."),
        (f"http://{'x' * 64}.example/", "cannot be found: its host has no address."),
        ("http://unknown.example/", "'http://unknown.example/' cannot be found: its host has no address."),
        ("http://empty.example/", "'http://empty.example/' cannot be found: its host has no address."),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_refused_with_a_sentence(
    named: Any, names: Any, url: str, sentence: str
) -> None:
    names.answers.update({"unknown.example": [[]], "empty.example": [[]]})
    assert sentence in await refused(named, url)


@pytest.mark.parametrize(
    ("allowed", "host", "fetched_or_not"),
    [
        (["example.com"], "example.com", True),
        (["Example.COM."], "EXAMPLE.com", True),
        (["example.com"], "www.example.com", False),
        ([".example.com"], "www.example.com", True),
        ([".example.com"], "badexample.com", False),
        (["bücher.example"], "xn--bcher-kva.example", True),
        (["xn--bcher-kva.example"], "bücher.example", True),
        ([], "example.com", False),
    ],
)
async def test_only_allowed_hosts_are_fetched(
    site: Any, named: Any, names: Any, allowed: list[str], host: str, fetched_or_not: bool
) -> None:
    for name in ("example.com", "www.example.com", "badexample.com", "xn--bcher-kva.example"):
        names.answers[name] = [["127.0.0.1"]]
    site.html("/", "here")
    url = site.url("/", host=host)
    if fetched_or_not:
        assert (await fetched(named, url, allow_hosts=allowed)).text == "here"
    else:
        sentence = f"{url!r} is not on one of the hosts that may be fetched."
        assert await refused(named, url, allow_private=True, allow_hosts=allowed) == sentence


async def test_a_page_is_read_up_to_the_limit_and_says_so(site: Any, named: Any) -> None:
    site.pages["/10"] = (200, {"Content-Type": "text/plain"}, b"0123456789")
    site.pages["/11"] = (200, {"Content-Type": "text/plain"}, b"01234567890")
    whole, cut = (
        await fetched(named, site.url("/10"), max_bytes=10),
        await fetched(named, site.url("/11"), max_bytes=10),
    )
    assert (whole.text, whole.complete, cut.text, cut.complete) == ("0123456789", True, "0123456789", False)


async def test_a_page_without_an_end_is_cut(site: Any, named: Any) -> None:
    ended = threading.Event()

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 1000)
        finally:
            ended.set()

    site.pages["/"] = endless
    page = await fetched(named, site.url("/"), max_bytes=5000)
    assert (page.text, page.complete) == ("x" * 5000, False)
    assert await anyio.to_thread.run_sync(ended.wait, 5)


def _gzipped(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def _bomb(size: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        for _ in range(size // 1_000_000):
            file.write(b"\0x" * 500_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("body", "text", "complete"),
    [
        (_gzipped(b"tea"), "tea", True),
        (_gzipped(b"green ", b"tea"), "green tea", True),
        (_gzipped(b"tea") + b"\0\0", "tea", True),
        (_gzipped(b"x" * 5000), "x" * 2000, False),
    ],
)
async def test_a_compressed_page_is_inflated(site: Any, named: Any, body: bytes, text: str, complete: bool) -> None:
    site.pages["/"] = (200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, body)
    page = await fetched(named, site.url("/"), max_bytes=2000)
    assert (page.text, page.complete) == (text, complete)


async def test_a_decompression_bomb_takes_no_more_memory_than_the_limit(site: Any, named: Any) -> None:
    import tracemalloc

    site.pages["/"] = (200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, _bomb(200_000_000))
    tracemalloc.start()
    try:
        page = await fetched(named, site.url("/"), max_bytes=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(page.text), page.complete, peak < 20_000_000) == (1_000_000, False, True)


@pytest.mark.parametrize(
    ("headers", "body", "sentence"),
    [
        ({"Content-Type": "image/png"}, b"png", "is of the kind 'image', not text."),
        ({"Content-Type": "application/octet-stream"}, b"x", "is of the kind 'application', not text."),
        ({}, b"a\0b", "is binary, not text."),
        (
            {"Content-Type": "text/plain", "Content-Encoding": "br"},
            b"x",
            "The page is compressed in a way that was not asked for and cannot be read.",
        ),
        (
            {"Content-Type": "text/plain", "Content-Encoding": "gzip"},
            b"no gzip" * 999,
            "The page's compressed data is broken",
        ),
        (
            {"Content-Type": "text/plain", "Content-Encoding": "gzip"},
            zlib.compress(b"x"),
            "The page's compressed data is broken",
        ),
    ],
)
async def test_what_is_not_text_is_refused(
    site: Any, named: Any, headers: dict[str, str], body: bytes, sentence: str
) -> None:
    site.pages["/"] = (200, headers, body)
    assert sentence in await refused(named, site.url("/"), allow_private=True)


def _drops(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def _no_http(handler: Any) -> None:
    handler.wfile.write(b"SSH-2.0-nothing\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("answer", [_drops, _no_http])
async def test_a_broken_answer_is_a_sentence(site: Any, named: Any, answer: Callable[[Any], None]) -> None:
    site.pages["/"] = answer
    assert f"{site.url('/')!r} could not be fetched (" in await refused(named, site.url("/"), allow_private=True)


async def test_a_server_that_never_answers_is_given_up(site: Any, named: Any) -> None:
    released = threading.Event()
    site.pages["/"] = lambda handler: released.wait(5)
    try:
        sentence = await refused(named, site.url("/"), allow_private=True, timeout=0.1)
    finally:
        released.set()
    assert sentence == f"{site.url('/')!r} took longer than 0.1 s."


@pytest.mark.parametrize(
    "html",
    [
        "<!--a" * 60_000,
        "<a" * 150_000,
        "<" * 300_000,
        "<div>" * 60_000,
        "<script>" + "x" * 300_000,
        "&" * 300_000,
        "<a b='" * 50_000,
    ],
)
async def test_a_hostile_page_does_not_hang_the_parser(site: Any, named: Any, html: str) -> None:
    site.html("/", f"<p>tea</p>{html}")
    assert (await fetched(named, site.url("/"), timeout=4)).text.startswith("tea")


async def test_an_https_page_is_checked_against_its_name_and_not_its_address(
    site: Any, named: Any, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(__file__).parent / "tls"
    monkeypatch.setenv("SSL_CERT_FILE", str(here / "certificate.pem"))
    names.answers.update({"page.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    site.html("/", "safe")
    asked = site.use_tls(here / "certificate.pem", here / "key.pem")
    assert (await fetched(named, f"https://page.example:{site.port}/")).text == "safe"
    for host in ("other.example", "127.0.0.1"):
        url = f"https://{host}:{site.port}/"
        sentence = f"{url!r} could not be fetched (no secure connection: its certificate does not hold)."
        assert await refused(named, url, allow_private=True) == sentence
    assert asked[0] == "page.example"
