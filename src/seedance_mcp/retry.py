"""How often a repeatable request is sent, and the delays between attempts. Pure arithmetic."""

from .clock import Random

RETRY_ATTEMPTS = 4
MAX_RETRY_SECONDS = 8.0


def retry_delay(attempt: int, random: Random, *, retry_after: float | None = None) -> float:
    """Return the seconds to wait before a request is sent again after `attempt` failures.

    That is what the server asked for with `retry_after`, else 0.5, 1, 2, … up to 8, half of it
    jitter.
    """
    if retry_after is not None:
        return max(0.0, retry_after)
    backoff = min(0.5 * 2.0 ** (attempt - 1), MAX_RETRY_SECONDS)
    return backoff * (0.5 + 0.5 * random())
