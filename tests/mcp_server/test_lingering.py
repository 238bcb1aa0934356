"""A connection that is closed while its client goes away."""

import asyncio
import socket
import struct

from seedance_mcp.mcp_server.transports._lingering import LingeringTransport


async def close_after_a_reset() -> bool:
    """Close a connection that its client has reset unseen, and return whether it then ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            del exc
            ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    accepted.settimeout(0)
    transport, _ = await loop.connect_accepted_socket(Protocol, accepted)
    lingering = LingeringTransport(transport, loop)
    transport.pause_reading()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    lingering.close()
    await asyncio.wait_for(ended.wait(), 5)
    lingering.lost()
    return lingering.is_closing()


def test_closing_a_connection_that_its_client_has_reset_breaks_nothing() -> None:
    assert asyncio.run(close_after_a_reset())
