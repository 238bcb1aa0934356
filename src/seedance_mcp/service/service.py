"""What can be done with jobs: buy one, read it, wait for it, cancel it, list them.

A job runs in the service's task group, never in the scope of the call that began it: a caller that
is cancelled ends its own waiting and nothing else.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from math import inf

import anyio

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.models.model import JSONObject
from seedance_mcp.observability.figures import LedgerFigures

from ._approvals import SUBMIT_RESERVE_SECONDS
from ._components import Components
from ._purchases import purchase
from ._remote import REMOTE_TIMEOUT_SECONDS
from .gallery import GalleryQuery
from .reports import JobListing, JobReport, Order, WatchJob

MOST_REFRESHED_JOBS = 20
"""How many open jobs are polled before jobs are listed."""

GALLERY_NEWS_SECONDS = 8.0
"""How old a job's state on a page of the gallery may be, which asks again every ten seconds."""

SPENT_SECONDS = 0.5
"""How long an answer waits for what was spent; it leaves that out if the ledger is locked."""


class Service(Components):
    """The jobs of one owner."""

    async def buy(
        self, order: Order, *, wait_seconds: float, submit_only: bool = False, watch: WatchJob
    ) -> JobReport:
        """Buy a clip, or take up the job of an identical earlier call, and wait for it.

        A dry run buys nothing and returns at once.

        Args:
            order: The clip.
            wait_seconds: The budget of the whole call; 0 returns once the submit is answered.
            submit_only: Whether to return once the submit is answered, within the budget.
            watch: Called with every new report.

        Raises:
            InputError: The model will not take a file.
            TokenMissing: There is no token.
            SeedanceError: RunComfy refused the request, of this call or of one that it repeats.
            RunComfyUnavailable: The request certainly was not sent.
            SpendingLimitReached: A limit does not allow another job.
            NotApproved: The user has to agree to the job, and has not.
        """
        deadline = anyio.current_time() + wait_seconds if wait_seconds else inf
        report = await purchase(self, order, deadline=deadline)
        if order.dry_run:
            return await self._with_spending(report)
        if report.job.approval and not report.reused:
            # The user may have taken longer than the call was to wait.
            deadline = max(deadline, anyio.current_time() + SUBMIT_RESERVE_SECONDS)
        # Before anything is waited for: once it is answered, it is forgotten.
        submission = self.submissions.find(report.job)
        await watch(report)
        job = await self.submissions.wait(report.job, submission, deadline)
        report = replace(report, job=job)
        waits = wait_seconds > 0 and not submit_only
        if job.request_id and waits:
            await watch(report)
            report = await self.waiter.wait(report, deadline, watch)
        return await self._finish(report, deadline if waits else -inf)

    async def status(
        self, request_id: str, *, wait_seconds: float, watch: WatchJob, news_seconds: float = 0.0
    ) -> JobReport:
        """Return where a job stands, after waiting for it to end.

        Args:
            request_id: RunComfy's id; another machine may have begun the job.
            wait_seconds: The budget of the whole call; 0 polls once.
            watch: Called with every new report.
            news_seconds: A job that was polled less than so long ago is not polled first.

        Raises:
            RunComfyError: RunComfy does not know the job, or did not answer and the ledger does
                not know it either.
        """
        deadline = anyio.current_time() + wait_seconds
        report = self.waiter.last(request_id) if wait_seconds else None
        if news_seconds:
            report = report or await self._polled_within(news_seconds, request_id)
        if report is None:
            report = await self.remote.status(request_id, wait_seconds or REMOTE_TIMEOUT_SECONDS)
        await watch(report)
        if wait_seconds and not report.job.status.final:
            report = await self.waiter.wait(report, deadline, watch)
        return await self._finish(report, deadline)

    async def result(self, request_id: str, *, answer_by: float = inf) -> JobReport:
        """Return a job with its result, from the ledger if RunComfy has forgotten it.

        `answer_by` is when the caller gives up, on the event loop's clock.

        Raises:
            RunComfyError: As for `status`.
        """
        timeout = min(REMOTE_TIMEOUT_SECONDS, answer_by - anyio.current_time())
        return self._seen(await self.remote.result(request_id, timeout))

    async def cancel(self, request_id: str) -> Job:
        """Cancel a job that is queued, and return it; one that runs is returned as it is.

        Raises:
            RunComfyError: RunComfy refused, or gave no usable answer.
        """
        job = await self.remote.cancel(request_id)
        self.downloads.start_automatic(job)
        return job

    async def list_jobs(self, *, status: Status | None, limit: int) -> JobListing:
        """Return the newest jobs, the open ones as RunComfy sees them now.

        Args:
            status: Only jobs with this status; None for all.
            limit: How many at most.

        Raises:
            LedgerError: The ledger cannot be read.
            TokenMissing: There is no token.
        """
        token_hash = await self.tracker.token_hash()
        unanswered = await self._refresh()
        statuses = {status} if status else ()
        page = await self.store.recent(self.tracker.owner, statuses=statuses, limit=limit)
        stale = sum(job.id in unanswered for job in page.jobs)
        for job in page.jobs:
            self.downloads.start_automatic(job)
        other_token = sum(
            job.status in OPEN and job.token_hash not in {"", token_hash} for job in page.jobs
        )
        spent = await self.spending.total()
        return JobListing(page=page, stale=stale, other_token=other_token, spent=spent)

    async def gallery_page(self, query: GalleryQuery) -> JSONObject:
        """Return a page of the gallery, for the first one the open jobs as RunComfy sees them.

        Several pages in a chat may each ask for news of the same jobs.

        Raises:
            LedgerError: The ledger cannot be read.
            TokenMissing: There is no token.
        """
        await self.tracker.token_hash()
        if query.page == 1:
            await self._refresh(news_seconds=GALLERY_NEWS_SECONDS)
        return await self.gallery.page(query)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way that was begun for its owner over HTTP."""
        return all(
            part.is_idle for part in (self.submissions, self.waiter, self.catalogue, self.posters)
        )

    async def ledger_figures(self) -> LedgerFigures:
        """Return what the ledger holds, of all owners.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        jobs = await self.store.states()
        spent = await self.spending.recent_total()
        return LedgerFigures(jobs=jobs, spent_usd=spent.microdollars / 1e6, unpriced=spent.unknown)

    def shut_down(self, grace_seconds: float) -> None:
        """Let every waiting call answer now, and paid requests finish within some seconds."""
        self.follower.shut_down()
        self.joins.shut_down()
        self.downloads.shut_down()
        self.frames.shut_down()
        self.posters.shut_down()
        self.approvals.shut_down()
        self.submissions.shut_down(grace_seconds)
        self.waiter.shut_down()
        self.catalogue.shut_down()

    async def _refresh(self, *, news_seconds: float = 0.0) -> Collection[str]:
        """Poll the newest open jobs, and return our ids of those that were not answered about.

        Before jobs are chosen: one may have come into the wanted status unseen. What was polled
        less than `news_seconds` ago is not polled again.
        """
        owner = self.tracker.owner
        still_open = await self.store.recent(owner, statuses=OPEN, limit=MOST_REFRESHED_JOBS)
        jobs = [j for j in still_open.jobs if not self.tracker.was_just_polled(j, news_seconds)]
        return await self.waiter.refresh(jobs)

    async def _polled_within(self, seconds: float, request_id: str) -> JobReport | None:
        """Return a job as the last poll saw it, None if that was longer ago."""
        job = await self.tracker.find(request_id)
        fresh = job and self.tracker.was_just_polled(job, seconds)
        return JobReport(job=job) if job and fresh else None

    async def _finish(self, report: JobReport, deadline: float) -> JobReport:
        """Complete a report, after waiting for an automatic download."""
        report = self._seen(report)
        self.follower.follow(report.job, answered=report.stale_reason is None)
        # At once: a download that ends in between would be reported neither as running nor as done.
        report = await self.downloads.wait_for_automatic(report, deadline=deadline)
        return await self._with_spending(report)

    async def _with_spending(self, report: JobReport) -> JobReport:
        with suppress(LedgerError), anyio.move_on_after(SPENT_SECONDS):
            report = replace(report, spent=await self.spending.recent_total())
        return report

    def _seen(self, report: JobReport) -> JobReport:
        """Complete a report with an estimate, and start an automatic download."""
        self.downloads.start_automatic(report.job)
        failure = self.remote.cancel_failure(report.job)
        return replace(
            report,
            job=self.catalogue.with_estimate(report.job),
            cancel_failure=failure,
            can_save=self.saves_files,
        )
