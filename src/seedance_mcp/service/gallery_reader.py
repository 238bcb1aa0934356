"""The gallery for a person: read from the ledger as it is at each moment, without a token."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

import anyio
import anyio.to_thread

from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER
from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import JSONObject
from seedance_mcp.one_at_a_time import OneAtATime
from seedance_mcp.settings import Settings

from ._ledger import read_ledger
from .added_models import load_known_models
from .gallery import Gallery, GalleryQuery

MOST_MADE_POSTERS = 200
"""How many posters that the ledger lacks are kept in memory."""

_T = TypeVar("_T")


@dataclass(eq=False, repr=False)
class GalleryReader:
    """Pages of the gallery, posters and saved clips. RunComfy is asked for nothing.

    Whatever a database or a disk takes, the event loop goes on: each reading is done in a thread,
    one at a time.
    """

    _settings: Settings
    _clock: Clock
    _turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))
    _decoding: OneAtATime = field(default_factory=OneAtATime)
    # By the file, which may be replaced by another; None where there is no poster in it.
    _made: dict[tuple[str, int, int], bytes | None] = field(
        default_factory=dict[tuple[str, int, int], bytes | None]
    )

    async def page(self, query: GalleryQuery) -> JSONObject:
        """Return a page.

        Raises:
            ConfigurationError, LedgerError: The ledger cannot be read.
        """
        settings = self._settings

        async def read(ledger: Store) -> JSONObject:
            async def posters(jobs: Sequence[Job]) -> Mapping[str, bytes]:
                return await ledger.posters([job.id for job in jobs], settings.base_url)

            gallery = Gallery(
                store=ledger,
                owner=settings.base_url,
                clock=self._clock,
                models=load_known_models(settings.state_dir)[0],
                posters=posters,
                is_saved=lambda job: _file_of(clip_path(job)) is not None,
            )
            return await gallery.page(query)

        return await self._read(read)

    async def saved_clip(self, name: str) -> Path | None:
        """Return where the ledger says that a job's clip was saved, None if it does not.

        Raises:
            ConfigurationError, LedgerError: The ledger cannot be read.
        """
        job = await self._read(lambda ledger: ledger.named(name, self._settings.base_url))
        return clip_path(job) if job else None

    async def poster(self, name: str) -> bytes | None:
        """Return a job's poster, made of its saved clip if the ledger has none.

        Raises:
            ConfigurationError, LedgerError: The ledger cannot be read.
        """
        owner = self._settings.base_url

        async def read(ledger: Store) -> tuple[Path | None, bytes | None]:
            job = await ledger.named(name, owner)
            posters = await ledger.posters([job.id], owner) if job else {}
            return clip_path(job) if job else None, posters.get(job.id) if job else None

        path, poster = await self._read(read)
        return poster or (await self._make(path) if path else None)

    async def _read(self, read: Callable[[Store], Awaitable[_T]]) -> _T:
        async def run() -> _T:
            with closing(read_ledger(self._settings, self._clock)) as ledger:
                return await read(ledger)

        return await anyio.to_thread.run_sync(
            partial(anyio.run, run), abandon_on_cancel=True, limiter=self._turn
        )

    async def _make(self, path: Path) -> bytes | None:
        """Return a poster made of a clip, and keep it in memory."""
        file = await anyio.to_thread.run_sync(_file_of, path, abandon_on_cancel=True)
        if file is None:
            return None
        key = str(path), file.st_mtime_ns, file.st_size
        if key not in self._made:
            poster = await self._decoding.run(partial(middle_frame, path, bounds=POSTER))
            if len(self._made) >= MOST_MADE_POSTERS:
                del self._made[next(iter(self._made))]
            self._made[key] = poster
        return self._made[key]


def clip_path(job: Job) -> Path | None:
    """Return where a job's first video was saved, None if it was not."""
    saved = job.saved[0] if job.outputs.videos else ""
    return Path(saved) if saved else None


def _file_of(path: Path | None) -> os.stat_result | None:
    """Return what is known of a regular file, None if there is none at a path."""
    try:
        found = path.lstat() if path else None
    except (OSError, ValueError):
        return None
    return found if found and S_ISREG(found.st_mode) else None
