"""Reads as much of an image behind a URL as its type and size need: seldom more than 64 KB."""

import re
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
from anyio.lowlevel import checkpoint

from seedance_mcp.text import quoted

from ._errors import NotAnImage, UnsupportedImage, UnusableImage, Unverifiable
from ._fetcher import Fetcher, interrupted
from ._image_header import Header, read_header

FIRST_REQUEST_BYTES = 64 * 1024
"""What is requested first; few images have their size further in."""

PARSE_STEP_BYTES = 16 * 1024
"""How many more bytes must arrive before the header is parsed again."""

MAX_STEPPED_BYTES = 256 * 1024
"""Up to here the header is parsed at every step; after that, at each doubling."""

_PARTIAL, _NO_SUCH_RANGE = 206, 416
# Seen in Content-Encoding where the body is not encoded at all.
_NOT_ENCODED = frozenset({"", "identity", "none", "utf-8", "binary", "aws-chunked"})
_CONTENT_RANGE = re.compile(r"\s*bytes[ =:]\s*([0-9]{1,19})\s*-", re.IGNORECASE | re.ASCII)
_FINAL_ERRORS = frozenset({400, 401, 402, 403, 404, 410, 414, 451})
# What some hosts, and firewalls in front of them, answer to a range alone. RunComfy need not send
# one, so nothing is refused for such an answer. Left out is what means "later", such as 503.
_RANGE_REFUSED = _FINAL_ERRORS | {405, 406, 412, _NO_SUCH_RANGE, 417, 500, 501}
_MAX_LENGTH_DIGITS = 19


class RemoteImage:
    """An image behind a URL, of which no more is read than is needed."""

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        self._content_type = ""
        self._fetcher = fetcher
        self._url = url
        self._content_length: int | None = None
        self._bytes_read = 0
        self._chunks = self._read_decoded()

    async def aclose(self) -> None:
        await self._chunks.aclose()

    async def read_header(self, limit: float) -> Header | None:
        """Read an image's type and size, None where they are not in its first `limit` bytes.

        Raises:
            UnusableImage: It is not an image, or does not exist.
            BlockedAddress: The URL leads to an address that is not allowed.
            Unverifiable: The host did not send enough of it.
        """
        try:
            return await self._read_header(limit)
        except NotAnImage as error:
            kind = f" ({quoted(self._content_type)})" if self._content_type else ""
            raise UnusableImage(f"it is {error}{kind}") from None
        except UnsupportedImage as error:
            raise Unverifiable(f"it is of type {error}, which cannot be measured here") from None

    async def _read_header(self, limit: float) -> Header | None:
        data, parse_at = bytearray(), 0
        try:
            async for chunk in self._chunks:
                # Buffered chunks come without a pause: this lets deadlines and other calls in.
                await checkpoint()
                data += chunk
                self._bytes_read += len(chunk)
                if len(data) >= parse_at:
                    if header := read_header(data, whole=False):
                        return header
                    parse_at = _next_parse(len(data))
                if self._bytes_read > limit:
                    return None
        except Unverifiable:
            if header := read_header(data, whole=False):
                return header
            raise
        return read_header(data, whole=True)

    async def count_bytes(self, limit: float) -> tuple[int, bool]:
        """Return the size in bytes, and whether counting stopped there, at the limit."""
        if self._content_length is not None:
            return self._content_length, False
        while self._bytes_read < limit:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return self._bytes_read, False
            await checkpoint()
            self._bytes_read += len(chunk)
        return int(limit), True

    async def _read_decoded(self) -> AsyncGenerator[bytes, None]:
        response = await self._request(0, FIRST_REQUEST_BYTES - 1)
        try:
            encoding = self._read_head(response)
        except (UnusableImage, Unverifiable):
            await response.aclose()
            raise
        async with aclosing(self._read_raw(response)) as raw:
            try:
                decoded = raw if encoding in _NOT_ENCODED else _inflated(raw, encoding)
                async with aclosing(decoded):
                    async for chunk in decoded:
                        yield chunk
            except zlib.error:
                raise UnusableImage(f"its host sends it as {encoding}, but it is not") from None

    async def _request(self, first: int, last: int | str) -> httpx.Response:
        """Request a part; where its host refuses that, the whole file, to be read no further."""
        response = await self._fetcher.get(self._url, f"bytes={first}-{last}")
        at_end = response.status_code == _NO_SUCH_RANGE and (first or _is_empty(response))
        if response.status_code not in _RANGE_REFUSED or at_end:
            return response
        await response.aclose()
        return await self._fetcher.get(self._url, None)

    def _read_head(self, response: httpx.Response) -> str:
        """Read an answer's status and headers, and return the content encoding."""
        self._content_type = response.headers.get("Content-Type", "").partition(";")[0]
        total = _total_bytes(response)
        if _is_empty(response):
            raise UnusableImage("it is empty")
        if response.status_code in _FINAL_ERRORS:
            raise UnusableImage(f"its host answered {response.status_code}")
        if not response.is_success:
            raise Unverifiable(f"its host answered {response.status_code}")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in _NOT_ENCODED | {"gzip", "x-gzip", "deflate"}:
            raise Unverifiable(f"its host encodes it as {quoted(encoding)}")
        if response.status_code == _PARTIAL and _first_byte(response) != 0:
            raise Unverifiable("its host sent another part than requested")
        self._content_length = total if encoding in _NOT_ENCODED else None
        return encoding

    async def _read_raw(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they are sent; after a part, request the rest."""
        length, total = 0, _total_bytes(response)
        async with aclosing(_body(response)) as body:
            async for chunk in body:
                length += len(chunk)
                yield chunk
        # A host that sends less than requested, and no total, has sent all that there is.
        expected = total if total is not None else length + (length >= FIRST_REQUEST_BYTES)
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


def _next_parse(length: int) -> int:
    # The header is parsed from its beginning each time. Doing so at every chunk would let a host
    # that drips single bytes keep the event loop busy.
    return 2 * length if length > MAX_STEPPED_BYTES else min(2 * length, length + PARSE_STEP_BYTES)


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
            yield inflater.decompress(left, FIRST_REQUEST_BYTES)
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
