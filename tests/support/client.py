"""The public door: an MCP client at a server whose service is the simulator, in virtual time."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp.client.session import MessageHandlerFnT
from mcp_types import CallToolResult, TextContent

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .virtual_time import virtual_now

IMAGE_URL = "https://images.example/lake.jpg"
ARGUMENTS = {"prompt": "The mist drifts over the lake.", "first_frame_image_url": IMAGE_URL}


@dataclass
class Door:
    """A client, and the simulator behind the server that it talks to."""

    client: Client
    simulator: Simulator
    progress: list[tuple[float, float | None, str | None]] = field(
        default_factory=list[tuple[float, float | None, str | None]]
    )

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool, collecting its progress notifications."""

        async def collect(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        return await self.client.call_tool(tool, arguments, progress_callback=collect)

    async def generate(self, **arguments: Any) -> CallToolResult:
        """Call generate_video with arguments that are good unless told otherwise."""
        return await self.call("generate_video", **(ARGUMENTS | arguments))

    def paths(self) -> list[str]:
        """Say what was asked of the service about jobs: the last part of each path, in order."""
        asked = [request for request in self.simulator.requests if request.route != "catalogue"]
        return [request.path.split("?")[0].split("/")[-1] for request in asked]


@asynccontextmanager
async def opened(
    behaviour: Behaviour | None = None,
    *,
    mode: str = "legacy",
    extensions: Sequence[ClientExtension] = (),
    state_dir: Path | None = None,
    heard: MessageHandlerFnT | None = None,
    **settings: Any,
) -> AsyncGenerator[Door, None]:
    """Open the door: simulator, server and client in one process, in virtual time.

    Args:
        behaviour: The simulator's; its images are not looked at unless it says so.
        mode: The client's protocol era.
        extensions: What the client knows besides the protocol.
        state_dir: The state folder, None for a new one.
        heard: Who is told of what the server sends unasked.
        settings: What differs from a configuration that works.
    """
    behaviour = behaviour or Behaviour()
    behaviour.images = "never"
    async with running(behaviour, clock=anyio.current_time) as simulator:
        given = {"token": simulator.token, "base_url": simulator.url} | settings
        async with served(
            state_dir, mode=mode, extensions=extensions, heard=heard, **given
        ) as client:
            yield Door(client, simulator)


@asynccontextmanager
async def served(
    state_dir: Path | None = None,
    *,
    mode: str = "legacy",
    extensions: Sequence[ClientExtension] = (),
    heard: MessageHandlerFnT | None = None,
    **settings: Any,
) -> AsyncGenerator[Client, None]:
    """Open a server in this process, in virtual time, with a client at it."""
    with TemporaryDirectory(prefix="seedance-test-") as folder:
        chosen: dict[str, Any] = {
            "state_dir": state_dir or Path(folder),
            "output_dir": Path(folder) / "videos",
            "check_images": False,
            **settings,
        }
        server = build_server(Settings(**chosen), clock=Clock(now=virtual_now, random=lambda: 0.5))
        async with Client(
            server, mode=mode, extensions=extensions, message_handler=heard
        ) as client:
            yield client


def text(result: CallToolResult) -> str:
    """Give the text of a result that must have exactly one."""
    (only,) = [part for part in result.content if isinstance(part, TextContent)]
    return only.text


def facts(result: CallToolResult) -> dict[str, Any]:
    """Give the structure of a result."""
    structure: dict[str, Any] = result.structured_content
    return structure
