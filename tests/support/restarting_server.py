"""Servers that are restarted on one state folder while their simulator runs; in virtual time."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp_types import CallToolResult

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .client import ARGUMENTS, open_mcp_client, structured
from .small_clip import render_small_clip


def run_simulator(**switches: Any) -> AbstractAsyncContextManager[Simulator, bool | None]:
    """Run a simulator in virtual time."""
    behaviour = Behaviour(images="never", **switches)
    return running(behaviour, clock=anyio.current_time, render=render_small_clip)


def open_server(
    simulator: Simulator, folder: Path, **settings: Any
) -> AbstractAsyncContextManager[Client, bool | None]:
    """Run a server on a state folder, and connect a client to it."""
    given: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url, **settings}
    return open_mcp_client(folder, **given)


async def generate(client: Client, **arguments: Any) -> CallToolResult:
    """Call generate_video; the default arguments are valid."""
    return await client.call_tool("generate_video", ARGUMENTS | arguments)


async def list_jobs(client: Client, **arguments: Any) -> list[dict[str, Any]]:
    """Return the jobs that list_jobs lists."""
    return structured(await client.call_tool("list_jobs", arguments))["jobs"]
