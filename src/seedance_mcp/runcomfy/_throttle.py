"""A rate limit on requests to RunComfy, shared by all of this process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf

import anyio

MAX_REQUESTS_PER_SECOND = 500.0
MIN_REQUESTS_PER_SECOND = 0.5
BURST_SECONDS = 0.05
"""How far ahead of its slot a request may leave, so that a few at once need not wait."""
SLOW_DOWN, SPEED_UP = 0.5, 1.05
"""The factors by which a 429 and any other answer change the rate."""
SAME_LIMIT_SECONDS = 1.0
"""How long after one slowdown further 429s do not slow down again: requests already under way
report the same limit."""


@dataclass(eq=False, repr=False)
class Throttle:
    """A rate limiter that a 429 slows down and every other answer speeds up."""

    _sleep: Callable[[float], Awaitable[None]]
    _rate: float = field(default=MAX_REQUESTS_PER_SECOND, init=False)
    _next_slot: float = field(default=0.0, init=False)
    _slowed_at: float = field(default=-inf, init=False)
    _lock: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True), init=False)

    async def acquire(self) -> None:
        """Wait for a slot, first come, first served; cancelling the wait uses no slot."""
        async with self._lock:
            while self._next_slot > anyio.current_time() + BURST_SECONDS:
                await self._sleep(self._next_slot - anyio.current_time())
            self._next_slot = max(self._next_slot, anyio.current_time()) + 1 / self._rate

    def speed_up(self) -> None:
        """Raise the rate a little after an answer."""
        self._rate = min(self._rate * SPEED_UP, MAX_REQUESTS_PER_SECOND)

    def back_off(self, retry_after: float) -> None:
        """Pause all requests for `retry_after` seconds after a 429, then send fewer."""
        now = anyio.current_time()
        self._next_slot = max(self._next_slot, now + retry_after)
        if now >= self._slowed_at + SAME_LIMIT_SECONDS:
            self._slowed_at = now
            self._rate = max(self._rate * SLOW_DOWN, MIN_REQUESTS_PER_SECOND)
