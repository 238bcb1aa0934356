"""The port that a server listens on."""

import os
import socket

from seedance_mcp.errors import ConfigurationError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port, or on a free one for 0.

    Raises:
        ConfigurationError: It is taken or forbidden.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only if the protocol is named; with it, answers that are
    # written in two parts take 40 ms longer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise ConfigurationError(f"Cannot listen on port {port}: {str(reason).lower()}.") from None
    return listening
