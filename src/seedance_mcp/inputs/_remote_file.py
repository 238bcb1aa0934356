"""Reads a file behind a URL as far as it is needed."""

import re
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
from anyio.lowlevel import checkpoint

from seedance_mcp.text import quoted

from ._errors import UnusableFile, Unverifiable
from ._fetcher import Fetcher, interrupted

INFLATED_STEP_BYTES = 64 * 1024
"""How many bytes are inflated at once."""

_PARTIAL, _NO_SUCH_RANGE = 206, 416
# Seen in Content-Encoding where the body is not encoded at all.
_NOT_ENCODED = frozenset({"", "identity", "none", "utf-8", "binary", "aws-chunked"})
_CONTENT_RANGE = re.compile(r"\s*bytes[ =:]\s*([0-9]{1,19})\s*-", re.IGNORECASE | re.ASCII)
_FINAL_ERRORS = frozenset({400, 401, 402, 403, 404, 410, 414, 451})
# What some hosts, and firewalls in front of them, answer to a range alone. RunComfy need not send
# one, so nothing is refused for such an answer. Left out is what means "later", such as 503.
_RANGE_REFUSED = _FINAL_ERRORS | {405, 406, 412, _NO_SUCH_RANGE, 417, 500, 501}
_MAX_LENGTH_DIGITS = 19


class RemoteFile:
    """A file behind a URL, of which no more is read than is needed.

    `accept` is what its host is asked for, and `first_bytes` how much of it at first, the rest only
    when it is read. `media_type` and `byte_size` are what the host said, known once bytes are read.
    """

    def __init__(self, fetcher: Fetcher, url: str, *, accept: str, first_bytes: int) -> None:
        self.media_type = ""
        self.byte_size: int | None = None
        self._fetcher = fetcher
        self._url = url
        self._accept = accept
        self._first_bytes = first_bytes
        self._bytes_read = 0
        self._chunks = self._read_decoded()

    async def aclose(self) -> None:
        await self._chunks.aclose()

    async def read_chunk(self) -> bytes | None:
        """Read the next bytes, which may be none; None at the end.

        Raises:
            UnusableFile: It does not exist.
            BlockedAddress: The URL leads to an address that is not allowed.
            Unverifiable: The host did not send them.
        """
        chunk = await anext(self._chunks, None)
        # Buffered chunks come without a pause: this lets deadlines and other calls in.
        await checkpoint()
        self._bytes_read += len(chunk or b"")
        return chunk

    async def count_bytes(self, limit: float) -> tuple[int, bool]:
        """Return the size in bytes, and whether counting stopped there, at the limit."""
        if self.byte_size is not None:
            return self.byte_size, False
        while self._bytes_read < limit:
            if await self.read_chunk() is None:
                return self._bytes_read, False
        return int(limit), True

    async def _read_decoded(self) -> AsyncGenerator[bytes, None]:
        response = await self._request(0, self._first_bytes - 1)
        try:
            encoding = self._read_head(response)
        except (UnusableFile, Unverifiable):
            await response.aclose()
            raise
        async with aclosing(self._read_raw(response)) as raw:
            try:
                decoded = raw if encoding in _NOT_ENCODED else _inflated(raw, encoding)
                async with aclosing(decoded):
                    async for chunk in decoded:
                        yield chunk
            except zlib.error:
                raise UnusableFile(f"its host sends it as {encoding}, but it is not") from None

    async def _request(self, first: int, last: int | str) -> httpx.Response:
        """Request a part; where its host refuses that, the whole file, to be read no further."""
        response = await self._get(f"bytes={first}-{last}")
        at_end = response.status_code == _NO_SUCH_RANGE and (first or _is_empty(response))
        if response.status_code not in _RANGE_REFUSED or at_end:
            return response
        await response.aclose()
        return await self._get(None)

    async def _get(self, span: str | None) -> httpx.Response:
        return await self._fetcher.get(self._url, span, accept=self._accept)

    def _read_head(self, response: httpx.Response) -> str:
        """Read an answer's status and headers, and return the content encoding."""
        self.media_type = response.headers.get("Content-Type", "").partition(";")[0]
        total = _total_bytes(response)
        if _is_empty(response):
            raise UnusableFile("it is empty")
        if response.status_code in _FINAL_ERRORS:
            raise UnusableFile(f"its host answered {response.status_code}")
        if not response.is_success:
            raise Unverifiable(f"its host answered {response.status_code}")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in _NOT_ENCODED | {"gzip", "x-gzip", "deflate"}:
            raise Unverifiable(f"its host encodes it as {quoted(encoding)}")
        if response.status_code == _PARTIAL and _first_byte(response) != 0:
            raise Unverifiable("its host sent another part than requested")
        self.byte_size = total if encoding in _NOT_ENCODED else None
        return encoding

    async def _read_raw(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they are sent; after a part, request the rest."""
        length, total = 0, _total_bytes(response)
        async with aclosing(_body(response)) as body:
            async for chunk in body:
                length += len(chunk)
                yield chunk
        # A host that sends less than requested, and no total, has sent all that there is.
        expected = total if total is not None else length + (length >= self._first_bytes)
        if response.status_code != _PARTIAL or length >= expected:
            return
        rest = await self._request(length, "")
        if rest.status_code == _NO_SUCH_RANGE:  # the part was the whole
            await rest.aclose()
            return
        skip = length - _first_byte(rest)
        if not rest.is_success or skip < 0:
            await rest.aclose()
            raise Unverifiable(f"its host answered {rest.status_code} to a request for the rest")
        async with aclosing(_body(rest)) as body:
            async for chunk in body:
                yield chunk[skip:]
                skip = max(0, skip - len(chunk))


async def _body(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        raise interrupted(error) from error
    finally:
        await response.aclose()


async def _inflated(raw: AsyncGenerator[bytes, None], encoding: str) -> AsyncGenerator[bytes, None]:
    """Yield inflated pieces of bounded size, so that a decompression bomb cannot fill memory."""
    inflater, left = None, b""
    async for chunk in raw:
        left += chunk
        if inflater is None and len(left) < 2:  # the length of a zlib header
            continue
        inflater = inflater or zlib.decompressobj(wbits=_wbits(left, encoding))
        while left and not inflater.eof:
            yield inflater.decompress(left, INFLATED_STEP_BYTES)
            left = inflater.unconsumed_tail
        left = b""


def _wbits(start: bytes, encoding: str) -> int:
    # Some hosts send a deflate without its zlib header (RFC 1950).
    headless = encoding == "deflate" and (start[0] & 0x0F != 8 or int.from_bytes(start[:2]) % 31)
    return -15 if headless else 47  # 47 detects gzip or zlib by the header


def _total_bytes(response: httpx.Response) -> int | None:
    """Return the size of the whole file, None where the headers do not say."""
    if response.status_code in {_PARTIAL, _NO_SUCH_RANGE}:
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    valid = text.isascii() and text.isdigit() and len(text) <= _MAX_LENGTH_DIGITS
    return int(text) if valid else None


def _is_empty(response: httpx.Response) -> bool:
    # A range of a file without bytes is refused; then the total is 0.
    return response.status_code == _NO_SUCH_RANGE and _total_bytes(response) == 0


def _first_byte(response: httpx.Response) -> int:
    """Return the offset of an answer's first byte, -1 if unknown."""
    if response.status_code != _PARTIAL:
        return 0
    span = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(span[1]) if span else -1
