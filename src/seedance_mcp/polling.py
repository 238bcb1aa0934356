"""When to ask again: the rhythm of polls, and the pauses between retries. Pure arithmetic."""

from collections.abc import Callable

POLL_LONGEST_SECONDS = 5.0
RETRY_ATTEMPTS = 4
RETRY_LONGEST_SECONDS = 8.0

Random = Callable[[], float]
"""A source of numbers from 0 up to 1."""


def poll_delay(elapsed_seconds: float, random: Random) -> float:
    """Say how long to wait before the next status request.

    A tenth of the time that has passed, from 1 to 5 seconds, so that a short job is noticed at
    once and a long one costs few requests; a fifth of it is jitter, so that many jobs do not
    beat together.

    Args:
        elapsed_seconds: How old the job is.
        random: Where the jitter comes from.

    Returns:
        Seconds, from 0.8 to 5.
    """
    longest = min(max(elapsed_seconds / 10, 1.0), POLL_LONGEST_SECONDS)
    return longest * (0.8 + 0.2 * random())


def retry_delay(attempt: int, random: Random, *, retry_after: float | None = None) -> float:
    """Say how long to pause before a safe request is sent again.

    Args:
        attempt: How many attempts failed so far, from 1.
        random: Where the jitter comes from.
        retry_after: Seconds that the service asked for, or None.

    Returns:
        Seconds: what the service asked for, else 0.5, 1, 2, … up to 8, of which half is jitter.
    """
    if retry_after is not None:
        return max(0.0, retry_after)
    backoff = min(0.5 * 2.0 ** (attempt - 1), RETRY_LONGEST_SECONDS)
    return backoff * (0.5 + 0.5 * random())
