"""An MCP client that starts the server itself, as an assistant does: a subprocess over stdio."""

import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from seedance_mcp.errors import SeedanceError


class ServerClient:
    """A connection to a running server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def protocol_version(self) -> str:
        """Return the negotiated revision of MCP, such as "2026-07-28"."""
        return self._client.protocol_version

    async def tool_names(self) -> list[str]:
        """Return the names of the server's tools, in its order."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: Callable[[str], object]
    ) -> dict[str, Any]:
        """Call a tool, pass on each progress message, and return the structured answer.

        Raises:
            SeedanceError: The answer is an error; the message is its text.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            del progress, total  # The message states the elapsed time; RunComfy sends no total.
            on_progress(message or "")

        result = await self._client.call_tool(tool, arguments, progress_callback=report)
        if result.is_error:
            texts = [part.text for part in result.content if isinstance(part, types.TextContent)]
            raise SeedanceError("\n".join(texts))
        return result.structured_content or {}


@asynccontextmanager
async def started_server(variables: Mapping[str, str]) -> AsyncGenerator[ServerClient, None]:
    """Start the server with these environment variables, and yield a client that knows it.

    On leaving, the subprocess is stopped.
    """
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "seedance_mcp"], env=dict(variables)
    )
    async with Client(parameters) as client:
        yield ServerClient(client)
