"""Time, sleeping and randomness, replaceable in tests."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

EVER = datetime.min.replace(tzinfo=UTC)
"""The earliest time."""

Random = Callable[[], float]
"""A source of numbers from 0 up to 1."""


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The time, sleeping and randomness of this machine."""

    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Random = random.random
