"""An event loop whose time is virtual: waiting costs nothing, and every timer fires in order.

Sockets are real. The loop lets what is under way on them arrive, and only when nothing happens any
more does it jump to the next timer. So a server, a client and a simulator in one process can wait
for minutes in a few milliseconds, and every deadline is met to the millisecond.
"""

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

# How long, in real seconds, something sent over the loopback interface may take to arrive.
SETTLE_SECONDS = 0.005

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Events = list[tuple[selectors.SelectorKey, int]]


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves a clock forward instead of blocking."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        events = self._real.select(SETTLE_SECONDS)
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

    def time(self) -> float:
        return self._jumping.now


def virtual_now() -> datetime:
    """Tell the virtual time as a date."""
    return EPOCH + timedelta(seconds=anyio.current_time())
