"""A host of one clip on loopback, which drops connections and lies as a test says."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Literal

LAST_MODIFIED = "Sat, 03 Jan 2026 03:04:05 GMT"


def mp4(size: int, *, seed: int = 1) -> bytes:
    """Return `size` bytes that begin as an MP4 does."""
    return b"\0\0\0\x18ftypmp42" + Random(seed).randbytes(size - 12)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How one request is answered.

    Attributes:
        status: A status to send with `body` instead of the clip, None for the clip.
        body: The body for `status`.
        headers: Headers that replace the usual ones.
        drop_after: After how many bytes of the body the connection is broken.
        stall_after: After how many bytes of the body the host sends nothing more.
        ranges: Whether a requested range is sent, ignored, sent from one byte later, or sent
            whatever If-Range says.
        length: What ends the body: its Content-Length, the last chunk or the connection's end.
    """

    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    drop_after: int | None = None
    stall_after: int | None = None
    ranges: Literal["honoured", "ignored", "shifted", "forced"] = "honoured"
    length: Literal["header", "chunked", "closed"] = "header"


@dataclass(frozen=True, kw_only=True)
class ReceivedRequest:
    """A request: its path, its headers, and the sizes of the chunks that it was sent."""

    path: str
    headers: dict[str, str]
    served: list[int] = field(default_factory=list[int])

    @property
    def range(self) -> tuple[str | None, str | None]:
        return self.headers.get("range"), self.headers.get("if-range")


class ClipHost:
    """The host, which sends the same clip at every path.

    Attributes:
        content: The clip.
        validators: Headers such as ETag.
        replies: How the next requests are answered, in order; later ones get the clip.
        requests: Every request so far.
        url: The host's URL.
    """

    def __init__(self, content: bytes, **validators: str) -> None:
        self.content = content
        self.validators = {name.replace("_", "-"): value for name, value in validators.items()}
        self.replies: list[Reply] = []
        self.requests: list[ReceivedRequest] = []
        self.url = ""

    @property
    def served(self) -> int:
        """How many bytes of bodies were sent."""
        return sum(sum(request.served) for request in self.requests)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on a connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            request = ReceivedRequest(
                path=head[0].split(" ")[1], headers={name.lower(): value for name, value in pairs}
            )
            reply = self.replies.pop(0) if self.replies else Reply()
            self.requests.append(request)
            await self._answer(reply, request, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(
        self,
        reply: Reply,
        request: ReceivedRequest,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        status, headers, body = (
            self._clip(reply, request) if reply.status is None else (reply.status, {}, reply.body)
        )
        if reply.length == "header":
            headers |= {"Content-Length": str(len(body))}
        if reply.length == "chunked":
            headers |= {"Transfer-Encoding": "chunked"}
        headers |= reply.headers
        lines = [f"HTTP/1.1 {status} X", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self._send(reply, request, memoryview(body), writer)
        if reply.stall_after is not None:
            await reader.read()
        if reply.drop_after is not None:
            writer.transport.abort()
        elif reply.length == "chunked":
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _clip(self, reply: Reply, request: ReceivedRequest) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "video/mp4", **self.validators}
        requested = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        condition = request.headers.get("if-range")
        fits = (
            condition is None or condition in self.validators.values() or reply.ranges == "forced"
        )
        if not requested or not fits or reply.ranges == "ignored":
            return 200, headers, self.content
        start, total = int(requested[1]), len(self.content)
        if start >= total:
            return 416, {"Content-Range": f"bytes */{total}"}, b""
        start += reply.ranges == "shifted"
        headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        return 206, headers, self.content[start:]

    async def _send(
        self, reply: Reply, request: ReceivedRequest, body: memoryview, writer: asyncio.StreamWriter
    ) -> None:
        limits = [limit for limit in (reply.drop_after, reply.stall_after) if limit is not None]
        end = min([len(body), *limits])
        for start in range(0, end, 2**16):
            piece = body[start : min(end, start + 2**16)]
            if reply.length == "chunked":
                writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            else:
                writer.write(piece)
            await writer.drain()
            request.served.append(len(piece))
        if reply.drop_after is not None:
            # What was written must arrive before the connection is broken.
            writer.transport.set_write_buffer_limits(0)
            await writer.drain()


@asynccontextmanager
async def serve_clip(content: bytes, **validators: str) -> AsyncGenerator[ClipHost, None]:
    """Serve a clip while the context lasts; `_` in a validator's name stands for `-`."""
    host = ClipHost(content, **validators)
    server = await asyncio.start_server(host, "127.0.0.1", 0, limit=2**16)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()
