"""What the package takes from outside: the time, pauses and chance."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from seedance_mcp.polling.schedule import Random


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the service takes from outside, so that a test can hold it.

    Attributes:
        clock: What time it is, aware, in UTC.
        sleep: How to pause, in seconds.
        random: Numbers from 0 up to 1, for jitter.
    """

    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    random: Random
