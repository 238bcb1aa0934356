"""Answers a client's probe without letting it decide the revision of the protocol.

A client asks `server/discover` first to learn whether the server knows the 2026-07-28 revision.
Some wait only a second for the answer, which a loaded machine takes longer to give, and then do
the handshake of older revisions. The SDK refuses that, since its first request was a modern one.
"""

from functools import partial
from typing import Any, Self

import anyio
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

from seedance_mcp.mcp_server._server import SeedanceServer


class AfterProbes:
    """The SDK's stream of messages from the client, without the probes that come first."""

    def __init__(self, server: SeedanceServer, reading: Any, writing: Any) -> None:
        self._server = server
        self._reading = reading
        self._writing = writing
        self._opened = False

    async def receive(self) -> Any:
        """Return the next message that is for the SDK, and answer the probes before it."""
        item = await self._reading.receive()
        while not self._opened and isinstance(request := _request(item), JSONRPCRequest):
            if request.method != "server/discover":
                self._opened = True
                break
            await self._answer(item)
            item = await self._reading.receive()
        return item

    async def _answer(self, probe: SessionMessage) -> None:
        """Send what the SDK answers a client that asks nothing else."""
        asking, asked = anyio.create_memory_object_stream[SessionMessage | Exception](1)
        answering, answered = anyio.create_memory_object_stream[SessionMessage](1)
        asking.send_nowait(probe)
        serve: Any = partial(serve_dual_era_loop, lifespan_state=None)
        with asking, asked, answering, answered:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve, self._server, asked, answering)
                await self._writing.send(await answered.receive())
                tasks.cancel_scope.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reading, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


def _request(item: Any) -> Any:
    return item.message if isinstance(item, SessionMessage) else None
