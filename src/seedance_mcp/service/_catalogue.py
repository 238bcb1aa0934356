"""What RunComfy's catalogue says of the models today: prices, changes, and whether they exist.

It is asked in the background once the service is open, and again every hour. What it says once
counts until it says something else: a catalogue that is down or unreadable changes nothing.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError, ModelGone, ModelUnknown, SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.spending.limits import SpendingLimits
from seedance_mcp.spending.pricing import Price

from ._catalogue_entry import CatalogueEntry
from ._gone_models import describe_gone, find_nearest
from ._sightings import Sightings

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 3600.0
"""How long an answer is used, and how long after a failure the catalogue is not asked again."""

PRICE_TIMEOUT_SECONDS = 3.0
"""How long a call may wait for a price that it needs, after it has waited for a first answer."""

FIRST_ANSWER_SECONDS = 2.0
"""How long the first purchase waits for the first answer, from when it begins."""

ASK_AGAIN_SECONDS = 60.0
"""How long a refusal counts before the catalogue is asked again whether the model is gone."""

ASK_AGAIN_TIMEOUT_SECONDS = 4.0
"""How long a call that may be refused waits for it, and for the search of another model."""


@dataclass(eq=False, repr=False)
class Catalogue:
    """The entries of the models that clips can be made with.

    `_known` has every model that this server has a file of, by id; `_sightings` keep when each was
    last seen.
    """

    _client: RunComfyClient
    _models: Sequence[Model]
    _known: Mapping[str, Model]
    _store: Store
    _sightings: Sightings
    _tasks: TaskGroup
    _clock: Clock
    _requests: set[anyio.CancelScope] = field(default_factory=set[anyio.CancelScope], init=False)
    _ended: bool = field(default=False, init=False)
    _is_hourly: bool = field(default=False, init=False)
    # When the first purchase stops waiting for the first answer; None before that.
    _first_answer_by: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._entries = {model.model_id: CatalogueEntry(model) for model in self._models}

    @property
    def is_idle(self) -> bool:
        """Whether it asks for nothing now, or whenever it wants, since it belongs to no caller."""
        return self._is_hourly or not self._requests

    def start(self) -> None:
        """Ask for every model in the background, now and again every hour."""
        self._is_hourly = True
        self._start(self._refresh_hourly)

    async def check(self, model: Model, *, since: float, deadline: float) -> tuple[str, ...]:
        """Return how RunComfy has changed a model since its file was written, a line each.

        The first purchase of this process waits a little for the first answer. `since` is when the
        purchase began, `deadline` when to stop waiting, on the event loop's clock, in seconds.

        Raises:
            ModelGone: RunComfy does not know the model any more, and has just said so again.
        """
        entry = self._entries[model.model_id]
        self._refresh_if_due(entry, needed=False)
        if self._first_answer_by is None:
            self._first_answer_by = since + FIRST_ANSWER_SECONDS
        with anyio.CancelScope(deadline=min(deadline, self._first_answer_by)):
            await entry.answered.wait()
        await self.refuse_if_gone(model, deadline)
        return entry.warnings

    async def refuse_if_gone(self, model: Model, deadline: float) -> None:
        """Raise ModelGone if RunComfy has said that it does not know a model, and says so again."""
        entry = self._entries[model.model_id]
        if not entry.gone:
            return
        latest = anyio.current_time() + ASK_AGAIN_TIMEOUT_SECONDS
        with anyio.CancelScope(deadline=min(deadline, latest)):
            async with entry.asking_again:
                if anyio.current_time() >= entry.ask_again_at:
                    entry.ask_again_at = anyio.current_time() + ASK_AGAIN_SECONDS
                    entry.refusal = None
                    await self._ask_again(entry)
        # An answer that did not come, or is unreadable, refuses nothing.
        if entry.refusal:
            raise ModelGone(entry.refusal)

    async def limits(
        self,
        limits: SpendingLimits,
        model: Model,
        deadline: float,
        *,
        needs_price: bool = False,
    ) -> SpendingLimits:
        """Return the spending limits with the prices that are known by now.

        An unknown price is waited for only if the call or a limit needs it.

        Args:
            limits: The limits that are configured.
            model: What the next clip is made with.
            deadline: When to stop waiting, on the event loop's clock, in seconds.
            needs_price: Whether the call needs the price of that clip.
        """
        if needs_price or limits.need_price:
            await self.price(model, deadline)
        else:
            self._refresh_if_due(self._entries[model.model_id], needed=False)
        entries = self._entries.items()
        return replace(limits, prices={name: one.price for name, one in entries if one.price})

    async def price(self, model: Model, deadline: float = inf) -> Price | None:
        """Return a model's price, None if it is not known after some seconds or by a deadline."""
        entry = self._entries[model.model_id]
        self._refresh_if_due(entry, needed=True)
        if entry.price is None:
            latest = anyio.current_time() + PRICE_TIMEOUT_SECONDS
            with anyio.CancelScope(deadline=min(deadline, latest)):
                await entry.answered.wait()
        return entry.price

    def with_estimate(self, job: Job) -> Job:
        """Return a job with its estimated cost, if it has none and the price is known."""
        entry = self._entries.get(job.model_id or "")
        if job.estimated_microdollars is not None or entry is None or entry.price is None:
            return job
        return replace(job, estimated_microdollars=entry.price.estimate(job))

    def record_estimate(self, job: Job) -> None:
        """Write a job's estimate to the ledger once the price is known, for other processes."""
        entry = self._entries.get(job.model_id or "")
        if job.estimated_microdollars is None and entry is not None:
            self._refresh_if_due(entry, needed=False)
            self._tasks.start_soon(self._record, job, entry)

    def shut_down(self) -> None:
        """Send no more requests."""
        self._ended = True
        for request in self._requests:
            request.cancel()

    async def _record(self, job: Job, entry: CatalogueEntry) -> None:
        try:
            await entry.answered.wait()
            priced = self.with_estimate(job)
            if priced.estimated_microdollars is not None:
                await self._store.set_estimate(priced)
        except LedgerError as error:
            logger.info("The estimate of a job is not written: %s", error.message)
        except Exception:
            # A bug here must not end the jobs that run beside it.
            logger.exception("Writing an estimate broke")

    def _start(self, work: Callable[..., Awaitable[None]], *given: Any) -> None:
        """Start what ends when the service ends, and breaks nothing else."""

        async def run() -> None:
            try:
                with scope:
                    await work(*given)
            except Exception:
                # A bug here must not end the jobs that run beside it.
                logger.exception("Reading the catalogue broke")
            finally:
                self._requests.discard(scope)

        scope = anyio.CancelScope()
        self._requests.add(scope)
        self._tasks.start_soon(run)

    async def _refresh_hourly(self) -> None:
        while not self._ended:
            for entry in self._entries.values():
                self._refresh_if_due(entry, needed=False)
            # A call that needed a price may have asked in between.
            next_due = min(entry.refresh_at for entry in self._entries.values())
            await self._clock.sleep(max(next_due - anyio.current_time(), ASK_AGAIN_SECONDS))

    def _refresh_if_due(self, entry: CatalogueEntry, *, needed: bool) -> None:
        now = anyio.current_time()
        # A call that cannot go on without a price does not wait an hour for the next attempt.
        due = now >= entry.refresh_at or (needed and not entry.was_read)
        if due and entry.answered.is_set() and not self._ended:
            entry.refresh_at = now + REFRESH_SECONDS
            entry.answered = anyio.Event()
            self._start(self._refresh, entry)

    async def _refresh(self, entry: CatalogueEntry) -> None:
        model_id = entry.model.model_id
        was_gone, answered = entry.gone, False
        try:
            answered = await self._read(entry)
        finally:
            entry.answered.set()
        if answered and not entry.gone:
            await self._sightings.note(model_id, self._clock.now())
        elif entry.gone and not was_gone:
            logger.warning("RunComfy's catalogue no longer has %s.", model_id)

    async def _ask_again(self, entry: CatalogueEntry) -> None:
        if not await self._read(entry) or not entry.gone:
            return
        model_id, seen = entry.model.model_id, await self._sightings.last(entry.model.model_id)
        entry.refusal = describe_gone(model_id, seen, None, self._known, self._entries)
        nearest = await find_nearest(self._client, model_id)
        entry.refusal = describe_gone(model_id, seen, nearest, self._known, self._entries)

    async def _read(self, entry: CatalogueEntry) -> bool:
        """Ask for a model, note what the answer says of it, and return whether it says anything."""
        model = entry.model
        try:
            read = await self._client.model(model.model_id)
        except ModelUnknown:
            entry.gone = True
        except SeedanceError as error:
            logger.info("The catalogue's entry of %s is unknown: %s", model.model_id, error.message)
            return False
        else:
            entry.note(read)
        return True
