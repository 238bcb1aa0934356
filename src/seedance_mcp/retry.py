"""How often a safe request is repeated, and with which pauses. Pure arithmetic."""

from .clock import Random

RETRY_ATTEMPTS = 4


RETRY_LONGEST_SECONDS = 8.0


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
