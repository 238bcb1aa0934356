"""Posters: the small JPEGs that stand for clips where people look at them, kept in the ledger.

    1. the image that a clip begins with, as soon as it is bought
    2. the frame in the middle of the clip, in its place, once the clip is downloaded or looked at

They are made in the background, clips one after the other. Nothing waits for them that costs money,
and none is worth an error: what breaks is logged, and the job goes on without a poster.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER
from seedance_mcp.errors import LedgerError
from seedance_mcp.inputs.first_frame import FirstFrames
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.one_at_a_time import OneAtATime

from ._frames import saved_clip

logger = logging.getLogger(__name__)

FIRST_FRAME_SECONDS = 30.0
"""How long making a first frame may take, the wait for others' included."""

MOST_WAITING_CLIPS = 100
"""How many clips may wait for their posters; one that is left out is made when it is looked at."""

MOST_TRIED_CLIPS = 10_000
"""How many clips are remembered not to be tried again; a forgotten one may be tried twice."""


@dataclass(eq=False)
class _FirstFrame:
    """A first frame that is being made.

    Attributes:
        jpeg: It, None until it is made, and where there is none.
        made: Set when that is known.
        done: Set when it is in the ledger, or given up.
    """

    jpeg: bytes | None = None
    made: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(eq=False)
class _Work:
    """The making of posters of clips, until none waits; `done` is set at its end."""

    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(eq=False, repr=False)
class Posters:
    """Makes the posters of one owner's jobs, and reads them."""

    _store: Store
    _owner: str
    _images: FirstFrames
    # A clip in pixels takes much memory, so all owners take turns.
    _turns: OneAtATime
    _tasks: TaskGroup
    _ending: bool = field(default=False, init=False)
    _first_frames: dict[str, _FirstFrame] = field(
        default_factory=dict[str, _FirstFrame], init=False
    )
    # The clips that wait for their posters; the first one's is being made.
    _clips: dict[str, Job] = field(default_factory=dict[str, Job], init=False)
    _work: _Work | None = field(default=None, init=False)
    _tried: BoundedDict[str, bool] = field(
        default_factory=lambda: BoundedDict(MOST_TRIED_CLIPS), init=False
    )

    @property
    def is_idle(self) -> bool:
        """Whether none is being made."""
        return not self._first_frames and not self._clips

    def start_first_frame(self, job: Job, model: Model) -> None:
        """Start making a job's poster of the image that it begins with.

        `job` has its arguments as they are sent: images of this machine as data.
        """
        if self._ending or job.id in self._first_frames or model.first_frame not in job.arguments:
            return
        frame = self._first_frames[job.id] = _FirstFrame()
        self._tasks.start_soon(self._make_first_frame, job, model, frame)

    async def first_frame(self, job: Job, timeout: float) -> bytes | None:
        """Return the poster of a job that was just bought, or that an identical call gets back.

        None if there is none within `timeout` seconds.
        """
        with anyio.move_on_after(timeout):
            if frame := self._first_frames.get(job.id):
                await frame.made.wait()
                return frame.jpeg
            return (await self._read([job.id])).get(job.id)
        return None

    def of_clip(self, job: Job) -> None:
        """Start making a poster of a clip that was just downloaded, in place of an earlier one."""
        self._tried.pop(job.id, None)
        self._start_clip(job)

    async def shown(self, jobs: Collection[Job]) -> dict[str, bytes]:
        """Return what posters the ledger has of jobs, by our ids of them.

        Those that saved clips lack are made in the background, once for as long as the process
        lives.
        """
        posters = await self._read([job.id for job in jobs])
        for job in jobs:
            if job.id not in posters and job.id not in self._tried:
                self._start_clip(job)
        return posters

    async def finish(self, timeout: float) -> None:
        """Wait until none is being made, for some seconds at most."""
        with anyio.move_on_after(timeout):
            for frame in [*self._first_frames.values()]:
                await frame.done.wait()
            if self._work:
                await self._work.done.wait()

    def shut_down(self) -> None:
        """Cancel what is being made."""
        self._ending = True
        for frame in self._first_frames.values():
            frame.scope.cancel()
        if self._work:
            self._work.scope.cancel()

    async def _read(self, ids: Collection[str]) -> dict[str, bytes]:
        try:
            return await self._store.posters(ids, self._owner)
        except LedgerError as error:
            logger.warning("Posters cannot be read: %s", error.message)
            return {}

    async def _keep(self, job: Job, jpeg: bytes) -> None:
        try:
            await self._store.keep_poster(job, jpeg)
        except LedgerError as error:
            logger.warning(
                "The poster of %s is not kept: %s", job.request_id or job.id, error.message
            )

    async def _make_first_frame(self, job: Job, model: Model, frame: _FirstFrame) -> None:
        try:
            with frame.scope, anyio.move_on_after(FIRST_FRAME_SECONDS):
                frame.jpeg = await self._images.make_poster(model, {**job.arguments})
                frame.made.set()
                if frame.jpeg:
                    await self._keep(job, frame.jpeg)
        except Exception:
            # A bug here must not end the server and its other jobs.
            logger.exception("Making a first frame broke")
        finally:
            del self._first_frames[job.id]
            frame.made.set()
            frame.done.set()

    def _start_clip(self, job: Job) -> None:
        has_clip = job.status is Status.COMPLETED and job.outputs.videos and job.saved[0]
        if not has_clip or self._ending or len(self._clips) >= MOST_WAITING_CLIPS:
            return
        self._clips.setdefault(job.id, job)
        if self._work is None:
            self._work = _Work()
            self._tasks.start_soon(self._make_clips, self._work)

    async def _make_clips(self, work: _Work) -> None:
        """Make posters of clips until none waits any more."""
        try:
            with work.scope:
                while self._clips:
                    job = next(iter(self._clips.values()))
                    await self._make_clip(job)
                    del self._clips[job.id]
        finally:
            self._clips.clear()
            self._work = None
            work.done.set()

    async def _make_clip(self, job: Job) -> None:
        try:
            # A folder may be on a network, which can hang.
            clip = await anyio.to_thread.run_sync(saved_clip, job, abandon_on_cancel=True)
            if clip is None:
                return
            self._tried[job.id] = True
            jpeg = await self._turns.run(partial(middle_frame, clip, _is_cancelled, bounds=POSTER))
            if jpeg:
                await self._end_first_frame(job)
                await self._keep(job, jpeg)
        except Exception:
            # The others' turn is still to come.
            logger.exception("Making the poster of %s broke", job.request_id)

    async def _end_first_frame(self, job: Job) -> None:
        """See to it that a job's first frame does not take the place of its clip's poster."""
        if frame := self._first_frames.get(job.id):
            frame.scope.cancel()
            await frame.done.wait()


def _is_cancelled() -> bool:
    anyio.from_thread.check_cancelled()  # which raises
    return False
