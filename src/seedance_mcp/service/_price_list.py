"""The model's price, asked for beside whatever else goes on and in the way of nothing."""

import logging
from dataclasses import replace
from math import inf

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.models.model import Model
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.spending.limits import SpendingLimits
from seedance_mcp.spending.pricing import Price, read_price

logger = logging.getLogger(__name__)

GOOD_FOR_SECONDS = 3600.0
"""How long an answer is taken for true, and a question that got none is not asked again."""

PATIENCE_SECONDS = 5.0
"""How long a call may wait for a price that it cannot do without."""


class PriceList:
    """What is known of the model's price.

    Args:
        client: The Model API.
        model: The model.
        tasks: Where it is asked for.

    Attributes:
        price: The last one that was heard; None where none was, or none that can be used.
    """

    def __init__(self, client: RunComfyClient, model: Model, tasks: TaskGroup) -> None:
        self.price: Price | None = None
        self._client = client
        self._model = model
        self._tasks = tasks
        self._again_at = -inf
        self._heard = False
        self._ended = False
        self._scope = anyio.CancelScope()
        self._answered = anyio.Event()
        self._answered.set()

    async def allowance(self, allowed: SpendingLimits, deadline: float) -> SpendingLimits:
        """Have the price asked for, and say what may be begun with what is known of it by now.

        Only where a day's money is limited, a price that is not known is waited for.

        Args:
            allowed: What is allowed, without a price.
            deadline: When to stop waiting at the latest, on the event loop's clock, in seconds.
        """
        limited = allowed.usd_per_day is not None
        self._ask_if_due(needed=limited)
        if limited and self.price is None:
            patience = anyio.current_time() + PATIENCE_SECONDS
            with anyio.CancelScope(deadline=min(deadline, patience)):
                await self._answered.wait()
        return replace(allowed, price=self.price)

    def estimated(self, job: Job) -> Job:
        """Give a job with its estimate, if it has none and the price is known by now."""
        if job.estimated_microdollars is not None or self.price is None:
            return job
        return replace(job, estimated_microdollars=self.price.estimate(job))

    def end(self) -> None:
        """Ask no more."""
        self._ended = True
        self._scope.cancel()

    def _ask_if_due(self, *, needed: bool) -> None:
        now = anyio.current_time()
        # Where nothing can be bought without it, a question that got no answer is asked again.
        due = now >= self._again_at or (needed and not self._heard)
        if due and self._answered.is_set() and not self._ended:
            self._again_at = now + GOOD_FOR_SECONDS
            self._answered = anyio.Event()
            self._scope = anyio.CancelScope()
            self._tasks.start_soon(self._ask)

    async def _ask(self) -> None:
        try:
            with self._scope:
                entry = await self._client.model(self._model.model_id)
                self.price, self._heard = read_price(entry, self._model), True
        except SeedanceError as error:
            logger.info("The price of %s is not known: %s", self._model.model_id, error.message)
        except Exception:
            # A fault of ours here must not end the jobs that go on beside it.
            logger.exception("Asking for the price broke")
        finally:
            self._answered.set()
