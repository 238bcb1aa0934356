"""An event loop whose time is virtual: waiting costs nothing, and every timer fires in order.

The loop jumps to the next timer once nothing is under way. A server, a client and a simulator in
one process so wait for minutes in a few milliseconds, and every deadline is met to the millisecond,
however busy the machine is.

A connection to a port that the loop serves itself is a pair of sockets, on which data arrives at
once; TCP takes time even on the loopback interface. The loop does not jump while a thread works,
whether anyio's or an executor's.
"""

import asyncio
import selectors
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from anyio.to_thread import current_default_thread_limiter

TCP_SETTLES_SECONDS = 0.005
"""How long, in real seconds, something sent over TCP on this machine may take to arrive."""
THREAD_SECONDS = 1.0
"""How long, in real seconds, until the threads are checked again."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Events = list[tuple[selectors.SelectorKey, int]]


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves a clock forward instead of blocking."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self.settles_seconds = 0.0
        self.threads: anyio.CapacityLimiter | None = None
        # What executors have been given and have not done yet.
        self.executing = 0

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        if self.executing or (self.threads is not None and self.threads.borrowed_tokens):
            return self._real.select(THREAD_SECONDS)
        events = self._real.select(self.settles_seconds)
        if not events:
            self.now += timeout
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on a virtual clock that starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._served: dict[int, tuple[asyncio.Server, Any]] = {}
        self.call_soon(lambda: self.create_task(self._watch_threads()))

    def time(self) -> float:
        return self._jumping.now

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        server = await super().create_server(protocol_factory, *args, **options)
        if not options.get("ssl"):
            for listening in server.sockets:
                self._served[listening.getsockname()[1]] = server, protocol_factory
        return server

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        served = self._served.get(port)
        if served is None or not served[0].is_serving() or options.get("ssl"):
            self._jumping.settles_seconds = TCP_SETTLES_SECONDS
            return await super().create_connection(protocol_factory, host, port, **options)
        ours, theirs = socket.socketpair()
        try:
            await self.connect_accepted_socket(served[1], theirs)
        except BaseException:
            ours.close()
            raise
        return await super().create_connection(protocol_factory, sock=ours)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        work = super().run_in_executor(executor, func, *args)
        self._jumping.executing += 1
        work.add_done_callback(self._executed)
        return work

    def _executed(self, _: Any) -> None:
        self._jumping.executing -= 1

    async def _watch_threads(self) -> None:
        self._jumping.threads = current_default_thread_limiter()


def virtual_now() -> datetime:
    """Return the virtual time as a date."""
    return EPOCH + timedelta(seconds=anyio.current_time())
