"""Who owns connections: one pool for each running event loop, never shared between loops.

A pool lives until `async with agent:` or `async with model:` ends in its loop, else as long as the loop: each pool is
tied to an async generator, which asyncio and trio both finalise when the loop ends.
"""

import ssl
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import RunVar, current_token

from agentkit.transport.http import HttpClient, HttpRequest, HttpResponse

if TYPE_CHECKING:
    import httpx

# What keeps the pools of a loop alive as long as the loop, when the transport itself is dropped before.
_OPEN: RunVar["frozenset[_Pool]"] = RunVar("agentkit.transport.open", frozenset())


class Transport:
    """Sends requests from whatever event loop is running, each loop on connections of its own.

    `http_client` is used as it is and stays the caller's to close. `proxy`, `verify` (True, False, a CA file or a
    context), HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE mean what they mean to httpx.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
        http_client: "httpx.AsyncClient | None" = None,
    ) -> None:
        self._proxy = proxy
        self._verify = verify
        self._http_client = http_client
        self._pools: dict[object, _Pool] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, once its headers have come; see `HttpClient.send`."""
        key = current_token().native_token
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = await self._open(key)
        return await pool.client.send(request)

    async def aclose(self) -> None:
        """Close this loop's connections. The next request opens new ones."""
        pool = self._pools.get(current_token().native_token)
        if pool is not None:
            await pool.lifetime.aclose()

    async def _open(self, key: object) -> "_Pool":
        from agentkit.transport.httpx_client import HttpxClient

        client = HttpxClient(proxy=self._proxy, verify=self._verify, client=self._http_client)
        lifetime = self._lifetime(key, client)
        await anext(lifetime)
        pool = _Pool(client, lifetime)
        _OPEN.set(_OPEN.get() | {pool})
        return pool

    async def _lifetime(self, key: object, client: HttpClient) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            _OPEN.set(_OPEN.get() - {self._pools.pop(key, None)})
            with anyio.CancelScope(shield=True):
                await client.aclose()


class _Pool:
    __slots__ = ("client", "lifetime")

    def __init__(self, client: HttpClient, lifetime: AsyncGenerator[None, None]) -> None:
        self.client = client
        self.lifetime = lifetime
