"""A cap on how often the service is asked, which every question of this process keeps to."""

from collections.abc import Awaitable, Callable
from math import inf

import anyio

MOST_A_SECOND = 500.0
LEAST_A_SECOND = 0.5
BURST_SECONDS = 0.05
"""How far ahead of its turn a question may come: a few at once do no harm."""
SLOWER, FASTER = 0.5, 1.05
"""What a refusal and an answer make of the cap."""
SAME_SECONDS = 1.0
"""Refusals that come within this time of the first one say the same thing, and count once."""


class Throttle:
    """Turns to ask; when the service says that there are too many, all back off together.

    Args:
        sleep: How to pause, in seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._rate = MOST_A_SECOND
        self._next = 0.0
        self._slowed_at = -inf
        self._line = anyio.Lock(fast_acquire=True)

    async def turn(self) -> None:
        """Wait for a turn to ask, in line; who gives up leaves the turn to those behind."""
        async with self._line:
            while self._next > anyio.current_time() + BURST_SECONDS:
                await self._sleep(self._next - anyio.current_time())
            self._next = max(self._next, anyio.current_time()) + 1 / self._rate

    def answered(self) -> None:
        """Hear that a question was answered: after many, they may come faster again."""
        self._rate = min(self._rate * FASTER, MOST_A_SECOND)

    def refused(self, retry_after: float) -> None:
        """Hear that there were too many questions: nobody asks for some seconds, then fewer."""
        now = anyio.current_time()
        self._next = max(self._next, now + retry_after)
        if now >= self._slowed_at + SAME_SECONDS:
            self._slowed_at = now
            self._rate = max(self._rate * SLOWER, LEAST_A_SECOND)
