"""Clips that were downloaded but not to be saved: the newest few, in a folder that is removed."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

from seedance_mcp.jobs.job import Job

MOST_TEMPORARY_CLIPS = 8
"""How many clips are kept; one that was removed is downloaded again."""


@dataclass(eq=False)
class TemporaryFolder:
    """A folder that is made when it is first asked for, and removed with `close`."""

    @cached_property
    def path(self) -> Path:
        """The folder, which only this user can read."""
        return Path(mkdtemp(prefix="seedance-clips-"))

    def close(self) -> None:
        """Remove the folder with everything in it."""
        if "path" in self.__dict__:
            shutil.rmtree(self.path, ignore_errors=True)


@dataclass(eq=False)
class TemporaryFiles:
    """Where the newest downloaded clips are; nothing of it is in the ledger."""

    _paths: dict[str | None, tuple[str, ...]] = field(
        default_factory=dict[str | None, tuple[str, ...]], init=False
    )

    async def current(self, job: Job) -> Job:
        """Return a job with the paths of its files."""
        return replace(job, saved_to=self._paths.get(job.request_id, ()))

    async def record_files(self, job: Job) -> bool:
        """Remember where a job's files are, and remove those of the oldest of too many jobs."""
        self._paths.pop(job.request_id, None)
        self._paths[job.request_id] = job.saved_to
        old = [*self._paths][:-MOST_TEMPORARY_CLIPS]
        remove_files([path for request_id in old for path in self._paths.pop(request_id)])
        return True


def remove_files(paths: Iterable[str]) -> None:
    """Remove files, but for those that are in use on Windows."""
    for path in paths:
        with suppress(OSError):
            Path(path).unlink()
