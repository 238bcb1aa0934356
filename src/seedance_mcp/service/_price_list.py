"""The model's price, read from RunComfy's catalogue in the background."""

import logging
from dataclasses import replace
from math import inf

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.errors import LedgerError, SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.differences import contradictions
from seedance_mcp.models.model import Model
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.spending.limits import SpendingLimits
from seedance_mcp.spending.pricing import Price, read_price

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 3600.0
"""How long a price is used, and how long after a failure it is not asked for again."""

PRICE_TIMEOUT_SECONDS = 5.0
"""How long a call may wait for a price that it needs."""


class PriceList:
    """The price of the model.

    Attributes:
        price: The last price read; None if there was none, or none that can be used.
    """

    def __init__(
        self, client: RunComfyClient, model: Model, store: Store, tasks: TaskGroup
    ) -> None:
        self.price: Price | None = None
        self._client = client
        self._model = model
        self._store = store
        self._tasks = tasks
        self._refresh_at = -inf
        self._was_read = False
        self._ended = False
        self._scope = anyio.CancelScope()
        self._answered = anyio.Event()
        self._answered.set()

    async def limits(self, limits: SpendingLimits, deadline: float) -> SpendingLimits:
        """Return the spending limits with the price, if it is known by now.

        An unknown price is waited for only if there is a daily limit, which needs it.

        Args:
            limits: The limits that are configured.
            deadline: When to stop waiting, on the event loop's clock, in seconds.
        """
        needed = limits.usd_per_day is not None
        self._refresh_if_due(needed=needed)
        if needed and self.price is None:
            latest = anyio.current_time() + PRICE_TIMEOUT_SECONDS
            with anyio.CancelScope(deadline=min(deadline, latest)):
                await self._answered.wait()
        price = self.price
        return replace(limits, prices={price.model_id: price} if price else {})

    def with_estimate(self, job: Job) -> Job:
        """Return a job with its estimated cost, if it has none and the price is known."""
        if job.estimated_microdollars is not None or self.price is None:
            return job
        return replace(job, estimated_microdollars=self.price.estimate(job))

    def record_estimate(self, job: Job) -> None:
        """Write a job's estimate to the ledger once the price is known, for other processes."""
        if job.estimated_microdollars is None:
            self._refresh_if_due(needed=False)
            self._tasks.start_soon(self._record, job)

    def shut_down(self) -> None:
        """Send no more requests."""
        self._ended = True
        self._scope.cancel()

    async def _record(self, job: Job) -> None:
        try:
            await self._answered.wait()
            priced = self.with_estimate(job)
            if priced.estimated_microdollars is not None:
                await self._store.set_estimate(priced)
        except LedgerError as error:
            logger.info("The estimate of a job is not written: %s", error.message)
        except Exception:
            # A bug here must not end the jobs that run beside it.
            logger.exception("Writing an estimate broke")

    def _refresh_if_due(self, *, needed: bool) -> None:
        now = anyio.current_time()
        # A call that cannot go on without a price does not wait an hour for the next attempt.
        due = now >= self._refresh_at or (needed and not self._was_read)
        if due and self._answered.is_set() and not self._ended:
            self._refresh_at = now + REFRESH_SECONDS
            self._answered = anyio.Event()
            self._scope = anyio.CancelScope()
            self._tasks.start_soon(self._refresh)

    async def _refresh(self) -> None:
        try:
            with self._scope:
                entry = await self._client.model(self._model.model_id)
                self.price, self._was_read = read_price(entry, self._model), True
                for line in contradictions(self._model, entry.get("input_schema")):
                    logger.warning("RunComfy has changed %s: %s.", self._model.model_id, line)
        except SeedanceError as error:
            logger.info("The price of %s is unknown: %s", self._model.model_id, error.message)
        except Exception:
            # A bug here must not end the jobs that run beside it.
            logger.exception("Reading the price broke")
        finally:
            self._answered.set()
