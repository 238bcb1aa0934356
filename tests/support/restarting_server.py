"""Servers that come and go on one state folder, before a simulator that stays; virtual time."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp_types import CallToolResult

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .client import ARGUMENTS, open_mcp_client, structured


def run_simulator(**switches: Any) -> AbstractAsyncContextManager[Simulator, bool | None]:
    """Run a simulator in virtual time."""
    return running(Behaviour(images="never", **switches), clock=anyio.current_time)


def open_server(
    simulator: Simulator, folder: Path, **settings: Any
) -> AbstractAsyncContextManager[Client, bool | None]:
    """Open a server on a state folder, with a client at it, as `served` does."""
    given: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url, **settings}
    return open_mcp_client(folder, **given)


async def generate(client: Client, **arguments: Any) -> CallToolResult:
    """Call generate_video with arguments that are good unless told otherwise."""
    return await client.call_tool("generate_video", ARGUMENTS | arguments)


async def list_jobs(client: Client, **arguments: Any) -> list[dict[str, Any]]:
    """Give the jobs that list_jobs answers."""
    return structured(await client.call_tool("list_jobs", arguments))["jobs"]
