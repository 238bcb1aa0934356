"""RunComfy with one job that is completed at once, and the host of its outputs."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp_types import CallToolResult

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings

from .client import ARGUMENTS
from .clip_host import mp4
from .quick_client import QuickClient
from .scripted_network import mock_transport
from .virtual_time import virtual_now

HOST = "https://files.runcomfy.net"
REQUEST_ID = "7c1f3a2b-0000"
NAME = "2026-01-01-the-mist-drifts-over-the-lake-7c1f3a2b"
TOKEN = "rc-secret-token-123"
PIECE = 50_000
CLIP = mp4(300_000)


@dataclass
class File:
    """An output on the host.

    Attributes:
        body: Its bytes.
        status: The status of the answer; other than 200, there is no body.
        wait_seconds: How long the answer takes.
        piece_seconds: How long every piece takes after that.
        hangs_after: After how many bytes the host sends nothing more.
        headers: More headers.
        error: The error that the request ends in.
    """

    body: bytes = CLIP
    status: int = 200
    wait_seconds: float = 0.0
    piece_seconds: float = 0.0
    hangs_after: int | None = None
    headers: dict[str, bytes] = field(default_factory=lambda: {"ETag": b'"v1"'})
    error: Exception | None = None

    async def sent(self) -> AsyncGenerator[bytes, None]:
        """Send the file in pieces."""
        for start in range(0, len(self.body), PIECE):
            await anyio.sleep(self.piece_seconds)
            if start == self.hangs_after:
                # httpx gives up on a silent host after so many seconds.
                await anyio.sleep(30)
                raise httpx.ReadTimeout("nothing came")
            yield self.body[start : start + PIECE]


@dataclass
class FinishedJob:
    """RunComfy and the host.

    Attributes:
        videos: The job's videos, as paths on the host or URLs.
        images: The job's images, likewise.
        files: The host's files, by path.
        signature: The signature that a link must have, None without signatures.
        delay_seconds: How long RunComfy takes for every answer.
        signed: How many results were requested; each signs its links with the next number.
        asked: The paths that were requested from the host, with their queries.
    """

    videos: list[str] = field(default_factory=lambda: ["/a.mp4"])
    images: list[str] = field(default_factory=list[str])
    files: dict[str, File] = field(default_factory=lambda: {"/a.mp4": File()})
    signature: int | None = None
    delay_seconds: float = 0.0
    signed: int = 0
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.url.host == "files.runcomfy.net":
            return await self._file(request)
        await anyio.sleep(self.delay_seconds)
        if request.method == "POST":
            return httpx.Response(200, json={"request_id": REQUEST_ID})
        if request.url.path.startswith("/v1/models/"):
            return httpx.Response(404)
        if request.url.path.endswith("/status"):
            return httpx.Response(200, json={"status": "completed"})
        self.signed += 1
        output = {"videos": self._links(self.videos), "images": self._links(self.images)}
        return httpx.Response(200, json={"status": "succeeded", "output": output})

    def _links(self, paths: list[str]) -> list[str]:
        query = f"?sig={self.signed}" if self.signature is not None else ""
        return [HOST + path + query if path.startswith("/") else path for path in paths]

    async def _file(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode())
        file = self.files.get(request.url.path, File(status=404))
        await anyio.sleep(file.wait_seconds)
        if file.error:
            raise file.error
        good = self.signature is None or request.url.params.get("sig") == str(self.signature)
        if file.status != 200 or not good:
            return httpx.Response(file.status if good else 403)
        headers = [(name.encode(), value) for name, value in file.headers.items()]
        headers.append((b"Content-Length", str(len(file.body)).encode()))
        return httpx.Response(200, headers=headers, content=file.sent())

    @property
    def counted(self) -> dict[str, int]:
        """How often each path of the host was requested."""
        return dict(Counter(self.asked))


@asynccontextmanager
async def open_server(
    service: Callable[[httpx.Request], Awaitable[httpx.Response]],
    folder: Path,
    *,
    tasks: ClientExtension | None = None,
    **settings: Any,
) -> AsyncGenerator[Client, None]:
    """Run a server in virtual time with its folders in `folder`, and connect a client to it."""
    chosen: dict[str, Any] = {
        "token": TOKEN,
        "state_dir": folder / "state",
        "output_dir": folder / "videos",
        "check_images": False,
        **settings,
    }
    transport = mock_transport(service)
    server = build_server(
        Settings(**chosen), transport=transport, clock=Clock(now=virtual_now, random=lambda: 0.5)
    )
    server.follow_jobs = True
    mode, extensions = ("auto", [tasks]) if tasks else ("legacy", [])
    kind = Client if tasks else QuickClient
    async with kind(server, mode=mode, extensions=extensions) as client:
        yield client


async def buy(client: Client) -> None:
    """Buy the job."""
    await client.call_tool("generate_video", ARGUMENTS | {"wait_seconds": 5})


async def download(client: Client, **options: Any) -> CallToolResult:
    """Call get_result with download."""
    arguments = {"request_id": REQUEST_ID, "download": True}
    return await client.call_tool("get_result", arguments, **options)


def files(folder: Path) -> dict[str, int]:
    """Return the downloaded files by name, with their sizes; metadata counts as 0 bytes."""
    videos = folder / "videos"
    found = sorted(videos.iterdir()) if videos.is_dir() else []
    return {path.name: 0 if path.suffix == ".json" else path.stat().st_size for path in found}
