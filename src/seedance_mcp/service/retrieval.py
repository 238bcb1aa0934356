"""One clip fetched by its id, outside of any server."""

from collections.abc import Sequence
from math import inf
from re import fullmatch

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, InputError, SeedanceError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.settings import Settings

from .added_models import load_known_models
from .factory import ServiceOptions, open_service
from .history import read_job
from .reports import WatchDownload
from .service import Service


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
        outcome = await _download(service, request_id, watch)
        service.shut_down(0)
    # Raised inside, the error would be wrapped in a group by the service's tasks.
    if isinstance(outcome, SeedanceError):
        raise outcome
    return outcome


async def _download(
    service: Service, request_id: str, watch: WatchDownload
) -> Sequence[str] | SeedanceError:
    try:
        report = await service.result(request_id)
        if report.job.outputs:
            report = await service.downloads.download(report, deadline=inf, watch=watch)
    except SeedanceError as error:
        return error
    job = report.job
    if report.download_error:
        return DownloadFailed(report.download_error)
    if not job.outputs:
        why = f" ({job.error.rstrip('.')})" if job.error else ""
        return DownloadFailed(f"{request_id} has no clip: its status is {job.status}{why}.")
    return job.saved


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
