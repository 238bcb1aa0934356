"""What was spent within 24 hours, read from the ledger no more often than answers need it."""

from dataclasses import dataclass, field

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.ledger.store import Store
from seedance_mcp.spending.pricing import TotalCost, total_cost

from ._catalogue import Catalogue

MAX_AGE_SECONDS, MAX_AGE_WITH_UNKNOWN_SECONDS = 5.0, 1.0
"""How old a total may be in an answer about a job, and one that leaves out unknown costs.

Thousands of jobs may be asked for at once.
"""


@dataclass(eq=False, repr=False)
class RecentSpending:
    """The total of the last 24 hours: of one owner, or of the whole ledger."""

    _store: Store
    _catalogue: Catalogue
    _clock: Clock
    # None for the whole ledger.
    _owner: str | None = None
    # Until when it may be used, on the event loop's clock, and the total.
    _last: tuple[float, TotalCost] | None = field(default=None, init=False)
    _purchases: int = field(default=0, init=False)

    def forget(self) -> None:
        """Read the total anew for the next answer, since a job was bought."""
        self._purchases += 1
        self._last = None

    async def total(self) -> TotalCost:
        """Return what the jobs of the last 24 hours cost, as a daily limit counts them.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        began, purchases = anyio.current_time(), self._purchases
        jobs = await self._store.costs_of_last_day(self._clock.now(), self._owner)
        total = total_cost((self._catalogue.with_estimate(job), count) for job, count in jobs)
        if self._purchases == purchases:
            # A cost that is unknown may be known at any moment.
            age = MAX_AGE_WITH_UNKNOWN_SECONDS if total.unknown else MAX_AGE_SECONDS
            self._last = began + age, total
        return total

    async def recent_total(self) -> TotalCost:
        """Return the total as it was a few seconds ago at most; raises as `total`."""
        last = self._last
        if last is not None and anyio.current_time() < last[0]:
            return last[1]
        return await self.total()
