"""Bounds how many connections there are, and how long each may do nothing.

uvicorn waits for ever for the end of a request's head, and for a client to read its answer.
"""

import asyncio
import sys
from math import inf
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from ._lingering import LingeringTransport
from ._refusals import refusal_bytes

HEAD_SECONDS = 10.0
"""How long the head of a request may take, from the connection or its first bytes."""

UNREAD_SECONDS = 30.0
"""How long a client may leave an answer unread that does not fit into the buffers."""

MOST_BYTES_AHEAD = 64 * 1024
"""How much a client may send behind a request that is not answered yet, which may take long."""

MOST_LINES = 20_000
"""How many lines a request may have, those of its chunks included, each of which takes time."""

MOST_CONNECTIONS = 4_000
"""How many connections there may be; those that wait for a request make room for new ones."""

OTHER_FILES = 256
"""How many open files the process needs beside its connections."""

_SAID = {
    400: "The request is not valid HTTP.",
    413: f"The request has more than {MOST_LINES:,} lines or chunks.",
    408: f"The head of the request was not complete after {HEAD_SECONDS:.0f} seconds.",
    431: "The head of the request is longer than 16 KiB.",
    501: "The transfer encoding of the request is not supported.",
    503: "The server has too many connections.",
}


class Connection(H11Protocol):
    """A connection of uvicorn's with bounds.

    Attributes:
        idle_since: When it last had a request under way, on the event loop's clock.
    """

    transport: LingeringTransport  # type: ignore[assignment]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.idle_since = self.loop.time()
        self._lines = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    @property
    def is_serving(self) -> bool:
        """Whether a request is under way, its answer included."""
        return bool(self.cycle) and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a request, in place of a connection that has done so for longest."""
        lingering = LingeringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", lingering))
        self._expect_head()
        if len(self.connections) > most_connections() and not self._make_room():
            self._refuse(503)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; drop it once the connection is to be closed."""
        if self.transport.is_closing():
            return
        self._lines += data.count(b"\r\n")
        if self._lines > MOST_LINES:
            self._give_up(413)
            return
        super().data_received(data)
        if not self.is_serving:
            self._expect_head()
        elif not self.cycle.more_body and len(self.conn.trailing_data[0]) > MOST_BYTES_AHEAD:
            self.transport.abort()
        elif self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.idle_since = self.loop.time()
        self._lines = 0
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._head_timer, self._unread_timer):
            if timer:
                timer.cancel()
        self.transport.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Send no more until the client reads, for which it has some time."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Send again."""
        super().resume_writing()
        if self._unread_timer:
            self._unread_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; uvicorn calls this while it handles the error of h11."""
        del msg
        self._give_up(getattr(sys.exception(), "error_status_hint", 400))

    def _give_up(self, status: int) -> None:
        """Read no more of a request."""
        if self.is_serving:
            # A body that breaks off: whoever reads it learns that the client is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.is_serving and self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(status)

    def _expect_head(self) -> None:
        """Let the head of the next request come within a time, which begins only once."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _refuse(self, status: int) -> None:
        """Answer something that is not a request, and close the connection."""
        if self.transport.is_closing():
            return
        # One that was answered before its body had come gets no second answer.
        if not (self.cycle and self.cycle.response_complete and self.cycle.more_body):
            self.transport.write(refusal_bytes(status, _SAID.get(status, _SAID[400])))
        self.transport.close()

    def _make_room(self) -> bool:
        """Close the connection that has waited for a request for longest, if there is one."""
        others = cast("set[Connection]", self.connections - {self})
        waiting = [other for other in others if not other.is_serving]
        if waiting:
            min(waiting, key=lambda other: other.idle_since).transport.abort()
        return bool(waiting)


def most_connections() -> int:
    """Return how many connections there may be, which the open files bound too."""
    allowed = _open_files()[0]
    return min(MOST_CONNECTIONS, max(int(allowed - OTHER_FILES), 1))


def allow_open_files() -> None:
    """Let the process open as many files as its connections need, where the system lets it."""
    allowed, most = _open_files()
    wanted = min(MOST_CONNECTIONS + OTHER_FILES, most)
    if sys.platform != "win32" and allowed < wanted:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(wanted), hard))


def _open_files() -> tuple[float, float]:
    """Return how many files the process may open, and how many it may allow itself."""
    if sys.platform == "win32":
        return inf, inf
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed, most = (inf if limit == resource.RLIM_INFINITY else limit for limit in limits)
    return allowed, most
