"""No one's informational answers (1xx) are read without end, and others go unnoticed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from seedance_mcp.errors import SeedanceError
from seedance_mcp.http_heads import MAX_HEADS_BYTES, bound_heads
from seedance_mcp.inputs._errors import Unverifiable
from seedance_mcp.inputs._fetcher import Fetcher, LazyTransport, resolve_by_system
from seedance_mcp.jobs.status import Queued
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.connections import open_connections
from seedance_mcp.runcomfy.http import RunComfyHttp
from tests.support.download_scene import NAME, Scene
from tests.support.scripted_network import FrozenTime

pytestmark = pytest.mark.anyio

SENT_AT_ONCE = 1_000
MOST_SENT = 20_000_000
HINT = b"HTTP/1.1 103 Early Hints\r\nX: HTTP/1.1 200 OK\r\n\r\n"
FLOODS = [b"HTTP/1.1 100 \r\n\r\n", HINT, b"HTTP/1.1 102 \n\n", b"HTTP/1.1 103 \r\nA:b\n\r\n"]


@dataclass
class Host:
    """A host on loopback.

    Attributes:
        url: Where it listens.
        before: What it sends before every answer, again and again.
        times: How often.
        body: The body of its answers.
        most_sent: The most bytes that it sent before one answer.
        requests: How many requests it received.
    """

    url: str
    before: bytes = HINT
    times: int = 10**9
    body: bytes = b'{"status": "in_queue"}'
    most_sent: int = 0
    requests: int = 0

    async def serve(self, connection: SocketStream) -> None:
        """Answer the requests of one connection."""
        async with connection:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                while await connection.receive():
                    self.requests += 1
                    await self._answer(connection)

    async def _answer(self, connection: SocketStream) -> None:
        left, sent = self.times, 0
        while left and sent < MOST_SENT:
            number = min(left, SENT_AT_ONCE)
            await connection.send(self.before * number)
            sent += len(self.before) * number
            self.most_sent = max(self.most_sent, sent)
            left -= number
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.body)
        await connection.send(head + self.body)


@asynccontextmanager
async def open_host() -> AsyncGenerator[Host, None]:
    """Run a host."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host = Host(f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, host.serve)
        yield host
        tasks.cancel_scope.cancel()


async def ask_runcomfy(host: Host, _: Path) -> object:
    async with await open_connections(host.url, None) as connections:
        http = RunComfyHttp(connections, host.url, "a-token", FrozenTime().clock)
        return await RunComfyClient(http).status("r-1")


async def fetch_image(host: Host, _: Path) -> object:
    transport = LazyTransport()
    async with transport:
        fetcher = Fetcher(transport, resolve=resolve_by_system, allow_private=True)
        return await (await fetcher.get(f"{host.url}/a.png", None, accept="*/*")).aread()


async def download(host: Host, folder: Path) -> object:
    return await Scene(folder, host.url, time=FrozenTime()).download()


async def ask_through_a_proxy(host: Host, _: Path) -> object:
    async with httpx.AsyncClient(proxy=host.url, trust_env=False) as client:
        bound_heads(client)
        return (await client.get("http://made-up.example/")).content


ASKS = [ask_runcomfy, fetch_image, download, ask_through_a_proxy]
Ask = Callable[[Host, Path], Awaitable[object]]


@pytest.mark.parametrize(("ask", "flood"), list(product(ASKS, FLOODS)))
async def test_endless_informational_answers_are_soon_an_error(
    ask: Ask, flood: bytes, tmp_path: Path
) -> None:
    async with open_host() as host:
        host.before = flood
        try:
            seen = await ask(host, tmp_path)
        except (SeedanceError, Unverifiable, httpx.RemoteProtocolError) as error:
            seen = str(error)
        assert "in_queue" not in str(seen)
        # No more than fits into the buffers of the two sockets.
        assert host.most_sent < MOST_SENT
        assert host.requests <= 4


@pytest.mark.parametrize(
    ("ask", "body", "seen"),
    [
        (ask_runcomfy, b'{"status": "in_queue"}', Queued()),
        (fetch_image, HINT * 50_000, HINT * 50_000),
        (download, b"\0\0\0\x18ftypmp42" + HINT * 50_000, f"{NAME}.mp4"),
        (ask_through_a_proxy, FLOODS[0] * 50_000, FLOODS[0] * 50_000),
    ],
)
@pytest.mark.parametrize("times", [0, 1, 100])
async def test_some_informational_answers_and_bodies_like_them_are_read(
    ask: Ask, body: bytes, seen: object, times: int, tmp_path: Path
) -> None:
    async with open_host() as host:
        host.body, host.times = body, times
        assert await ask(host, tmp_path) == seen
        assert host.requests == 1


async def test_the_bound_holds_for_every_request_of_a_kept_connection() -> None:
    client = httpx.AsyncClient()
    bound_heads(client)
    async with open_host() as host, client:
        host.times = MAX_HEADS_BYTES // len(HINT) // 2
        for _ in range(5):
            assert (await client.get(host.url)).content == host.body
        host.times = MAX_HEADS_BYTES
        with pytest.raises(httpx.RemoteProtocolError, match=r"^Too many informational answers\.$"):
            await client.get(host.url)
