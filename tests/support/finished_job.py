"""RunComfy with one job that is done at once, and the host of what it made; in virtual time."""

from collections import Counter
from collections.abc import AsyncGenerator
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
from .virtual_time import virtual_now

HOST = "https://files.runcomfy.net"
REQUEST_ID = "7c1f3a2b-0000"
NAME = "2026-01-01-the-mist-drifts-over-the-lake-7c1f3a2b"
TOKEN = "rc-secret-token-123"
PIECE = 50_000
CLIP = mp4(300_000)


@dataclass
class File:
    """What the host has at a path.

    Attributes:
        body: The file.
        status: What is answered, without the file where it is no 200.
        wait_seconds: How long the answer takes.
        piece_seconds: How long every piece takes after that.
        hangs_after: After how many bytes nothing comes any more.
        headers: More headers.
        error: What breaks on the way.
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
                # As httpx gives up on a host that sends nothing.
                await anyio.sleep(30)
                raise httpx.ReadTimeout("nothing came")
            yield self.body[start : start + PIECE]


@dataclass
class FinishedJob:
    """The service and the host.

    Attributes:
        videos: What the job made, as paths of the host or URLs.
        images: Likewise.
        files: What the host has.
        signature: What a link must be signed with, None where none is.
        thinks_seconds: How long the service takes for every answer.
        signed: How many results were given, of which each signs with the next number.
        asked: Which paths of the host were asked for, with their queries.
    """

    videos: list[str] = field(default_factory=lambda: ["/a.mp4"])
    images: list[str] = field(default_factory=list[str])
    files: dict[str, File] = field(default_factory=lambda: {"/a.mp4": File()})
    signature: int | None = None
    thinks_seconds: float = 0.0
    signed: int = 0
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.url.host == "files.runcomfy.net":
            return await self._file(request)
        await anyio.sleep(self.thinks_seconds)
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
        """How often each path of the host was asked for."""
        return dict(Counter(self.asked))


@asynccontextmanager
async def open_server(
    service: FinishedJob, folder: Path, *, tasks: ClientExtension | None = None, **settings: Any
) -> AsyncGenerator[Client, None]:
    """Open a server before the service, with a client at it; its folders are in the one given."""
    chosen: dict[str, Any] = {
        "token": TOKEN,
        "state_dir": folder / "state",
        "output_dir": folder / "videos",
        "check_images": False,
        **settings,
    }
    transport = httpx.MockTransport(service)
    server = build_server(
        Settings(**chosen), transport=transport, clock=Clock(now=virtual_now, random=lambda: 0.5)
    )
    mode, extensions = ("auto", [tasks]) if tasks else ("legacy", [])
    async with Client(server, mode=mode, extensions=extensions) as client:
        yield client


async def buy(client: Client) -> None:
    """Buy the job."""
    await client.call_tool("generate_video", ARGUMENTS | {"wait_seconds": 5})


async def download(client: Client, **options: Any) -> CallToolResult:
    """Ask for what the job made to be saved."""
    arguments = {"request_id": REQUEST_ID, "download": True}
    return await client.call_tool("get_result", arguments, **options)


def files(folder: Path) -> dict[str, int]:
    """Name what was saved in a folder of `serving`, with its size; a note's says nothing."""
    videos = folder / "videos"
    found = sorted(videos.iterdir()) if videos.is_dir() else []
    return {path.name: 0 if path.suffix == ".json" else path.stat().st_size for path in found}
