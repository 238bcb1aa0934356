"""The checks of every answer and of the ledger."""

from collections import Counter
from typing import Any

from mcp_types import CallToolResult

from .model import Book, Purchase
from .world import structure_of

FINAL = {"completed", "failed", "cancelled"}


class Audit:
    """Checks answers against earlier ones, and lists of jobs against the purchases.

    Attributes:
        ended: The final state of each job that was seen to end, by request_id.
        videos: The video of each such job, by request_id.
        adopted: The jobs that a tool was asked about although the ledger did not have their
            request_id: bought elsewhere, or their answer was lost.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self.ended: dict[str, str] = {}
        self.videos: dict[str, str | None] = {}
        self.adopted: set[str] = set()

    def check_answer(self, answer: CallToolResult) -> None:
        """Check an answer against earlier ones, and note what it says."""
        self.note_told(answer)
        structure = structure_of(answer)
        for job in structure.get("jobs", [structure] if structure else []):
            video_url = next(iter(job.get("videos", [])), job.get("video_url"))
            known = "video_url" in job or "videos" in job
            self.check_final(job["request_id"], job["status"], video_url if known else ...)

    def note_told(self, answer: CallToolResult) -> None:
        """Note the failure that an answer says, if it does."""
        structure = structure_of(answer)
        if structure.get("status") == "failed" and "outcome" not in structure:
            for purchase in self.book.find(structure["request_id"]):
                purchase.told = True

    def check_final(self, request_id: str | None, status: str, video_url: Any) -> None:
        """Check that a job that has ended keeps its state and video; `...` if unknown."""
        if request_id is None or (status not in FINAL and request_id not in self.ended):
            return
        before = self.ended.setdefault(request_id, status)
        assert status == before, f"{request_id} was {before} and is {status}"
        if video_url is not ...:
            before = self.videos.setdefault(request_id, video_url)
            assert video_url == before, f"the video of {request_id} was {before}"
            assert (video_url is not None) == (status == "completed")

    def check_reuse(
        self, answers: list[CallToolResult], owed: list[Purchase], bought: list[Purchase]
    ) -> None:
        """Check that answers give only jobs that their callers are owed or have bought."""
        jobs = [structure_of(answer) for answer in answers if structure_of(answer)]
        new = [job for job in jobs if not job["reused"]]
        assert len(new) <= len(bought), "a job that an earlier call bought is called new"
        ids = {purchase.request_id for purchase in [*owed, *bought]}
        for job in jobs:
            assert job["request_id"] in ids | {None}, "the job of another call was given"
            waits_on = [p for p in [*owed, *bought] if not p.rejected]
            assert job["request_id"] or waits_on, "a rejected request is waited for"

    def _has_two_rows(self, purchase: Purchase) -> bool:
        """Return whether a job has two rows: of its call, and of a later question about its id."""
        unanswered = purchase.lossy or purchase.under_way(self.book.now)
        return purchase.request_id in self.adopted and unanswered

    def check_jobs(self, jobs: list[tuple[str | None, str]]) -> None:
        """Check a list of all jobs against the purchases."""
        bought = [purchase for purchase in self.book.purchases if not purchase.rejected]
        named = {request_id for request_id, _ in jobs if request_id}
        for purchase in bought:
            sure = purchase.job and not purchase.lossy and not purchase.under_way(self.book.now)
            assert not sure or purchase.request_id in named, f"lost a job. {self.book.story()}"
        nameless = [p for p in bought if p.request_id not in named or self._has_two_rows(p)]
        lost = Counter(status for request_id, status in jobs if request_id is None)
        assert lost["unknown"] + lost["submitting"] == len(nameless), self.book.story()
        assert self.adopted <= named <= self.adopted | {p.request_id for p in bought}
        assert len(named) + lost.total() == len(jobs), "a job is listed twice"
