"""A host of clips on loopback, which drops, lies and counts as it is told."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Literal

LAST_MODIFIED = "Sat, 03 Jan 2026 03:04:05 GMT"


def mp4(size: int, *, seed: int = 1) -> bytes:
    """Give so many bytes that begin as an MP4 does."""
    return b"\0\0\0\x18ftypmp42" + Random(seed).randbytes(size - 12)  # noqa: S311 - only filler


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How one request is answered.

    Attributes:
        status: The status of an answer made up by the test, None for the clip.
        body: That answer's body.
        headers: More headers, which go before the usual ones of the same name.
        drop_after: After how many bytes of the body the connection is broken.
        hang_after: After how many bytes of the body nothing comes any more.
        ranges: Whether a range is honoured, not looked at, or answered by one from the beginning,
            by one of another content, or whatever If-Range says.
        length: Whether the length is told, or only the end of the body, or of the connection.
    """

    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    drop_after: int | None = None
    hang_after: int | None = None
    ranges: Literal["honoured", "ignored", "shifted", "forced"] = "honoured"
    length: Literal["told", "chunked", "closed"] = "told"


@dataclass(frozen=True, kw_only=True)
class ReceivedRequest:
    """A request: its path, its headers, and how many bytes of body it was sent."""

    path: str
    headers: dict[str, str]
    served: list[int] = field(default_factory=list[int])

    @property
    def range(self) -> tuple[str | None, str | None]:
        return self.headers.get("range"), self.headers.get("if-range")


class ClipHost:
    """What lies at every path of a host, and how it is given out.

    Attributes:
        content: The clip.
        validators: The headers that tell it from another one.
        ways: How the next requests are answered, in order; afterwards as one would wish.
        seen: Every request so far.
        url: Where the host is.
    """

    def __init__(self, content: bytes, **validators: str) -> None:
        self.content = content
        self.validators = {name.replace("_", "-"): value for name, value in validators.items()}
        self.ways: list[Reply] = []
        self.seen: list[ReceivedRequest] = []
        self.url = ""

    @property
    def served(self) -> int:
        """How many bytes of bodies were sent in all."""
        return sum(sum(seen.served) for seen in self.seen)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on a connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            seen = ReceivedRequest(
                path=head[0].split(" ")[1], headers={name.lower(): value for name, value in pairs}
            )
            way = self.ways.pop(0) if self.ways else Reply()
            self.seen.append(seen)
            await self._answer(way, seen, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(
        self,
        way: Reply,
        seen: ReceivedRequest,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        status, headers, body = (
            self._clip(way, seen) if way.status is None else (way.status, {}, way.body)
        )
        if way.length == "told":
            headers |= {"Content-Length": str(len(body))}
        if way.length == "chunked":
            headers |= {"Transfer-Encoding": "chunked"}
        headers |= way.headers
        lines = [f"HTTP/1.1 {status} X", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self._send(way, seen, memoryview(body), writer)
        if way.hang_after is not None:
            await reader.read()
        if way.drop_after is not None:
            writer.transport.abort()
        elif way.length == "chunked":
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _clip(self, way: Reply, seen: ReceivedRequest) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "video/mp4", **self.validators}
        asked = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", ""))
        condition = seen.headers.get("if-range")
        fits = condition is None or condition in self.validators.values() or way.ranges == "forced"
        if not asked or not fits or way.ranges == "ignored":
            return 200, headers, self.content
        start, total = int(asked[1]), len(self.content)
        if start >= total:
            return 416, {"Content-Range": f"bytes */{total}"}, b""
        start += way.ranges == "shifted"
        headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        return 206, headers, self.content[start:]

    async def _send(
        self, way: Reply, seen: ReceivedRequest, body: memoryview, writer: asyncio.StreamWriter
    ) -> None:
        limits = [limit for limit in (way.drop_after, way.hang_after) if limit is not None]
        end = min([len(body), *limits])
        for start in range(0, end, 2**16):
            piece = body[start : min(end, start + 2**16)]
            if way.length == "chunked":
                writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            else:
                writer.write(piece)
            await writer.drain()
            seen.served.append(len(piece))
        if way.drop_after is not None:
            # What was written must arrive before the connection breaks.
            writer.transport.set_write_buffer_limits(0)
            await writer.drain()


@asynccontextmanager
async def serve_clip(content: bytes, **validators: str) -> AsyncGenerator[ClipHost, None]:
    """Run a host of clips while the context lasts; `_` in a header's name stands for `-`."""
    host = ClipHost(content, **validators)
    server = await asyncio.start_server(host, "127.0.0.1", 0, limit=2**16)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()
