"""What the tests of downloads share: a job, a folder to download to, and what was observed."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import httpx

from seedance_mcp.errors import DownloadFailed
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output
from seedance_mcp.outputs.download import Downloader

from .scripted_network import FrozenTime

JOB = Job(
    id="job-1",
    request_id="7c1f3a2b-9d8e-4f00-8000-000000000000",
    arguments={"prompt": "Mist drifts over the lake"},
    created_at=datetime(2026, 11, 23, 23, 59, tzinfo=UTC),
)
NAME = "2026-11-23-mist-drifts-over-the-lake-7c1f3a2b"


@dataclass
class Scene:
    """A folder that clips are downloaded to.

    Attributes:
        folder: The folder.
        base_url: The configured base URL of RunComfy.
        transport: How requests are sent, None for the network.
        time: The clock, which has the pauses that were made.
        progress: The bytes and totals that were reported, in order.
        records: Whether a finished file's path can be recorded.
    """

    folder: Path
    base_url: str
    transport: httpx.AsyncBaseTransport | None = None
    time: FrozenTime = field(default_factory=FrozenTime)
    progress: list[tuple[int, int | None]] = field(default_factory=list[tuple[int, int | None]])
    records: bool = True

    async def download(
        self,
        place: str = "/a.mp4",
        *,
        job: Job = JOB,
        number: int = 1,
        kind: Literal["video", "image"] = "video",
    ) -> str:
        """Download from a path of the host or a URL; return the file's name or the error's line."""
        url = self.base_url + place if place.startswith("/") else place
        output = Output(kind=kind, number=number, url=url)
        try:
            path = await self._downloader.download(
                job, output, on_bytes=self._report, on_saved=self._record
            )
        except DownloadFailed as error:
            return error.line
        assert path.parent == self.folder
        return path.name

    @cached_property
    def _downloader(self) -> Downloader:
        return Downloader(
            self.folder,
            base_url=self.base_url,
            transport=self.transport,
            clock=self.time.clock,
        )

    async def _record(self, _: Path) -> bool:
        return self.records

    async def _report(self, size: int, total: int | None) -> None:
        self.progress.append((size, total))

    @property
    def files(self) -> dict[str, int]:
        """The names and sizes of the files in the folder; the size of metadata counts as 0."""
        return {
            path.name: 0 if path.suffix == ".json" else path.stat().st_size
            for path in sorted(self.folder.iterdir())
        }
