"""The states with which a call proves that its user has agreed to a job.

A state goes to the client with the form and comes back with the answer, in another call, perhaps
to another process. Whoever sends it may have made it or changed it: it counts only if it was signed
with the key, has not expired, and names the job that the call asks for.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seedance_mcp.jobs.job import Job

LIFETIME = timedelta(minutes=10)
"""How long after it was made a state counts."""

MOST_CHARACTERS = 1000
"""A state of ours has a third of them."""

# Other things may be signed with the same key.
_PURPOSE = b"seedance-mcp approval 1\n"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A yes of the user, once they have said it.

    Attributes:
        nonce: What makes it the only one of its kind: it buys one job.
        wish: The fingerprint of the job that they were asked about.
        microdollars: The estimated cost that they were shown, None if they were shown none.
    """

    nonce: str
    wish: str
    microdollars: int | None

    def covers(self, job: Job) -> bool:
        """Return whether the user has agreed to a job, at what it costs now."""
        shown, cost = self.microdollars, job.estimated_microdollars
        if self.wish != job.fingerprint:
            return False
        # One that was unknown and has become known is news, too.
        return shown is cost if shown is None or cost is None else cost <= shown


def seal(approval: Approval, key: bytes, now: datetime) -> str:
    """Return a signed state of at most `MOST_CHARACTERS`, which expires after `LIFETIME`."""
    expires = int((now + LIFETIME).timestamp())
    values = [approval.nonce, approval.wish, approval.microdollars, expires]
    content = urlsafe_b64encode(json.dumps(values).encode()).decode()
    return f"{content}.{_signature(content, key)}"


def unseal(state: str, key: bytes, now: datetime) -> Approval | None:
    """Return what a state proves, None if it is not signed with the key or has expired."""
    content, _, signature = state[: MOST_CHARACTERS + 1].partition(".")
    if len(state) > MOST_CHARACTERS or not state.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(content, key)):
        return None
    # Signed, so that it has the form in which it was written.
    nonce, wish, microdollars, expires = json.loads(urlsafe_b64decode(content))
    # One from further ahead was made by a clock that was wrong.
    if not now < datetime.fromtimestamp(expires, UTC) <= now + LIFETIME:
        return None
    return Approval(nonce=nonce, wish=wish, microdollars=microdollars)


def _signature(content: str, key: bytes) -> str:
    return hmac.new(key, _PURPOSE + content.encode(), "sha256").hexdigest()
