"""A web server that sends images in every possible way, and records what it sent."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import httpx
from anyio.abc import ByteStream, SocketAttribute

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the server sends for a path.

    Attributes:
        body: The body.
        status: The status.
        headers: More headers.
        ranges: Whether ranges are supported.
        length: How the length is sent: "true", "long" (too large), "none" or "chunked".
        hangs: Whether the server sends nothing after the head.
        refuses: The status of the answer to a request for a range, 0 for an ordinary answer.
        refuses_rest: The same for a range that does not begin with the first byte.
        chunk: The size of a chunk in bytes.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    ranges: bool = False
    length: str = "true"
    hangs: bool = False
    refuses: int = 0
    refuses_rest: int = 0
    chunk: int = 16384


@dataclass
class ImageHost:
    """A server on the loopback interface.

    Attributes:
        pages: The pages by path.
        port: The port.
        requests: The head of every request, in order.
        sent: How many bytes of bodies it has sent.
        connections: How many connections were made to it.
    """

    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    port: int = 0
    requests: list[str] = field(default_factory=list[str])
    sent: int = 0
    connections: int = 0

    def url(self, path: str = "/image") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, stream: ByteStream) -> None:
        """Answer one request."""
        self.connections += 1
        async with stream:
            try:
                await self._answer(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return

    async def _answer(self, stream: ByteStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive()
        text = head.decode()
        self.requests.append(text)
        page = self.pages.get(text.split(" ")[1], Page(status=404))
        ranged, span = "\r\nRange:" in text, _span(text)
        if refused := page.refuses_rest if ranged and span[0] else page.refuses if ranged else 0:
            page = Page(status=refused)
        status, headers, body = _answered(replace(page, ranges=page.ranges and ranged), span)
        lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
        await stream.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        if page.hangs:
            await anyio.sleep_forever()
        for at in range(0, len(body), 16384):
            part = body[at : at + 16384]
            await stream.send(_chunked(part, page.chunk) if page.length == "chunked" else part)
            self.sent += len(part)
        if page.length == "chunked":
            await stream.send(b"0\r\n\r\n")


def _chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def _span(request: str) -> tuple[int, int | None]:
    lines = (line for line in request.split("\r\n") if line.startswith("Range: bytes="))
    line = next(lines, "Range: bytes=0-")
    first, _, last = line.removeprefix("Range: bytes=").partition("-")
    return int(first), int(last) if last else None


def _answered(page: Page, span: tuple[int, int | None]) -> tuple[int, dict[str, str], bytes]:
    headers = {"Connection": "close"} | page.headers
    body, status, total = page.body, page.status, len(page.body)
    if page.ranges and status == 200:
        first, last = span
        if first >= total:
            return 416, headers | {"Content-Range": f"bytes */{total}", "Content-Length": "0"}, b""
        body = body[first : None if last is None else last + 1]
        said = "*" if page.length == "none" else str(total)
        span_sent = f"bytes {first}-{first + len(body) - 1}/{said}"
        status, headers = 206, headers | {"Content-Range": span_sent}
    if page.length == "true":
        headers = {"Content-Length": str(len(body))} | headers
    elif page.length == "long":
        headers = {"Content-Length": str(len(body) + 1000)} | headers
    elif page.length == "chunked":
        headers = headers | {"Transfer-Encoding": "chunked"}
    return status, headers, body


@asynccontextmanager
async def serve_images(**pages: Page) -> AsyncGenerator[ImageHost, None]:
    """Serve pages, by their paths without the slash."""
    host = ImageHost(pages={f"/{name}": page for name, page in pages.items()})
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        host.port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, host.serve)
        yield host
        tasks.cancel_scope.cancel()


class RerouteTransport(httpx.AsyncBaseTransport):
    """Connections that all lead to one local port, whatever their destination.

    Args:
        port: The local port.
        real: The transport to use, a plain one by default.

    Attributes:
        dialled: The address and port of every requested connection.
    """

    def __init__(self, port: int, real: httpx.AsyncBaseTransport | None = None) -> None:
        self.dialled: list[str] = []
        self._port = port
        self._scheme = "https" if real else "http"
        self._real = real or httpx.AsyncHTTPTransport(verify=False, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.dialled.append(f"{request.url.host}:{request.url.port or 443}")
        request.url = request.url.copy_with(scheme=self._scheme, host="127.0.0.1", port=self._port)
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        await self._real.aclose()


class FakeResolver:
    """A resolver that knows the names of a test.

    Args:
        known: The addresses of each name, a list per look-up; the last list stays.
        fault: Makes the error for an unknown name.

    Attributes:
        asked: Every name that was looked up, in order.
    """

    def __init__(self, known: dict[str, list[list[str]]], fault: Callable[[], OSError]) -> None:
        self.asked: list[str] = []
        self._known = known
        self._fault = fault

    async def __call__(self, host: str, port: int) -> list[str]:
        assert port
        before = self.asked.count(host)
        self.asked.append(host)
        if host not in self._known:
            raise self._fault()
        answers = self._known[host]
        return answers[min(before, len(answers) - 1)]
