"""What the tests of saving share: a job, a folder to save in, and what was seen of it."""

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
PAID = "The clip is paid for and can be fetched again."


@dataclass
class Scene:
    """A folder that clips are saved in.

    Attributes:
        folder: The folder.
        base_url: What the user set as the service's address.
        transport: How requests leave, None for the network.
        time: The pauses that were made.
        reports: What was reported, in order.
        recorded: Whether where a file is can be written down.
    """

    folder: Path
    base_url: str
    transport: httpx.AsyncBaseTransport | None = None
    time: FrozenTime = field(default_factory=FrozenTime)
    reports: list[tuple[int, int | None]] = field(default_factory=list[tuple[int, int | None]])
    recorded: bool = True

    async def save(
        self,
        path: str = "/a.mp4",
        *,
        job: Job = JOB,
        number: int = 1,
        kind: Literal["video", "image"] = "video",
    ) -> str:
        """Save what lies at a path of the host, or at a URL; give the file's name or the line."""
        url = self.base_url + path if path.startswith("/") else path
        output = Output(kind=kind, number=number, url=url)
        try:
            saved = await self._downloads.download(
                job, output, on_bytes=self._report, on_saved=self._record
            )
        except DownloadFailed as error:
            return error.line
        assert saved.parent == self.folder
        return saved.name

    @cached_property
    def _downloads(self) -> Downloader:
        return Downloader(
            self.folder,
            base_url=self.base_url,
            transport=self.transport,
            clock=self.time.clock,
        )

    async def _record(self, _: Path) -> bool:
        return self.recorded

    async def _report(self, size: int, total: int | None) -> None:
        self.reports.append((size, total))

    @property
    def files(self) -> dict[str, int]:
        """What lies in the folder, with its size; a note's size says nothing and is 0."""
        return {
            path.name: 0 if path.suffix == ".json" else path.stat().st_size
            for path in sorted(self.folder.iterdir())
        }
