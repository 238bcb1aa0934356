"""A bound on what a server may send before the head of its answer.

HTTP allows any number of informational answers (1xx) before the final one, and httpx reads them
all, however many, before it returns.
"""

import re
from typing import Any, TypeVar

import httpx

MAX_HEADS_BYTES = 64 * 1024
"""How long the informational answers to a request may be together."""

_FINAL = re.compile(rb"(\A|\n\r?\n)HTTP/[0-9.]+ +[2-9]")


T = TypeVar("T", httpx.AsyncClient, httpx.AsyncBaseTransport)


def bound_heads(http: T) -> T:
    """Return a client or a transport that raises `httpx.RemoteProtocolError` beyond the bound."""
    # httpx has no argument for the network that its transports open connections with.
    if isinstance(http, httpx.AsyncClient):
        for transport in (vars(http)["_transport"], *vars(http)["_mounts"].values()):
            if transport:
                bound_heads(transport)
    elif pool := vars(http).get("_pool"):
        pool._network_backend = _Network(pool._network_backend)  # noqa: SLF001
    return http


class _Wrapper:
    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class _Network(_Wrapper):
    """httpcore's network, whose connections count."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> "_Connection":
        return _Connection(await self._wrapped.connect_tcp(*args, **kwargs))


class _Connection(_Wrapper):
    """A connection that counts what it reads after a request until the final head begins."""

    _heads: bytes | None = b""

    async def start_tls(self, *args: Any, **kwargs: Any) -> "_Connection":
        return _Connection(await self._wrapped.start_tls(*args, **kwargs))

    async def write(self, *args: Any, **kwargs: Any) -> None:
        self._heads = b""
        await self._wrapped.write(*args, **kwargs)

    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        received: bytes = await self._wrapped.read(*args, **kwargs)
        if self._heads is not None:
            self._heads += received
            if _FINAL.search(self._heads):
                self._heads = None
            elif len(self._heads) > MAX_HEADS_BYTES:
                raise httpx.RemoteProtocolError("Too many informational answers.")
        return received
