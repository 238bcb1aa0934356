"""The clips of a join: checked all, then downloaded where they are missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_mcp.errors import (
    DownloadFailed,
    InputError,
    JobNotFound,
    JoinFailed,
    LedgerError,
    RunComfyError,
    ServerStopping,
)
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.jobs.uris import ClipFrame
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model

from ._downloads import BackgroundDownloads
from ._frames import saved_clip
from ._remote import REMOTE_TIMEOUT_SECONDS, RemoteJobs
from .reports import DownloadProgress, JobReport, JoinProgress

if TYPE_CHECKING:
    from seedance_mcp.clips.join import Part

OnProgress = Callable[[JoinProgress], None]


@dataclass(frozen=True, eq=False, repr=False)
class JoinParts:
    """Finds and downloads one owner's clips."""

    _store: Store
    _owner: str
    _remote: RemoteJobs
    _downloads: BackgroundDownloads
    _known: Mapping[str, Model]

    async def prepare(
        self, request_ids: Sequence[str], on_progress: OnProgress
    ) -> "Sequence[Part]":
        """Return the clips of jobs as files of this machine, in their order.

        Raises:
            InputError: A job has no clip.
            SeedanceError: A job cannot be read, or its clip not be downloaded.
        """
        from seedance_mcp.clips.join import Part

        jobs = {each: await self._job(each) for each in dict.fromkeys(request_ids)}
        missing = [request_id for request_id, job in jobs.items() if not saved_clip(job)]
        for number, each in enumerate(missing, 1):
            doing = f"downloading clip {number} of {len(missing)}"
            jobs[each] = await self._download(jobs[each], doing, on_progress)
        # One may have been deleted while others came; reading it says so, by its name.
        clips = {each: Path(job.saved[0]) for each, job in jobs.items()}
        before = [None, *request_ids]
        return [
            Part(path=clips[each], continues=self._continues(jobs[each], last))
            for last, each in zip(before, request_ids, strict=False)
        ]

    async def _job(self, request_id: str) -> Job:
        """Return a job that has a clip; RunComfy is asked unless the file is here."""
        with suppress(LedgerError):
            job = await self._store.find(request_id, self._owner)
            if job and saved_clip(job):
                return job
        try:
            job = (await self._remote.result(request_id, REMOTE_TIMEOUT_SECONDS)).job
        except JobNotFound as error:
            why = f"{request_id} has no clip: {error.message} Check the id, or leave it out."
            raise InputError("request_ids", why) from error
        except RunComfyError as error:
            raise JoinFailed(f"{request_id} was not found: {error.message}") from error
        if not job.outputs.videos:
            raise InputError("request_ids", _without_clip(job))
        return job

    async def _download(self, job: Job, doing: str, on_progress: OnProgress) -> Job:
        async def watch(progress: DownloadProgress) -> None:
            on_progress(JoinProgress(doing=f"{doing} ({progress})"))

        report = await self._downloads.download(JobReport(job=job), deadline=inf, watch=watch)
        if saved_clip(report.job):
            return report.job
        if report.download_error is None:
            raise ServerStopping
        why = report.download_error.removesuffix(DownloadFailed.charge).strip()
        raise DownloadFailed(f"{job.request_id} was not downloaded: {why}")

    def _continues(self, job: Job, before: str | None) -> bool:
        """Return whether a clip begins with the last frame of the one before it."""
        model = self._known.get(job.model_id or "")
        _, content = job.files.get((model and model.first_frame) or "", ("", ""))
        return before is not None and content == ClipFrame(request_id=before, which="last").uri


def _without_clip(job: Job) -> str:
    """Return why a job has no clip, and what to do about it."""
    name = job.request_id
    match job.status:
        case Status.FAILED | Status.CANCELLED:
            why = f" ({job.error.rstrip('.')})" if job.error else ""
            ended = "failed" if job.status is Status.FAILED else "was cancelled"
            return f"{name} has no clip, because it {ended}{why}: leave it out."
        case Status.COMPLETED:
            return f"{name} is completed, but RunComfy lists no video: read its result again later."
        case _:
            return f"{name} has not ended ({job.status}): join once it is completed."
