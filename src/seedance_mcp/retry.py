"""How often a repeatable request is sent, and the delays between attempts. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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


def asked_delay(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date (RFC 9110)."""
    try:
        if not value or value.strip().isdigit():
            return float(value) if value else None
        date = parsedate_to_datetime(value)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
