"""Buying a clip: look at its images, know what it may cost, write it down, send its request.

Or find the job that an identical call is owed, and buy nothing.
"""

from dataclasses import dataclass
from uuid import uuid4

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.spending.limits import SpendingLimits

from ._deliveries import Deliveries
from ._price_list import PriceList
from ._submissions import Submission, Submissions
from ._tracking import JobTracker

LOOKING_SECONDS = 18.0
"""How long a call that does not wait may look at its images: it stays below 60."""

SUBMIT_SECONDS = 2.0
"""What looking at images leaves of a call's budget for the submit."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a call that buys came to, before its request is answered.

    Attributes:
        job: The job, new or found.
        submission: Its paid request, None where none is under way in this process.
        reused: Whether an identical earlier call began it.
        warnings: What the caller should know of the arguments, a line each.
    """

    job: Job
    submission: Submission | None
    reused: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Buying:
    """The way to a paid request, in which every step may still say no.

    Attributes:
        model: The model that is bought from.
        gate: What the images of a call must pass.
        catalogue: What a clip is estimated to cost.
        allowance: What may be begun, as far as it is set and not learned.
        records: Whose jobs these are.
        store: The ledger.
        submissions: The paid requests.
        deliveries: Which jobs an answer has named.
        clock: What time it is.
    """

    model: Model
    gate: Preflight
    catalogue: PriceList
    allowance: SpendingLimits
    records: JobTracker
    store: Store
    submissions: Submissions
    deliveries: Deliveries
    clock: Clock

    async def begin(
        self, arguments: JSONObject, *, wait_seconds: float, deadline: float, force_new: bool
    ) -> Begun:
        """Begin a job, or find the one that an identical call is owed.

        Args:
            arguments: The model's arguments, checked and completed.
            wait_seconds: The budget of the whole call; 0 for one that does not wait.
            deadline: When it is used up, on the event loop's clock, in seconds.
            force_new: Whether to buy whatever is owed.

        Raises:
            SeedanceError: Nothing was bought, and why.
        """
        # Whoever cannot buy need not have images looked at.
        owner = await self.records.owner()
        if not force_new and (found := await self._owed(arguments, owner)):
            return found
        looked = await self.gate.look(arguments, patience=_looking_seconds(wait_seconds))
        allowance = await self.catalogue.allowance(self.allowance, deadline)
        new = self.catalogue.estimated(self._new_job(looked.arguments, owner))
        job, submission = new, None
        # From the ledger to the task that buys, nothing may come between.
        with anyio.CancelScope(shield=True):
            job = await self.store.begin(
                new, force_new=force_new, delivered_ids=self.deliveries.named, limits=allowance
            )
            if job.id == new.id:
                submission = self.submissions.begin(job)
        reused = job.id != new.id
        return Begun(
            job=job,
            submission=self.submissions.under_way(job) if reused else submission,
            reused=reused,
            warnings=looked.warnings,
        )

    async def _owed(self, arguments: JSONObject, owner: str) -> Begun | None:
        """Find the job that a call is owed, whatever has become of its images since.

        A local image is known only by what is sent of it, so here it finds none.
        """
        named = self.deliveries.named
        job = await self.store.find_reusable(self._new_job(arguments, owner), delivered_ids=named)
        if job is None:
            return None
        submission = self.submissions.under_way(job)
        return Begun(job=job, submission=submission, reused=True, warnings=())

    def _new_job(self, arguments: JSONObject, owner: str) -> Job:
        return Job(
            id=uuid4().hex,
            model_id=self.model.model_id,
            arguments=arguments,
            owner=owner,
            created_at=self.clock.now(),
        )


def _looking_seconds(wait_seconds: float) -> float:
    """Tell how long a call may look at its images."""
    return max(wait_seconds / 2, wait_seconds - SUBMIT_SECONDS) if wait_seconds else LOOKING_SECONDS
