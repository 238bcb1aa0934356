"""As much of an image behind a URL as its type and size take: seldom more than 64 KB of it."""

import re
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import httpx
from anyio.lowlevel import checkpoint

from seedance_mcp.text import one_line

from ._errors import NotAnImage, UnsupportedImage, UnusableImage, Unverifiable
from ._fetcher import Fetcher, broken_off
from ._image_header import Header, read_header

FIRST_BYTES = 64 * 1024
"""What is asked for first; few images have their size further in."""

LOOK_STEP = 16 * 1024
"""How much more may come before what is there is looked at again, up to `STEPS_END`."""

STEPS_END = 256 * 1024
"""Up to where there is a look at every step; further on, at each doubling."""

_PARTIAL, _NO_SUCH_RANGE = 206, 416
_DISLIKING_RANGES = frozenset({400, _NO_SUCH_RANGE})
_AS_IT_IS = frozenset({"", "identity", "none", "utf-8", "binary", "aws-chunked"})
_SPAN = re.compile(r"\s*bytes[ =:]\s*([0-9]{1,19})\s*-", re.IGNORECASE | re.ASCII)
_REFUSING = frozenset({400, 401, 402, 403, 404, 410, 414, 451})


@asynccontextmanager
async def reading(fetcher: Fetcher, url: str) -> AsyncGenerator["Reading", None]:
    """Open what a URL leads to, for as much of it as will be asked for."""
    opened = Reading(fetcher, url)
    async with aclosing(opened.chunks):
        yield opened


class Reading:
    """What a URL leads to, read as far as is asked for.

    Attributes:
        chunks: Its bytes, from the first on.
        content_type: What the host calls it, once something was read.
    """

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        self.content_type = ""
        self._fetcher = fetcher
        self._url = url
        self._promised: int | None = None
        self._read = 0
        self.chunks = self._decoded()

    async def header(self, limit: float) -> Header | None:
        """Read until the image's type and size are known.

        Returns:
            The header, or None where it does not stand within so many bytes.

        Raises:
            UnusableImage: It is no image.
            BlockedAddress: It leads where nothing may be fetched.
            Unverifiable: It cannot be told what there is.
        """
        try:
            return await self._told(limit)
        except NotAnImage as error:
            kind = f" ({self.content_type})" if self.content_type else ""
            raise UnusableImage(f"it is {error}{kind}") from None
        except UnsupportedImage as error:
            raise Unverifiable(f"it is of type {error}, which is not measured here") from None

    async def _told(self, limit: float) -> Header | None:
        data, again = bytearray(), 0
        try:
            async for chunk in self.chunks:
                # What has come is given without a pause: here a deadline, and other calls, get in.
                await checkpoint()
                data += chunk
                self._read += len(chunk)
                if len(data) >= again:
                    if header := read_header(data, whole=False):
                        return header
                    again = _next_look(len(data))
                if self._read > limit:
                    return None
        except Unverifiable:
            if header := read_header(data, whole=False):
                return header
            raise
        return read_header(data, whole=True)

    async def byte_size(self, limit: float) -> tuple[int, bool]:
        """Tell the size in bytes: as the host says it, else counted up to a limit.

        Returns:
            The size, and whether there may be more than that.
        """
        if self._promised is not None:
            return self._promised, False
        while self._read < limit:
            chunk = await anext(self.chunks, None)
            if chunk is None:
                return self._read, False
            await checkpoint()
            self._read += len(chunk)
        return int(limit), True

    async def _decoded(self) -> AsyncGenerator[bytes, None]:
        response = await self._fetcher.get(self._url, f"bytes=0-{FIRST_BYTES - 1}")
        if response.status_code in _DISLIKING_RANGES and not _is_empty(response):
            await response.aclose()
            response = await self._fetcher.get(self._url, None)
        try:
            encoding = self._learn(response)
        except (UnusableImage, Unverifiable):
            await response.aclose()
            raise
        async with aclosing(self._raw(response)) as raw:
            if encoding in _AS_IT_IS:
                async for chunk in raw:
                    yield chunk
                return
            try:
                async with aclosing(_inflated(raw, encoding)) as inflated:
                    async for chunk in inflated:
                        yield chunk
            except zlib.error:
                raise UnusableImage(f"it is no {encoding}, as which its host sends it") from None

    def _learn(self, response: httpx.Response) -> str:
        """Learn from the answer's head what there is, and how it is encoded."""
        self.content_type = one_line(response.headers.get("Content-Type", "").partition(";")[0])
        total = _total(response)
        if _is_empty(response):
            raise UnusableImage("it is empty")
        if response.status_code in _REFUSING:
            raise UnusableImage(f"its host answers {response.status_code}")
        if not response.is_success:
            raise Unverifiable(f"its host answers {response.status_code}")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in _AS_IT_IS | {"gzip", "x-gzip", "deflate"}:
            raise Unverifiable(f"its host sends it as {one_line(encoding)}")
        if response.status_code == _PARTIAL and _start(response) != 0:
            raise Unverifiable("its host sends another part than was asked for")
        self._promised = total if encoding in _AS_IT_IS else None
        return encoding

    async def _raw(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Give the bytes as they are sent; where only a part was, ask for the rest."""
        length, total = 0, _total(response)
        async with aclosing(_body(response)) as body:
            async for chunk in body:
                length += len(chunk)
                yield chunk
        # Who gives less than was asked for and does not say how much there is has no more.
        expected = total if total is not None else length + (length >= FIRST_BYTES)
        if response.status_code != _PARTIAL or length >= expected:
            return
        rest = await self._fetcher.get(self._url, f"bytes={length}-")
        if rest.status_code == _NO_SUCH_RANGE:  # that was all
            await rest.aclose()
            return
        skip = length - _start(rest)
        if not rest.is_success or skip < 0:
            await rest.aclose()
            raise Unverifiable(f"its host answers {rest.status_code} when asked for the rest")
        async with aclosing(_body(rest)) as body:
            async for chunk in body:
                yield chunk[skip:]
                skip = max(0, skip - len(chunk))


def _next_look(length: int) -> int:
    """Tell how much must be there for another look, each of which begins anew.

    A look at every chunk would let a host that sends single bytes keep the event loop busy.
    """
    return 2 * length if length > STEPS_END else min(2 * length, length + LOOK_STEP)


async def _body(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        raise broken_off(error) from error
    finally:
        await response.aclose()


async def _inflated(raw: AsyncGenerator[bytes, None], encoding: str) -> AsyncGenerator[bytes, None]:
    """Inflate in pieces, so that no few bytes become very many at once."""
    inflater, left = None, b""
    async for chunk in raw:
        left += chunk
        if inflater is None and len(left) < 2:
            continue
        inflater = inflater or zlib.decompressobj(wbits=_form(left, encoding))
        while left and not inflater.eof:
            yield inflater.decompress(left, FIRST_BYTES)
            left = inflater.unconsumed_tail
        left = b""


def _form(start: bytes, encoding: str) -> int:
    """Tell zlib what there is; some hosts send a deflate without the header that it should have."""
    headless = encoding == "deflate" and (start[0] & 0x0F != 8 or int.from_bytes(start[:2]) % 31)
    return -15 if headless else 47  # 47: gzip or zlib, as the header says


def _total(response: httpx.Response) -> int | None:
    """Read how long the whole is, where the head of an answer says so."""
    if response.status_code in {_PARTIAL, _NO_SUCH_RANGE}:
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _is_empty(response: httpx.Response) -> bool:
    """Tell whether there is no such range since there are no bytes at all."""
    return response.status_code == _NO_SUCH_RANGE and _total(response) == 0


def _start(response: httpx.Response) -> int:
    """Read where an answer's bytes begin; -1 where that cannot be told."""
    if response.status_code != _PARTIAL:
        return 0
    span = _SPAN.match(response.headers.get("Content-Range", ""))
    return int(span[1]) if span else -1
