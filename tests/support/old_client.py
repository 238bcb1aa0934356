"""A client of any revision with a handshake; the SDK's own always asks for the newest."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
from mcp.server.lowlevel.server import Server
from mcp.shared.memory import MessageStream, create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse


class OldClient:
    """Sends one request after the other, and returns what was answered."""

    def __init__(self, streams: MessageStream) -> None:
        self._reading, self._writing = streams
        self._ids = count(1)

    async def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request, and return its result."""
        request = JSONRPCRequest(jsonrpc="2.0", id=next(self._ids), method=method, params=params)
        await self._writing.send(SessionMessage(request))
        async for received in self._reading:
            assert isinstance(received, SessionMessage)
            assert not isinstance(received.message, JSONRPCError), received.message.error
            if isinstance(received.message, JSONRPCResponse):
                return received.message.result
        raise AssertionError("the server has ended")

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        return await self.request("tools/call", name=tool, arguments=arguments)

    async def initialize(self, version: str) -> None:
        """Do the handshake of a revision."""
        client = {"name": "a test", "version": "1"}
        answer = await self.request(
            "initialize", protocolVersion=version, capabilities={}, clientInfo=client
        )
        assert answer["protocolVersion"] == version
        done = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
        await self._writing.send(SessionMessage(done))


@asynccontextmanager
async def connect_old_client(server: Server[Any], version: str) -> AsyncGenerator[OldClient, None]:
    """Run a server, and connect a client of a revision to it."""
    async with (
        create_client_server_memory_streams() as (ours, theirs),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, *theirs, server.create_initialization_options())
        client = OldClient(ours)
        await client.initialize(version)
        yield client
        tasks.cancel_scope.cancel()
