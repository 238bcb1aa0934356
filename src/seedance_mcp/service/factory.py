"""Puts a service together from the settings, and closes it again."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.outputs.download import Downloader
from seedance_mcp.outputs.job_locks import JobLocks
from seedance_mcp.proxies import read_proxies
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.connections import Transport
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import SpendingLimits
from seedance_mcp.text import quoted

from ._approvals import Approvals
from ._catalogue import Catalogue
from ._downloads import BackgroundDownloads, Records
from ._following import JobFollower
from ._frames import ClipFrames
from ._join_parts import JoinParts
from ._joined_clips import JoinedClips
from ._joiner import Joiner
from ._joining import BackgroundJoins
from ._remote import RemoteJobs
from ._schedules import Schedules
from ._sightings import Sightings
from ._spending import RecentSpending
from ._state_key import StateKey
from ._submissions import Submissions
from ._temporary_clips import TemporaryFiles, TemporaryFolder
from ._tracking import JobTracker, announcer
from ._waiting import Waiter
from .reports import OnJobChange
from .service import Service

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What a service is made from.

    Attributes:
        models: What clips can be made with.
        known: Every model that this server knows, by id; the ledger may have jobs of them.
        transport: How HTTP requests leave; None for the network.
        local_files: Whether images may be files of this machine.
        follow_jobs: Whether open jobs are followed in the background if downloads are automatic.
        on_change: Called with every job that has changed.
    """

    settings: Settings
    models: Sequence[Model]
    known: Mapping[str, Model]
    clock: Clock
    transport: Transport | None
    local_files: bool
    follow_jobs: bool = False
    on_change: OnJobChange


@asynccontextmanager
async def open_service(options: ServiceOptions) -> AsyncGenerator[Service, None]:
    """Yield a service; at the end, paid requests finish before the connections close.

    Raises:
        ConfigurationError: The proxy or the certificates of the environment cannot be used.
    """
    settings, clock = options.settings, options.clock
    for entry in read_proxies().unreadable:
        message = "NO_PROXY has an entry that cannot be read, and is left out: %s."
        logger.warning(message, quoted(entry))
    history = timedelta(days=settings.history_days)
    token = settings.plain_token
    async with open_http(settings.base_url, token, clock, options.transport) as http:
        opened = SqliteStore(settings.state_dir, clock, origin=settings.base_url, history=history)
        with closing(opened) as store, closing(TemporaryFolder()) as temporary:
            async with anyio.create_task_group() as tasks:
                service = _service(options, RunComfyClient(http), store, tasks, temporary)
                service.follower.start()
                try:
                    yield service
                finally:
                    service.catalogue.shut_down()


def _service(
    options: ServiceOptions,
    client: RunComfyClient,
    store: Store,
    tasks: TaskGroup,
    temporary: TemporaryFolder,
) -> Service:
    """Wire the parts of a service."""
    settings, clock = options.settings, options.clock
    announce = announcer(options.on_change)
    tracker = JobTracker(store, settings.base_url, settings.plain_token, clock, announce)
    remote = RemoteJobs(client, tracker)
    schedules = Schedules(store, options.known, clock)
    waiter = Waiter(remote, tracker, schedules, tasks, clock)
    # The folder of locks keeps its name from earlier versions, which may run beside this one.
    saving = settings.state_dir / "saving"
    downloads = _downloads(options, settings.output_dir, tracker, saving, tasks)
    unsaved = partial(_temporary_downloads, options, temporary, tasks)
    parts = JoinParts(store, tracker.owner, remote, downloads, options.known)
    locks = JobLocks(settings.state_dir / "following")
    follows = options.follow_jobs and settings.auto_download and settings.token is not None
    catalogue = _catalogue(options, client, store, tasks)
    spending = RecentSpending(store, catalogue, clock)
    key = StateKey(settings.state_dir, settings.plain_state_key)
    return Service(
        preflight=_preflight(options),
        catalogue=catalogue,
        limits=_limits(settings),
        spending=spending,
        approvals=Approvals(catalogue, spending, key, store, clock),
        store=store,
        tracker=tracker,
        submissions=Submissions(client, store, announce, tasks, clock),
        remote=remote,
        schedules=schedules,
        waiter=waiter,
        downloads=downloads,
        frames=ClipFrames(remote, tracker, downloads, settings.auto_download, unsaved),
        joins=_joins(options, parts, tasks),
        follower=JobFollower(
            store, tracker, waiter, downloads, locks, tasks, clock, _enabled=follows
        ),
        clock=clock,
    )


def _catalogue(
    options: ServiceOptions, client: RunComfyClient, store: Store, tasks: TaskGroup
) -> Catalogue:
    settings = options.settings
    sightings = Sightings(settings.state_dir / "catalogue.json", settings.base_url)
    return Catalogue(client, options.models, options.known, store, sightings, tasks, options.clock)


def _limits(settings: Settings) -> SpendingLimits:
    return SpendingLimits(
        jobs_per_hour=settings.max_jobs_per_hour,
        usd_per_day=settings.max_cost_usd_per_day,
        ask_above_usd=settings.ask_above_usd,
    )


def _preflight(options: ServiceOptions) -> Preflight:
    return Preflight(
        check=options.settings.check_images,
        allow_private=options.settings.allow_private_urls,
        local_files=options.local_files,
        behind_proxy=read_proxies().url is not None,
    )


def _downloads(
    options: ServiceOptions, folder: Path, records: Records, locks: Path, tasks: TaskGroup
) -> BackgroundDownloads:
    one = Downloader(
        folder,
        base_url=options.settings.base_url,
        transport=options.transport,
        clock=options.clock,
    )
    automatic = options.settings.auto_download
    return BackgroundDownloads(one, records, JobLocks(locks), tasks, options.clock, automatic)


def _temporary_downloads(
    options: ServiceOptions, folder: TemporaryFolder, tasks: TaskGroup
) -> BackgroundDownloads:
    return _downloads(options, folder.path, TemporaryFiles(), folder.path / "locks", tasks)


def _joins(options: ServiceOptions, parts: JoinParts, tasks: TaskGroup) -> BackgroundJoins:
    settings, clock = options.settings, options.clock
    joined = JoinedClips(settings.state_dir / "joined.json")
    joiner = Joiner(parts, joined, settings.state_dir / "joining.lock", clock)
    return BackgroundJoins(joiner, settings.output_dir, settings.base_url, tasks, clock)
