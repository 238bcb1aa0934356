"""What the services of all principals share, made when it is first needed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from anyio.abc import TaskGroup

from seedance_mcp.inputs.first_frame import FirstFrames
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Locks, Store
from seedance_mcp.one_at_a_time import OneAtATime
from seedance_mcp.outputs.download import Downloader
from seedance_mcp.outputs.job_locks import JobLocks
from seedance_mcp.proxies import read_proxies
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import RunComfyHttp

from ._catalogue import Catalogue
from ._discreet_store import DiscreetStore
from ._downloads import BackgroundDownloads, Records
from ._ledger import job_locks
from ._options import ServiceOptions
from ._poller import Poller
from ._sightings import Sightings
from ._temporary_clips import TemporaryFiles, TemporaryFolder
from .principals import Principal


@dataclass(eq=False, repr=False)
class SharedParts:
    """What the services of all principals share: connections, the ledger, tasks, and memory."""

    options: ServiceOptions
    http: RunComfyHttp
    store: Store
    tasks: TaskGroup
    folder: TemporaryFolder
    pollers: set[Poller] = field(default_factory=set[Poller], init=False)
    # Of large images, and of frames.
    turns: OneAtATime = field(default_factory=OneAtATime, init=False)
    decoding: OneAtATime = field(default_factory=OneAtATime, init=False)
    # Of their own: nothing that is bought waits for a poster.
    poster_turns: OneAtATime = field(default_factory=OneAtATime, init=False)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return the catalogue as the server's token sees it."""
        return self.catalogue_of(self.http)

    @cached_property
    def temporary(self) -> BackgroundDownloads:
        """Return the downloads of clips that are not saved, which are few in all."""
        folder = self.folder.path
        locks = JobLocks(folder / "locks")
        return self.downloads(folder, TemporaryFiles(), locks, lambda _: None)

    @cached_property
    def discreet_store(self) -> Store:
        """Return the ledger for callers from elsewhere."""
        return DiscreetStore(self.store, self.options.settings.state_dir)

    @cached_property
    def first_frames(self) -> FirstFrames:
        """Return what makes posters of the images that clips begin with."""
        settings = self.options.settings
        return FirstFrames(
            fetches=settings.check_images,
            allow_private=settings.allow_private_urls,
            turns=self.poster_turns,
            behind_proxy=read_proxies().url is not None,
        )

    def preflight(self, *, paths: bool) -> Preflight:
        """Return the checks of files, for callers who may name files of this machine or not."""
        options = self.options
        return Preflight(
            check=options.settings.check_images,
            allow_private=options.settings.allow_private_urls,
            local_files=options.local_files,
            paths=paths,
            turns=self.turns,
            behind_proxy=read_proxies().url is not None,
        )

    def http_of(self, principal: Principal) -> RunComfyHttp:
        """Return requests with a principal's own token, or with the server's."""
        token = principal.token
        return self.http.with_token(token.get_secret_value()) if token else self.http

    def catalogue_for(self, http: RunComfyHttp) -> Catalogue:
        """Return the catalogue that a caller uses.

        What the server's token sees is the same for all; without one, there is the caller's.
        """
        is_shared = self.http.token or http is self.http
        return self.catalogue if is_shared else self.catalogue_of(http)

    def saved_downloads(
        self, records: Records, on_clip: Callable[[Job], None]
    ) -> BackgroundDownloads:
        """Return the downloads to the output folder, which call with each job of a clip."""
        settings = self.options.settings
        # The folder of locks keeps its name from earlier versions, which may run beside this one.
        locks = job_locks(self.store, settings.state_dir / "saving")
        return self.downloads(settings.output_dir, records, locks, on_clip)

    def catalogue_of(self, http: RunComfyHttp) -> Catalogue:
        """Return a catalogue, read by the requests given."""
        options, settings = self.options, self.options.settings
        return Catalogue(
            RunComfyClient(http),
            options.models,
            options.known,
            self.store,
            Sightings(settings.state_dir / "catalogue.json", settings.base_url),
            self.tasks,
            options.clock,
        )

    def downloads(
        self, folder: Path, records: Records, locks: Locks, on_clip: Callable[[Job], None]
    ) -> BackgroundDownloads:
        """Return downloads to a folder."""
        options = self.options
        one = Downloader(
            folder,
            base_url=options.settings.base_url,
            transport=options.transport,
            clock=options.clock,
        )
        automatic = options.auto_download
        return BackgroundDownloads(
            one, records, locks, self.tasks, options.clock, automatic, on_clip
        )

    def shut_down(self) -> None:
        """End what no service ends."""
        self.catalogue.shut_down()
        if "temporary" in self.__dict__:
            self.temporary.shut_down()
