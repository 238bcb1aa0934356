"""An MCP client, connected to a server whose RunComfy is the simulator, in virtual time."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp_types import CallToolResult, TextContent

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from seedance_mcp.text import valid

from .quick_client import QuickClient
from .small_clip import render_small_clip
from .virtual_time import virtual_now

IMAGE_URL = "https://images.example/lake.jpg"
ARGUMENTS = {"prompt": "The mist drifts over the lake.", "first_frame_image_url": IMAGE_URL}


@dataclass
class ToolClient:
    """A client that calls tools, and the simulator behind its server.

    Attributes:
        mcp: The SDK's client.
        progress: Every progress notification so far: progress, total, message.
    """

    mcp: Client
    simulator: Simulator
    progress: list[tuple[float, float | None, str | None]] = field(
        default_factory=list[tuple[float, float | None, str | None]]
    )

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool and collect its progress notifications."""

        async def collect(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        return await self.mcp.call_tool(tool, arguments, progress_callback=collect)

    async def generate(self, **arguments: Any) -> CallToolResult:
        """Call generate_video; the default arguments are valid."""
        return await self.call("generate_video", **(ARGUMENTS | arguments))

    def paths(self) -> list[str]:
        """Return the last part of each path that the simulator was asked for, prices left out."""
        requests = [seen for seen in self.simulator.requests if seen.route != "catalogue"]
        return [request.path.split("?")[0].split("/")[-1] for request in requests]


@asynccontextmanager
async def open_client(
    behaviour: Behaviour | None = None,
    *,
    mode: str = "legacy",
    extensions: Sequence[ClientExtension] = (),
    state_dir: Path | None = None,
    message_handler: MessageHandlerFnT | None = None,
    **settings: Any,
) -> AsyncGenerator[ToolClient, None]:
    """Run a simulator, a server and a client in this process, in virtual time.

    Args:
        behaviour: The simulator's; it does not check images.
        mode: The client's protocol era, "legacy" or "auto".
        extensions: The client's extensions.
        state_dir: The state folder, a temporary one by default.
        message_handler: Receives what the server sends unasked.
        settings: Overrides of settings that work; and `user`, who answers the client's forms.
    """
    behaviour = behaviour or Behaviour()
    behaviour.images = "never"
    async with running(behaviour, clock=anyio.current_time, render=render_small_clip) as simulator:
        account: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
        async with open_mcp_client(
            state_dir,
            mode=mode,
            extensions=extensions,
            message_handler=message_handler,
            **(account | settings),
        ) as client:
            yield ToolClient(client, simulator)


@asynccontextmanager
async def open_mcp_client(
    state_dir: Path | None = None,
    *,
    mode: str = "legacy",
    extensions: Sequence[ClientExtension] = (),
    message_handler: MessageHandlerFnT | None = None,
    follow_jobs: bool = True,
    **settings: Any,
) -> AsyncGenerator[Client, None]:
    """Run a server in this process, in virtual time, and connect a client to it.

    It follows jobs as one over stdio does, unless told otherwise. The client shows forms if
    `user` is among the settings, who answers them.
    """
    user: ElicitationFnT | None = settings.pop("user", None)
    # What a server writes in a thread, such as when a model was seen, may be written after its end.
    with TemporaryDirectory(prefix="seedance-test-", ignore_cleanup_errors=True) as folder:
        chosen: dict[str, Any] = {
            "state_dir": state_dir or Path(folder),
            "output_dir": Path(folder) / "videos",
            "check_images": False,
            **settings,
        }
        server = build_server(Settings(**chosen), clock=Clock(now=virtual_now, random=lambda: 0.5))
        server.follow_jobs = follow_jobs
        plain = not any(extension.claims() for extension in extensions)
        kind = QuickClient if mode == "legacy" and plain else Client
        async with kind(
            server,
            mode=mode,
            extensions=extensions,
            message_handler=message_handler,
            elicitation_callback=user,
        ) as client:
            yield client


def saved_file(shown: str, folder: Path) -> Path:
    """Return the file in a folder that an answer names, also where its path is not UTF-8."""
    file = folder / Path(shown).name
    assert shown == valid(str(file))
    return file


def text(result: CallToolResult) -> str:
    """Return the text of a result that has exactly one."""
    (only,) = [part for part in result.content if isinstance(part, TextContent)]
    return only.text


def structured(result: CallToolResult) -> dict[str, Any]:
    """Return the structured content of a result."""
    structure: dict[str, Any] = result.structured_content
    return structure
