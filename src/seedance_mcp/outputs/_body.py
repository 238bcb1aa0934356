"""The body of a response in large pieces, each of which is copied once."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpcore
import httpx

READ_BYTES = 1024 * 1024  # of what has arrived, at once


async def body(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a body, after which its connection is of no more use.

    httpx copies each 64 KiB three times, so with it a fast download takes twice as long. Where the
    head says how long the body is, httpx reads only the first piece, and the rest is read here.

    Raises:
        httpx.TransportError: The connection broke, or nothing came for too long.
    """
    length, connection = _length(response.headers), response.extensions.get("network_stream")
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            yield piece
            if length is None or connection is None:
                continue
            # By now nothing is left in httpx's buffer.
            left = length - len(piece)
            while left > 0:
                part = await _read(connection, response, left)
                left -= len(part)
                yield part
            return


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for piece in response.aiter_raw():
        yield piece


def _length(headers: httpx.Headers) -> int | None:
    """Return the length of a body that is sent as it is, None if it is not known in advance."""
    length = headers.get("Content-Length", "")
    plain = "Transfer-Encoding" not in headers and re.fullmatch(r"[0-9]{1,18}", length)
    return int(length) if plain else None


async def _read(connection: Any, response: httpx.Response, left: int) -> bytes:
    """Read a part of what is left, with httpx's exceptions in place of those below it."""
    timeout = response.request.extensions.get("timeout", {}).get("read")
    try:
        part: bytes = await connection.read(min(left, READ_BYTES), timeout=timeout)
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error), request=response.request) from error
    except httpcore.NetworkError as error:
        raise httpx.ReadError(str(error), request=response.request) from error
    if not part:
        raise httpx.RemoteProtocolError("The body ended too early.", request=response.request)
    return part
