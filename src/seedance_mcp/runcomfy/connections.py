"""The pool of connections to RunComfy, each of which carries one request at a time."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import anyio
import httpx
from anyio import to_thread

from seedance_mcp import __version__
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.http_heads import bound_heads
from seedance_mcp.proxies import Proxies, read_proxies
from seedance_mcp.text import one_line

Transport = httpx.AsyncBaseTransport
"""A replacement for the network, for tests."""

MAX_CONNECTIONS = 100
"""How many requests may be under way; further ones wait for a free connection."""

KEEP_ALIVE_SECONDS = 5.0
"""How long an idle connection is kept, about as long as servers keep theirs."""


class Connections:
    """A pool that opens connections on demand and reuses them.

    Each is an httpx client of its own. In a client shared by hundreds of requests, httpx scans all
    connections and waiting requests at every start and end of one, which takes many times as long
    as the requests themselves.
    """

    def __init__(self, client: Callable[[], httpx.AsyncClient]) -> None:
        self._client = client
        # Made now, so that a wrong configuration fails when the service opens.
        self._idle = [(client(), anyio.current_time() + KEEP_ALIVE_SECONDS)]
        self._slots = anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)

    @asynccontextmanager
    async def acquire(
        self, *, timeout: float, fresh: bool = False
    ) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Yield a connection for one request, preferably the one used last.

        A `fresh` one is opened for it: a kept one RunComfy may be closing at this moment, and then
        it cannot be known whether a request that is sent over it was read.

        Raises:
            httpx.PoolTimeout: None became free within `timeout` seconds.
        """
        with anyio.move_on_after(timeout) as waiting:
            await self._slots.acquire()
        if waiting.cancelled_caught:
            raise httpx.PoolTimeout(f"{MAX_CONNECTIONS} requests are under way.")
        try:
            # Before the request: after it, an error here would lose an answer that was paid for.
            await self._close_idle(one_more=fresh)
            client = self._idle.pop()[0] if self._idle and not fresh else self._client()
            try:
                yield client
            finally:
                self._idle.append((client, anyio.current_time() + KEEP_ALIVE_SECONDS))
        finally:
            self._slots.release()

    async def _close_idle(self, *, one_more: bool) -> None:
        """Close what has expired, and at least one if one more is opened, or they would pile up."""
        while self._idle and (one_more or self._idle[0][1] < anyio.current_time()):
            one_more = False
            client, _ = self._idle.pop(0)
            # A connection that fails to close is dropped all the same.
            with suppress(httpx.HTTPError, OSError, anyio.BrokenResourceError):
                await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        # By now no request is under way, so every connection is idle.
        for client, _ in self._idle:
            await client.aclose()


async def open_connections(base_url: str, transport: Transport | None) -> Connections:
    """Return connections to an origin, with the proxy and certificates of the environment.

    Both are used only for https: over plain http a proxy could read the token.

    Raises:
        ConfigurationError: The environment's proxy or certificates are unusable.
    """
    # Where nothing is encrypted: http leads only to this machine, and a transport is a test's.
    certificates: ssl.SSLContext | None = None
    try:
        if base_url.startswith("https:") and transport is None:
            # Reading the certificates takes 50 ms, so it is done once and in a thread.
            certificates = await to_thread.run_sync(
                httpx.create_ssl_context, abandon_on_cancel=True
            )
        return Connections(partial(_client, transport, certificates, read_proxies()))
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        # What httpx says of an invalid URL may be a part of a proxy's password.
        why = "the URL is invalid" if isinstance(error, httpx.InvalidURL) else str(error)
        raise ConfigurationError(
            "The proxy or the certificates that the environment names (HTTPS_PROXY, ALL_PROXY,"
            f" SSL_CERT_FILE, SSL_CERT_DIR) cannot be used: {one_line(why, 200)}."
        ) from error


def _client(
    transport: Transport | None, certificates: ssl.SSLContext | None, proxies: Proxies
) -> httpx.AsyncClient:
    return bound_heads(
        httpx.AsyncClient(
            transport=transport,
            verify=certificates or False,
            mounts=proxies.mounts(certificates) if certificates else None,
            headers={"User-Agent": f"seedance-mcp/{__version__}"},
            # A cookie would go with the requests of other tokens, too.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )
    )
