"""Logs refused calls; anyone can make them, so there are few lines however many come."""

import logging
from collections.abc import Callable
from math import inf

logger = logging.getLogger(__name__)

LINE_SECONDS = 10.0
"""After how long the next line may follow."""


class RefusalLog:
    """Logs one refused call in a while, and how many came since the last one.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quiet_until = -inf
        self._left_out = 0

    def note(self, address: str, description: str) -> None:
        """Log a call from an address, or count it."""
        now = self._clock()
        if now < self._quiet_until:
            self._left_out += 1
            return
        others = f" ({self._left_out} more since the last line)" if self._left_out else ""
        logger.warning("Refused a call from %s: %s%s", address, description, others)
        self._quiet_until, self._left_out = now + LINE_SECONDS, 0
