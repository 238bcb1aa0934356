"""The only place that orders the steps of a job: check, write down, buy, follow, read, cancel.

It knows nothing of MCP. A job lives in the service's task group and never in the scope of the
call that began it, so a caller that gives up ends its own waiting and nothing else.
"""

from collections.abc import Callable
from math import inf

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.ledger.store import Page, Store
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.outputs.download import Downloader
from seedance_mcp.outputs.job_locks import JobLocks
from seedance_mcp.polling.schedule import Schedule
from seedance_mcp.runcomfy.client import RunComfyClient

from ._deliveries import Deliveries
from ._downloads import BackgroundDownloads
from ._downloads import Watcher as SavingWatcher
from ._price_list import PriceList
from ._purchases import Buying
from ._remote import ASK_SECONDS, REFRESH_JOBS, RemoteJobs
from ._schedules import Schedules
from ._submissions import Submissions
from ._tracking import Changes, JobTracker
from ._waiting import Pollers, Waiter, Watcher
from .reports import JobListing, JobReport, Limits, Listener


class Service:
    """Jobs of one owner.

    Args:
        client: The Model API.
        store: The ledger.
        model: The model that `generate` buys from.
        token: Whose jobs these are; the ledger gets a keyed hash of it. None buys nothing.
        limits: What the configuration allows.
        tasks: Where paid requests live; it must outlive every call.
        clock: Clock, sleep and randomness.
        answers_left: Tells whether every answer so far has left for the client.
        gate: What the images of a call must pass.
        downloads: How clips are saved.
        claims: Which other process saves one.
        changed: Who is told of every change of a job that is seen here.
    """

    def __init__(  # noqa: PLR0913 - the parts that server.py puts together
        self,
        *,
        client: RunComfyClient,
        store: Store,
        model: Model,
        token: str | None,
        limits: Limits,
        tasks: TaskGroup,
        clock: Clock,
        answers_left: Callable[[], bool],
        gate: Preflight,
        downloads: Downloader,
        claims: JobLocks,
        changed: Listener,
    ) -> None:
        self._store = store
        changes = Changes(changed)
        self._records = JobTracker(store, token, clock, changes)
        self._submissions = Submissions(client, store, changes, tasks, clock)
        self._deliveries = Deliveries(store, tasks, answers_left)
        self._saving = BackgroundDownloads(
            downloads, self._records, claims, tasks, clock, unasked=limits.auto_download
        )
        self._catalogue = PriceList(client, model, tasks)
        self._buying = Buying(
            model=model,
            gate=gate,
            catalogue=self._catalogue,
            allowance=limits.allowance,
            records=self._records,
            store=store,
            submissions=self._submissions,
            deliveries=self._deliveries,
            clock=clock,
        )
        self._pace = Schedules(store, {model.model_id: model}, clock)
        self._asker = RemoteJobs(client, self._records)
        pollers = Pollers(self._asker.ask, self._pace, tasks, clock)
        self._follower = Waiter(self._asker, pollers, self._records)

    async def generate(
        self, arguments: JSONObject, *, wait_seconds: float, force_new: bool, watch: Watcher
    ) -> JobReport:
        """Buy a clip, or get back the one that an identical call is owed, and follow it.

        Args:
            arguments: The model's arguments, checked and completed.
            wait_seconds: The budget of the whole call; 0 ends it when the submit is answered.
            force_new: Whether to buy whatever is owed.
            watch: Who is told of every change.

        Raises:
            InputError: An image argument is nothing that the service will take.
            TokenMissing: There is no token.
            Rejection: The service refused the request.
            RunComfyUnavailable: The request certainly never left.
            SpendingLimitReached: The guard against runaway agents stops it.
        """
        deadline = anyio.current_time() + wait_seconds if wait_seconds else inf
        begun = await self._buying.begin(
            arguments, wait_seconds=wait_seconds, deadline=deadline, force_new=force_new
        )
        await watch(begun.job)
        job = await self._submissions.answered(begun.job, begun.submission, deadline)
        stale_reason = None
        if job.request_id and wait_seconds:
            await watch(job)
            job, stale_reason = await self._follower.follow(job, deadline, watch)
        report = self._reported(
            job, reused=begun.reused, stale_reason=stale_reason, warnings=begun.warnings
        )
        return await self._saving.awaited(report, deadline=deadline if wait_seconds else -inf)

    async def status(self, request_id: str, *, wait_seconds: float, watch: Watcher) -> JobReport:
        """Ask where a job stands, and follow it until it ends or the budget is used up.

        Args:
            request_id: The service's id; the job may have been begun elsewhere.
            wait_seconds: The budget of the whole call; 0 asks once.
            watch: Who is told of every change.

        Raises:
            RunComfyError: The service does not know the job, or nothing is known of it here and
                the service did not answer.
        """
        deadline = anyio.current_time() + wait_seconds
        followed = self._follower.last(request_id) if wait_seconds else None
        if followed:
            job, stale_reason = followed.job, followed.stale_reason
        else:
            job, stale_reason = await self._asker.asked(request_id, wait_seconds or ASK_SECONDS)
        await watch(job)
        if wait_seconds and not job.status.final:
            job, stale_reason = await self._follower.follow(
                job, deadline, watch, stale_reason=stale_reason
            )
        report = self._reported(job, stale_reason=stale_reason)
        return await self._saving.awaited(report, deadline=deadline)

    async def result(self, request_id: str) -> JobReport:
        """Read what came of a job; one that ended is known even where the service forgot it.

        Raises:
            RunComfyError: As for `status`.
        """
        job, stale_reason = await self._asker.result(request_id)
        return self._reported(job, stale_reason=stale_reason)

    async def save(self, report: JobReport, *, deadline: float, watch: SavingWatcher) -> JobReport:
        """Save what a job made; see `BackgroundDownloads.save`."""
        return await self._saving.save(report, deadline=deadline, watch=watch)

    async def cancel(self, request_id: str) -> Job:
        """Cancel a job that is still queued; another one goes on and is given as it is now.

        Raises:
            RunComfyError: The service refused, or gave no usable answer.
        """
        job = await self._asker.cancel(request_id)
        self._saving.seen(job)
        return job

    async def jobs(self, *, status: Status | None, limit: int) -> JobListing:
        """List the newest jobs, those that have not ended as the service sees them now.

        Args:
            status: Which jobs; None for all.
            limit: How many at the most.

        Raises:
            LedgerError: The ledger cannot be read.
            TokenMissing: There is no token.
        """
        owner = await self._records.owner()
        # Before the choice: a job may have come into the wanted state while nobody looked.
        still_open = await self._store.recent(owner, statuses=OPEN, limit=REFRESH_JOBS)
        unanswered = await self._follower.refresh(still_open.jobs)
        page = await self._store.recent(owner, statuses={status} if status else (), limit=limit)
        stale = sum(job.id in unanswered for job in page.jobs)
        for job in page.jobs:
            self._saving.seen(job)
        return JobListing(page=page, stale=stale)

    async def schedule(self, job: Job) -> Schedule:
        """Give when to ask about a job, and how long such a job usually takes."""
        return await self._pace.schedule(job)

    async def known(self, *, limit: int) -> Page:
        """Give the newest jobs as the ledger has them, asking nobody.

        Raises:
            LedgerError: The ledger cannot be read.
            TokenMissing: There is no token.
        """
        return await self._store.recent(await self._records.owner(), limit=limit)

    async def knows(self, request_id: str) -> bool:
        """Tell whether the ledger has a job, asking nobody.

        Raises:
            TokenMissing: There is no token.
        """
        return await self._records.find(request_id) is not None

    def delivered(self, *jobs: Job) -> None:
        """Note that an answer which names these jobs is given now."""
        for job in jobs:
            self._deliveries.note(job)

    def end(self, grace_seconds: float) -> None:
        """Let every waiting call answer now; paid requests under way get so long, in seconds."""
        self._deliveries.end()
        self._saving.end()
        self._submissions.end(grace_seconds)
        self._follower.end_waits()
        self._catalogue.end()

    def _reported(
        self,
        job: Job,
        *,
        reused: bool = False,
        stale_reason: str | None = None,
        warnings: tuple[str, ...] = (),
    ) -> JobReport:
        self._saving.seen(job)
        job = self._catalogue.estimated(job)
        return JobReport(job=job, reused=reused, stale_reason=stale_reason, warnings=warnings)
