"""One join: the clips made ready, its turn awaited, the file written in a thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import from_thread, to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.errors import JoinFailed, VideoExtraMissing
from seedance_mcp.outputs.disk_errors import disk_error
from seedance_mcp.outputs.unfinished_file import UnfinishedFile, try_lock
from seedance_mcp.text import one_line

from ._join_parts import JoinParts, OnProgress
from ._joined_clips import JoinedClips
from .reports import JoinedClip, JoinProgress

if TYPE_CHECKING:
    from seedance_mcp.clips.join import Part

T = TypeVar("T")

PROGRESS_SECONDS = 0.25
"""How often a call reports progress, and a join tries to get its turn."""

WRITING_SECONDS = 1800.0
"""How long writing a file may take; other joins on this machine wait for it."""

ELSEWHERE = JoinProgress(doing="waiting for another join on this machine")


@dataclass(frozen=True, eq=False, repr=False)
class Joiner:
    """Joins clips, one file at a time of all processes that share a state folder.

    Copying takes the whole speed of a disk, and encoding all cores of a machine.
    """

    _parts: JoinParts
    _joined: JoinedClips
    _lock: Path
    _clock: Clock

    async def join(
        self,
        request_ids: Sequence[str],
        path: Path,
        on_progress: OnProgress,
        *,
        reuse_as: str | None,
    ) -> JoinedClip:
        """Join the clips of jobs to a file.

        Args:
            request_ids: The jobs, in order.
            path: The file.
            on_progress: Called with the progress, also from other threads.
            reuse_as: The name under which an earlier join of the same clips has noted its file,
                which is returned; a new one may then get a number. None for exactly that path.

        Raises:
            SeedanceError: A job has no clip, or the clips cannot be joined.
        """
        if reuse_as and (made := await to_thread.run_sync(self._joined.find, reuse_as)):
            return made
        if find_spec("av") is None:  # before anything is downloaded for nothing
            raise VideoExtraMissing("Joining clips")
        parts = await self._parts.prepare(request_ids, on_progress)
        while True:
            with try_lock(self._lock) as unfinished:
                if unfinished:
                    write = partial(self._write, unfinished, parts, path, on_progress, reuse_as)
                    return await write_within(WRITING_SECONDS, write)
            on_progress(ELSEWHERE)
            await self._clock.sleep(PROGRESS_SECONDS)

    def _write(
        self,
        unfinished: UnfinishedFile,
        parts: "Sequence[Part]",
        path: Path,
        on_progress: OnProgress,
        reuse_as: str | None,
    ) -> JoinedClip:
        # Another process may have made it while this one waited.
        if reuse_as and (made := self._joined.find(reuse_as)):
            return made
        try:
            made = _write(unfinished, parts, path, on_progress, may_number=reuse_as is not None)
        except FileExistsError as error:
            raise JoinFailed(f"{one_line(str(path), 200)} exists by now, and is kept.") from error
        except OSError as error:
            setting = "SEEDANCE_OUTPUT_DIR" if reuse_as else "-o"
            raise JoinFailed(disk_error(path.parent, error, setting)) from error
        if reuse_as:
            self._joined.note(reuse_as, made)
        return made


async def write_within(seconds: float, write: Callable[[], T]) -> T:
    """Run what writes a file in a thread, and stop it when it takes too long.

    Raises:
        JoinFailed: It took too long; it must have looked whether it was cancelled.
    """
    with anyio.move_on_after(seconds):
        return await to_thread.run_sync(write)
    raise JoinFailed(
        f"Joining took over {seconds / 60:.0f} minutes and was stopped; join fewer clips, or clips"
        " of one form, which are copied."
    )


def _write(
    unfinished: UnfinishedFile,
    parts: "Sequence[Part]",
    path: Path,
    on_progress: OnProgress,
    *,
    may_number: bool,
) -> JoinedClip:
    from seedance_mcp.clips.join import join_clips

    def on_frames(done: int, total: int) -> None:
        on_progress(JoinProgress(doing="joining", size=done, total=total))

    def write(target: Path) -> float:
        return join_clips(parts, target, on_frames, from_thread.check_cancelled)

    made, seconds = unfinished.write(path, write, may_number=may_number)
    return JoinedClip(path=str(made), seconds=round(seconds, 3))
