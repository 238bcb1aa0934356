"""What `test_purchases` holds every answer and the ledger against."""

from collections import Counter
from typing import Any

from mcp_types import CallToolResult

from .model import Book, Purchase
from .world import Window, said

FINAL = {"completed", "failed", "cancelled"}


class Audit:
    """What the answers said so far.

    Attributes:
        ended: The final state of each job that was seen to end, by request_id.
        videos: Its video, likewise.
        adopted: The jobs that were asked about although they were not begun here, or their
            request_id was lost.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self.ended: dict[str, str] = {}
        self.videos: dict[str, str | None] = {}
        self.adopted: set[str] = set()

    def hear(self, window: Window, answer: CallToolResult) -> None:
        """Take note of what an answer says, and hold it against what was said before."""
        facts = said(answer)
        for job in facts.get("jobs", [facts] if facts else []):
            if job["request_id"] is not None:
                self.book.tell(job["request_id"], window)
            video_url = next(iter(job.get("videos", [])), job.get("video_url"))
            known = "video_url" in job or "videos" in job
            self.final_is_final(job["request_id"], job["status"], video_url if known else ...)

    def final_is_final(self, request_id: str | None, status: str, video_url: Any) -> None:
        if request_id is None or (status not in FINAL and request_id not in self.ended):
            return
        before = self.ended.setdefault(request_id, status)
        assert status == before, f"{request_id} was {before} and is {status}"
        if video_url is not ...:
            before = self.videos.setdefault(request_id, video_url)
            assert video_url == before, f"the video of {request_id} was {before}"
            assert (video_url is not None) == (status == "completed")

    def reused_is_owed(
        self, answers: list[CallToolResult], owed: list[Purchase], bought: list[Purchase]
    ) -> None:
        jobs = [said(answer) for answer in answers if said(answer)]
        new = [job for job in jobs if not job["reused"]]
        assert len(new) <= len(bought), "a job that an earlier call bought is called new"
        ids = {purchase.request_id for purchase in [*owed, *bought]}
        for job in jobs:
            assert job["request_id"] in ids | {None}, "somebody else's job was given"
            waits_on = [p for p in [*owed, *bought] if not p.refused]
            assert job["request_id"] or waits_on, "a request that was refused is waited for"

    def _apart(self, purchase: Purchase) -> bool:
        """Tell whether a job has two rows: what was asked for, and what was taken up by its id."""
        unanswered = purchase.lossy or purchase.under_way(self.book.now)
        return purchase.request_id in self.adopted and unanswered

    def all_are_there(self, jobs: list[tuple[str | None, str]]) -> None:
        """Hold a list of all jobs against what was bought."""
        bought = [purchase for purchase in self.book.purchases if not purchase.refused]
        named = {request_id for request_id, _ in jobs if request_id}
        for purchase in bought:
            sure = purchase.job and not purchase.lossy and not purchase.under_way(self.book.now)
            assert not sure or purchase.request_id in named, f"lost: {purchase}"
        nameless = [p for p in bought if p.request_id not in named or self._apart(p)]
        lost = Counter(status for request_id, status in jobs if request_id is None)
        assert lost["unknown"] + lost["submitting"] == len(nameless), f"{lost}, not {nameless}"
        assert self.adopted <= named <= self.adopted | {p.request_id for p in bought}
        assert len(named) + lost.total() == len(jobs), "a job is listed twice"
