"""An MCP client that starts the server itself, as an assistant does: a subprocess over stdio."""

import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent


@dataclass(frozen=True, kw_only=True)
class ToolAnswer:
    """The answer to a tool call: its text, its structured content and whether it is an error."""

    text: str
    structure: dict[str, Any]
    is_error: bool


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
    ) -> ToolAnswer:
        """Call a tool, pass each progress message to `on_progress`, and return the answer."""

        async def report(progress: float, total: float | None, message: str | None) -> None:
            del progress, total  # The message states the elapsed time; RunComfy sends no total.
            on_progress(message or "")

        result = await self._client.call_tool(tool, arguments, progress_callback=report)
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        structure: dict[str, Any] = result.structured_content or {}
        return ToolAnswer(text="\n".join(texts), structure=structure, is_error=result.is_error)


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
