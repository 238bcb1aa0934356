"""How far this machine's clock may be from the database's while it buys.

Limits count the jobs of an hour, and a call that is repeated gets back a job for as long as that is
young enough: with an hour between the clocks of two machines, both would let through what they are
to stop.
"""

from datetime import datetime, timedelta

from seedance_mcp.errors import LedgerError

MOST_APART = timedelta(minutes=2)
"""Much more than clocks that are kept, and much less than the shortest time that counts."""


def check_clock(ours: datetime, of_database: datetime) -> None:
    """Check this machine's clock.

    Raises:
        LedgerError: It is too far from the database's.
    """
    ahead = ours - of_database
    if abs(ahead) > MOST_APART:
        minutes = round(abs(ahead) / timedelta(minutes=1))
        word = "ahead of" if ahead > timedelta(0) else "behind"
        raise LedgerError(
            f"The clock of this server's machine is {minutes} minutes {word} that of the ledger's"
            " database: set the wrong one, then repeat the call."
        )
