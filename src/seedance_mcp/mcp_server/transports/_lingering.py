"""A transport that closes without losing the answer of a client that still sends."""

import asyncio
import socket
import struct
import sys
from typing import Any

LINGER_SECONDS = 5.0
"""How long a closed connection takes what its client still sends."""

_AT_ONCE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that drops what is still to be sent."""


class LingeringTransport:
    """A transport that ends its own side first when it is closed, and drops what still comes.

    A socket that is closed with unread bytes resets the connection, and many clients then fail
    before they have read the answer.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or is going to be."""
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        """Send what is left and the end, and close once the client has ended its side too."""
        if self.is_closing():
            return
        self._timer = self._loop.call_later(LINGER_SECONDS, self.abort)
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:
            # The client has reset it, which was not read yet.
            self._transport.abort()

    def abort(self) -> None:
        """Reset the connection, so that the system does not keep what is never read either."""
        socket_ = self._transport.get_extra_info("socket")
        if socket_ is not None and sys.platform != "win32":
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._transport.abort()

    def lost(self) -> None:
        """Forget the connection, which is gone."""
        if self._timer:
            self._timer.cancel()
