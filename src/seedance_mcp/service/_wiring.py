"""Wires the parts of a principal's service."""

from dataclasses import dataclass

from seedance_mcp.ledger.store import Store
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import RunComfyHttp
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import Quota, SpendingLimits

from ._approvals import Approvals
from ._catalogue import Catalogue
from ._downloads import BackgroundDownloads
from ._following import JobFollower
from ._frames import ClipFrames
from ._join_parts import JoinParts
from ._joined_clips import JoinedClips
from ._joiner import Joiner
from ._joining import BackgroundJoins
from ._ledger import job_locks
from ._own_token import OwnToken
from ._posters import Posters
from ._remote import RemoteJobs
from ._schedules import Schedules
from ._shared_parts import SharedParts
from ._spending import RecentSpending
from ._submissions import Submissions
from ._tracking import JobTracker, announcer
from ._waiting import Waiter
from .gallery import Gallery
from .principals import MACHINE_USER, Principal
from .service import Service
from .state_key import StateKey


def build_service(shared: SharedParts, principal: Principal, owner: str) -> Service:
    """Return the service of a principal, whose jobs the ledger has under an owner's name."""
    options, is_machine_user = shared.options, principal == MACHINE_USER
    store = shared.store if is_machine_user else shared.discreet_store
    http = shared.http_of(principal)
    shares_token = not (is_machine_user or principal.token)
    jobs = _jobs(shared, http, store, owner, shares_token=shares_token)
    catalogue = shared.catalogue_for(http)
    spending = RecentSpending(store, catalogue, options.clock, None if is_machine_user else owner)
    posters = Posters(store, owner, shared.first_frames, shared.poster_turns, shared.tasks)
    downloads = shared.saved_downloads(jobs.tracker, posters.of_clip)
    parts = JoinParts(store, owner, jobs.remote, downloads, options.known)
    return Service(
        preflight=shared.preflight(paths=is_machine_user),
        catalogue=catalogue,
        limits=_limits(options.settings, has_others=not is_machine_user),
        spending=spending,
        approvals=_approvals(shared, store, catalogue, spending),
        store=store,
        tracker=jobs.tracker,
        own_token=OwnToken(http, store, owner, principal.token is not None),
        submissions=jobs.submissions,
        remote=jobs.remote,
        schedules=jobs.schedules,
        waiter=jobs.waiter,
        downloads=downloads,
        saves_files=options.saves_files,
        frames=_frames(shared, jobs.remote, jobs.tracker, downloads),
        posters=posters,
        joins=_joins(shared, parts, owner),
        gallery=_gallery(shared, store, owner, posters),
        follower=_follower(shared, jobs, downloads, is_machine_user=is_machine_user),
        clock=options.clock,
    )


@dataclass(frozen=True, kw_only=True)
class _Jobs:
    """The parts that buy, follow and remember jobs."""

    tracker: JobTracker
    remote: RemoteJobs
    schedules: Schedules
    waiter: Waiter
    submissions: Submissions


def _jobs(
    shared: SharedParts, http: RunComfyHttp, store: Store, owner: str, *, shares_token: bool
) -> _Jobs:
    options, tasks = shared.options, shared.tasks
    client, clock, told = RunComfyClient(http), options.clock, options.observer
    announce = announcer(options.on_change)
    tracker = JobTracker(store, owner, http.token, clock, announce, shares_token, told)
    remote = RemoteJobs(client, tracker)
    schedules = Schedules(store, options.known, clock)
    return _Jobs(
        tracker=tracker,
        remote=remote,
        schedules=schedules,
        waiter=Waiter(remote, tracker, schedules, tasks, clock, told, shared.pollers),
        submissions=Submissions(client, store, announce, tasks, clock, told),
    )


def _approvals(
    shared: SharedParts, store: Store, catalogue: Catalogue, spending: RecentSpending
) -> Approvals:
    settings = shared.options.settings
    key = StateKey(settings.state_dir, settings.plain_state_key)
    return Approvals(catalogue, spending, key, store, shared.options.clock)


def _limits(settings: Settings, *, has_others: bool) -> SpendingLimits:
    own = Quota(
        jobs_per_hour=settings.max_jobs_per_hour_per_caller,
        usd_per_day=settings.max_cost_usd_per_day_per_caller,
        per_caller=True,
    )
    return SpendingLimits(
        jobs_per_hour=settings.max_jobs_per_hour,
        usd_per_day=settings.max_cost_usd_per_day,
        has_others=has_others,
        ask_above_usd=settings.ask_above_usd,
        caller=own,
    )


def _frames(
    shared: SharedParts, remote: RemoteJobs, tracker: JobTracker, downloads: BackgroundDownloads
) -> ClipFrames:
    options = shared.options
    return ClipFrames(
        remote,
        tracker,
        downloads,
        options.auto_download,
        options.saves_files,
        lambda: shared.temporary,
        shared.decoding,
    )


def _follower(
    shared: SharedParts, jobs: _Jobs, downloads: BackgroundDownloads, *, is_machine_user: bool
) -> JobFollower:
    options = shared.options
    locks = job_locks(shared.store, options.settings.state_dir / "following")
    wanted = is_machine_user and options.follow_jobs and options.auto_download
    enabled = wanted and options.settings.token is not None
    return JobFollower(
        shared.store,
        jobs.tracker,
        jobs.waiter,
        downloads,
        locks,
        shared.tasks,
        options.clock,
        _enabled=enabled,
    )


def _joins(shared: SharedParts, parts: JoinParts, owner: str) -> BackgroundJoins:
    settings, clock = shared.options.settings, shared.options.clock
    joined = JoinedClips(settings.state_dir / "joined.json")
    joiner = Joiner(parts, joined, settings.state_dir / "joining.lock", clock)
    return BackgroundJoins(joiner, settings.output_dir, owner, shared.tasks, clock)


def _gallery(shared: SharedParts, store: Store, owner: str, posters: Posters) -> Gallery:
    options = shared.options
    return Gallery(
        store=store,
        owner=owner,
        clock=options.clock,
        models=options.known,
        posters=posters.shown,
        is_saved=lambda job: any(job.saved[: len(job.outputs.videos)]),
    )
