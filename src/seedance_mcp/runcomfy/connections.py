"""The connections to the service, each of which carries one request at a time."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from types import TracebackType
from typing import Self

import anyio
import httpx

from seedance_mcp import __version__
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.text import one_line

Transport = httpx.AsyncBaseTransport
"""How HTTP requests leave, where it is not the network."""

MOST_AT_ONCE = 100
"""How many requests may be under way; those beyond wait for their turn."""

IDLE_SECONDS = 5.0
"""How long one is kept that nobody needs, about as long as services keep theirs."""


class Connections:
    """Connections that are opened when they are needed, and kept for the next request.

    Each is an httpx client of its own. Of a client that all requests share, httpx looks at every
    connection and every waiting request whenever a request comes or goes, which with hundreds of
    them takes many times as long as the requests themselves.

    Args:
        client: Makes an httpx client.
    """

    def __init__(self, client: Callable[[], httpx.AsyncClient]) -> None:
        self._client = client
        # Made now, so that what is wrong with the configuration is known from the start.
        self._idle = [(client(), inf)]
        self._turns = anyio.Semaphore(MOST_AT_ONCE, fast_acquire=True)

    @asynccontextmanager
    async def one(self, *, patience: float) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Have a connection for one request, the one used last if it is free.

        Args:
            patience: How long to wait for it, in seconds.

        Raises:
            httpx.PoolTimeout: None was free in time.
        """
        with anyio.move_on_after(patience) as waiting:
            await self._turns.acquire()
        if waiting.cancelled_caught:
            raise httpx.PoolTimeout(f"{MOST_AT_ONCE} requests are under way.")
        client: httpx.AsyncClient | None = None
        try:
            # Before the request: after it, a fault here would lose an answer that was paid for.
            await self._close_unneeded()
            client = self._idle.pop()[0] if self._idle else self._client()
            yield client
        finally:
            if client is not None:
                self._idle.append((client, anyio.current_time() + IDLE_SECONDS))
            self._turns.release()

    async def _close_unneeded(self) -> None:
        """Close those that have lain idle, the longest idle first."""
        while self._idle and self._idle[0][1] < anyio.current_time():
            client, _ = self._idle.pop(0)
            # What cannot be closed is thrown away all the same.
            with suppress(httpx.HTTPError, OSError, anyio.BrokenResourceError):
                await client.aclose()

    async def __aenter__(self) -> Self:
        """Take them into use."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close them all, once no request is under way."""
        for client, _ in self._idle:
            await client.aclose()


def open_connections(base_url: str, transport: Transport | None) -> Connections:
    """Return connections to an origin, with the proxy and certificates of the environment.

    A proxy is used only for https, where it cannot read along.

    Args:
        base_url: The origin.
        transport: How requests leave; None for the network.

    Raises:
        ConfigurationError: The environment's proxy or certificates cannot be used.
    """
    trust_env = base_url.startswith("https:")
    try:
        # Reading the certificates takes longer than all else, so it is done once.
        certificates = transport is None and httpx.create_ssl_context(trust_env=trust_env)
        return Connections(
            lambda: httpx.AsyncClient(
                transport=transport,
                verify=certificates,
                headers={"User-Agent": f"seedance-mcp/{__version__}"},
                trust_env=trust_env,
            )
        )
    except (ImportError, OSError, ValueError) as error:
        raise ConfigurationError(
            "The proxy or the certificates that the environment names (HTTPS_PROXY, ALL_PROXY,"
            f" SSL_CERT_FILE, SSL_CERT_DIR) cannot be used: {one_line(str(error), 200)}."
        ) from error
