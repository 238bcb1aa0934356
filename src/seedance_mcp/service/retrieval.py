"""Clips fetched by their ids, and joined, outside of any server."""

import os
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from pathlib import Path
from re import fullmatch
from typing import TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, InputError, JoinFailed, SeedanceError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.settings import Settings
from seedance_mcp.text import one_line

from .added_models import load_known_models
from .factory import ServiceOptions, open_service
from .history import read_job
from .reports import JoinedClip, WatchDownload, WatchJoin
from .service import Service

T = TypeVar("T")

POSTER_SECONDS = 5.0
"""How long a command waits for the poster of the clip that it has downloaded."""


async def download_job(
    settings: Settings, clock: Clock, name: str, watch: WatchDownload
) -> Sequence[str]:
    """Download what a job made, and return the paths of its files.

    RunComfy is asked for the result again, since links expire. This acknowledges nothing: a
    repeated call still gets this job.

    `name` is the job's id, or the beginning of one that the ledger has; `watch` is called with the
    progress.

    Raises:
        SeedanceError: Not everything is downloaded, and why.
    """
    request_id = await _request_id(settings, clock, name)
    return await _with_service(
        settings, clock, lambda service: _download(service, request_id, watch)
    )


async def join_jobs(
    settings: Settings, clock: Clock, names: Sequence[str], path: Path, watch: WatchJoin
) -> Path:
    """Join the clips of jobs to a new MP4, and return its path; this acknowledges nothing.

    Args:
        settings: Where the ledger is, and where clips are saved.
        clock: This machine's.
        names: The jobs' ids, or the beginnings of such as the ledger has, in order.
        path: The file, which must not exist yet.
        watch: Called with the progress.

    Raises:
        SeedanceError: The clips are not joined, and why.
    """
    new = _new_file(path)
    request_ids = [await _request_id(settings, clock, name) for name in names]
    return await _with_service(
        settings, clock, lambda service: _join(service, request_ids, new, watch)
    )


async def _with_service(
    settings: Settings, clock: Clock, work: Callable[[Service], Awaitable[T]]
) -> T:
    """Open a service for some work."""
    known, _ = load_known_models(settings.state_dir)
    options = ServiceOptions(
        settings=settings,
        models=list(known.values()),
        known=known,
        clock=clock,
        transport=None,
        local_files=False,
        on_change=lambda _: None,
    )
    async with open_service(options) as service:
        try:
            outcome = await work(service)
        except SeedanceError as error:
            # Raised here, it would be wrapped in a group by the service's tasks.
            outcome = error
        service.shut_down(0)
    if isinstance(outcome, SeedanceError):
        raise outcome
    return outcome


async def _download(service: Service, request_id: str, watch: WatchDownload) -> Sequence[str]:
    report = await service.result(request_id)
    if report.job.outputs:
        report = await service.downloads.download(report, deadline=inf, watch=watch)
        await service.posters.finish(POSTER_SECONDS)
    job = report.job
    if report.download_error:
        raise DownloadFailed(report.download_error)
    if not job.outputs:
        why = f" ({job.error.rstrip('.')})" if job.error else ""
        raise DownloadFailed(f"{request_id} has no clip: its status is {job.status}{why}.")
    return job.saved


async def _join(service: Service, request_ids: Sequence[str], path: Path, watch: WatchJoin) -> Path:
    joined = await service.joins.join(request_ids, deadline=inf, watch=watch, path=path)
    if not isinstance(joined, JoinedClip):
        raise JoinFailed("The clips were not joined.")
    return path


def _new_file(path: Path) -> Path:
    """Return the absolute path of an MP4 that does not exist yet.

    Raises:
        InputError: It cannot be written, as far as its name says.
    """
    shown = one_line(str(path), 200)
    if path.suffix.lower() != ".mp4":
        raise InputError("-o", f"{shown} must end with .mp4, which the joined clip will be.")
    if os.path.lexists(path):
        raise InputError("-o", f"{shown} exists already: choose another name.")
    if not path.parent.is_dir():
        raise InputError("-o", f"{one_line(str(path.parent), 200)} is not a folder.")
    return path.absolute()


async def _request_id(settings: Settings, clock: Clock, name: str) -> str:
    """Return the request_id that a name means; one the ledger lacks may be of another machine."""
    try:
        record, _ = await read_job(settings, clock, name)
    except InputError:
        if len(name) >= 8 and fullmatch(REQUEST_ID_PATTERN, name):
            return name
        raise
    if record.job.request_id is None:
        raise InputError("ID", f"{record.id} has no clip: RunComfy has not named a request_id.")
    return record.job.request_id
