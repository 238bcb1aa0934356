"""The frames of this owner's clips, which a call continues by their URIs.

A clip is downloaded once: to the output folder where one is in use, else to a temporary one.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.from_thread

from seedance_mcp.clips.frames import write_frame
from seedance_mcp.errors import (
    InputError,
    JobNotFound,
    RunComfyError,
    UnreadableClip,
    VideoExtraMissing,
)
from seedance_mcp.inputs.frame_image import FrameImage
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Outputs, Status
from seedance_mcp.jobs.uris import ClipFrame, is_own_uri, parse_frame_uri
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.one_at_a_time import OneAtATime
from seedance_mcp.outputs.beside import keep_beside
from seedance_mcp.outputs.download import file_exists
from seedance_mcp.text import one_line, quoted

from ._downloads import BackgroundDownloads
from ._remote import REMOTE_TIMEOUT_SECONDS, RemoteJobs
from ._temporary_clips import remove_files
from ._tracking import JobTracker
from .reports import JobReport, ignore

logger = logging.getLogger(__name__)


def find_frames(model: Model, arguments: JSONObject) -> dict[str, ClipFrame]:
    """Return the frames of clips among a call's arguments, by their places there.

    Raises:
        InputError: A URI of ours does not name a frame, or is given where a video or audio is due.
    """
    frames: dict[str, ClipFrame] = {}
    for file in model.files(arguments):
        if not is_own_uri(file.value):
            continue
        if file.kind != "image":
            raise InputError(
                file.path,
                f"{file.path} must be the public https URL of its {file.kind}: the frame of a clip"
                " is an image.",
            )
        frame = parse_frame_uri(file.value)
        if frame is None:
            raise InputError(
                file.path,
                f"{file.path} must be seedance://jobs/REQUEST_ID/last-frame or .../first-frame,"
                f" with the request_id of a completed clip, not {quoted(file.value, 100)}.",
            )
        frames[file.path] = frame
    return frames


@dataclass(eq=False, repr=False)
class ClipFrames:
    """Reads frames of the clips of one owner."""

    _remote: RemoteJobs
    _tracker: JobTracker
    _downloads: BackgroundDownloads
    # Whether the output folder is in use for every clip, and whether it may be used at all.
    _saves: bool
    _may_save: bool
    # Opened by the first clip that needs it.
    _open_temporary: Callable[[], BackgroundDownloads]
    # A frame in pixels takes much memory, so all owners take turns.
    _decoding: OneAtATime
    _ending: bool = field(default=False, init=False)

    async def acknowledge(self, frames: Mapping[str, ClipFrame]) -> None:
        """Record that a later call brought the request_ids of the jobs that it continues."""
        for request_id in {frame.request_id for frame in frames.values()}:
            await self._tracker.acknowledge(request_id)

    async def read(
        self, frames: Mapping[str, ClipFrame], deadline: float, *, keep: bool
    ) -> dict[str, FrameImage]:
        """Return frames as images, by their places in a call's arguments.

        Args:
            frames: The frames by place.
            deadline: When to give up, on the event loop's clock, in seconds.
            keep: Whether clips and frames may stay in the output folder, where it is in use.

        Raises:
            InputError: A frame does not exist or cannot be read, and what to do.
            VideoExtraMissing: PyAV is not installed.
        """
        keep = keep and self._may_save
        if frames and find_spec("av") is None:  # before anything is downloaded for nothing
            raise VideoExtraMissing("Continuing a clip")
        images: dict[ClipFrame, FrameImage] = {}
        for place, frame in frames.items():
            if frame not in images:
                try:
                    images[frame] = await self._read(frame, deadline, keep=keep)
                except _Unavailable as error:
                    raise InputError(place, f"{place}, {frame}: {error}") from error
        return {place: images[frame] for place, frame in frames.items()}

    def shut_down(self) -> None:
        """Cancel the downloads."""
        self._ending = True
        if "_temporary" in self.__dict__:
            self._temporary.shut_down()

    @cached_property
    def _temporary(self) -> BackgroundDownloads:
        downloads = self._open_temporary()
        if self._ending:
            downloads.shut_down()
        return downloads

    async def _read(self, frame: ClipFrame, deadline: float, *, keep: bool) -> FrameImage:
        try:
            clip, is_temporary = await self._clip(frame.request_id, deadline, keep=keep)
            decode = partial(decode_frame, clip, frame, is_temporary=is_temporary, keep=keep)
            with anyio.CancelScope(deadline=deadline):
                return FrameImage(png=await self._decoding.run(decode), name=str(frame))
        except OSError as error:
            why = one_line(error.strerror or type(error).__name__)
            raise _Unavailable(
                f"its files cannot be written or read ({why}); check the disk with the temporary"
                " and the output folder, then repeat the call."
            ) from error
        raise _Unavailable("it took too long to read; repeat the call.")

    async def _clip(self, request_id: str, deadline: float, *, keep: bool) -> tuple[Path, bool]:
        """Return the file of a job's clip, and whether it is in the temporary folder."""
        try:
            job = await self._tracker.find(request_id)
        except JobNotFound:
            raise self._unknown() from None
        if job and (clip := saved_clip(job)):
            return clip, False
        timeout = min(REMOTE_TIMEOUT_SECONDS, deadline - anyio.current_time())
        report = await self._result(request_id, timeout)
        job = report.job
        if not job.outputs.videos:
            raise _Unavailable(_why_no_clip(job))
        saves = keep and (self._saves or any(job.saved))
        if not saves:
            # The frame needs nothing else, and the ledger is not to know of the file.
            only = Outputs(videos=job.outputs.videos[:1])
            report = replace(report, job=replace(job, outputs=only))
        downloads = self._downloads if saves else self._temporary
        done = await downloads.download(report, deadline=deadline, watch=ignore)
        if clip := saved_clip(done.job):
            return clip, not saves
        raise _Unavailable(_why_not_downloaded(report, done, refused=downloads.was_refused(job)))

    def _unknown(self) -> "_Unavailable":
        who = "RunComfy does not know this job for your token"
        if self._tracker.shares_token:
            who = "you have no such job"
        return _Unavailable(f"{who}; list_jobs shows your jobs.")

    async def _result(self, request_id: str, timeout: float) -> JobReport:
        """Return a job with links that RunComfy has just signed, where it still does."""
        try:
            return await self._remote.result(request_id, timeout)
        except JobNotFound:
            raise self._unknown() from None
        except RunComfyError as error:
            raise _Unavailable(
                f"RunComfy did not say where the clip is ({error.message.rstrip('.')}); repeat the"
                " call later."
            ) from error


class _Unavailable(Exception):
    """A job has no clip whose frame can be read; the message says why, and what to do."""


def saved_clip(job: Job) -> Path | None:
    """Return the file of a job's first video, None if it is not there."""
    path = job.saved[0] if job.outputs.videos else ""
    return Path(path) if path and file_exists(Path(path)) else None


def _why_no_clip(job: Job) -> str:
    request = f"request_id {job.request_id}"
    match job.status:
        case Status.COMPLETED:
            return f"RunComfy lists no video for it; call get_result with {request} again later."
        case Status.FAILED:
            why = f" ({job.error.rstrip('.')})" if job.error else ""
            return f"its job failed{why}, so there is no clip; use another image."
        case Status.CANCELLED:
            return "its job was cancelled, so there is no clip; use another image."
        case _ if job.status in OPEN:
            return (
                f"its job has not ended ({job.status}); call check_status with {request} until it"
                " is completed, then repeat this call."
            )
        case _:
            return f"whether its job ran is unknown; call check_status with {request}."


def _why_not_downloaded(report: JobReport, done: JobReport, *, refused: bool) -> str:
    if done.download_error is None:
        return f"its clip is still being downloaded ({done.download_progress}); repeat the call."
    if not refused:
        return f"its clip was not downloaded: {done.download_error}"
    why = f" ({report.stale_reason.rstrip('.')})" if report.stale_reason else ""
    return (
        f"the link to its clip was refused, and RunComfy has no other one{why}. Save a frame of the"
        " clip as an image, if you have it, and pass that."
    )


def decode_frame(clip: Path, frame: ClipFrame, *, is_temporary: bool, keep: bool) -> bytes:
    """Return a frame as a PNG, and `keep` that beside a clip that was saved; this blocks."""
    with TemporaryDirectory(prefix="seedance-frame-") as folder:
        image = Path(folder) / "frame.png"
        try:
            write_frame(clip, frame.which, image, anyio.from_thread.check_cancelled)
        except UnreadableClip as error:
            raise _Unavailable(_discard(clip, error) if is_temporary else error.message) from error
        png = image.read_bytes()
    if keep and not is_temporary:
        try:
            keep_beside(clip, f"-{frame.which}-frame.png", png)
        except OSError as error:
            logger.warning("%s is not kept beside its clip: %s", frame, error)
    return png


def _discard(clip: Path, error: UnreadableClip) -> str:
    """Remove a temporary clip, so that it is downloaded again, and return why."""
    remove_files([str(clip)])
    return f"{error.message.partition('. ')[0]}; repeat the call, or use another image."
