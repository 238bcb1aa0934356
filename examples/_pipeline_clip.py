"""One row of `pipeline.py`, from its first call to the file of its clip."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
from _pipeline_journal import Journal, Row
from mcp import Client
from mcp_types import TextContent

WAIT_SECONDS = 60

SURE_SECONDS = 600
"""How long a repeated call certainly gets its own job back, whoever else has looked at that."""

MOST_LISTED = 100


class RowProblem(Exception):
    """A row gets no clip in this run, and why."""


@dataclass(kw_only=True)
class Purchases:
    """What the rows of a run need to know of each other.

    Attributes:
        again: The lines whose clips are bought once more.
        limit: Why nothing may be bought any more, in the server's words.
        locks: Of the rows that ask for the same clip, one is bought at a time.
    """

    again: set[int]
    limit: str = ""
    locks: dict[str, anyio.Lock] = field(default_factory=dict[str, anyio.Lock])


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The clip of a row.

    Every method raises RowProblem if the server refuses, in its own words.

    Attributes:
        show: Shows a person how far it is.
    """

    row: Row
    journal: Journal
    purchases: Purchases
    client: Client
    show: Callable[[str], None]

    async def price(self) -> float | None:
        """Return what the clip is estimated to cost, None if that is unknown; buy nothing.

        Raises:
            RowProblem: An earlier run may have bought it, and a call would buy it again.
        """
        begun_at = self.journal.find(self.row).begun_at
        # What was not begun is not given back, though an equal row may have been bought before.
        how = {"dry_run": True, "force_new": begun_at is None}
        job = await self._call("generate_video", **self.row.arguments, **how)
        if begun_at and time.time() - begun_at > SURE_SECONDS and not job["reused"]:
            listed = (await self._call("list_jobs", limit=MOST_LISTED))["jobs"]
            since = {job["request_id"] for job in listed if _time(job) > begun_at - 1}
            if len(since) == MOST_LISTED or since - self.journal.request_ids():
                raise self._failure("It may have been bought before: see `seedance-mcp jobs`.")
        return job.get("estimated_cost_usd")

    async def make(self) -> str:
        """Make the clip, from where an earlier run got to, and return the path of its file."""
        request_id = self.journal.find(self.row).request_id or await self._buy()
        job: dict[str, Any] = {"status": "in_queue"}
        while job["status"] not in {"completed", "failed", "cancelled"}:
            wait = {"request_id": request_id, "wait_seconds": WAIT_SECONDS}
            job = await self._call("check_status", **wait)
            if job["status"] == "unknown":
                raise RowProblem(job["error"] or job["next_step"])
        if job["status"] != "completed":
            raise self._failure(job["error"] or f"The job was {job['status']}.")
        result = await self._call("get_result", request_id=request_id, download=True)
        while not result["saved_to"]:
            if result["error"] or not result["videos"]:
                raise RowProblem(result["error"] or result["next_step"])
            # A long download goes on, and the same call waits for it.
            result = await self._call("get_result", request_id=request_id, download=True)
        self.journal.save(self.row, result["saved_to"])
        return result["saved_to"]

    async def _buy(self) -> str:
        """Buy the clip, or find the job that an earlier run has bought; return its request_id."""
        async with self.purchases.locks.setdefault(self.row.content, anyio.Lock()):
            while True:
                job: dict[str, Any] = {}
                # Ctrl-C waits for the answer: the server, cut off, may never learn its job's id.
                with anyio.CancelScope(shield=True):
                    job = await self._pay()
                    if job["request_id"] and self.journal.claim(self.row, job["request_id"]):
                        return job["request_id"]
                if job["request_id"]:
                    # It is the job of an equal row. Named once, the same call buys another.
                    await self._call("check_status", request_id=job["request_id"], wait_seconds=0)
                elif job["status"] == "unknown":
                    raise self._failure(f"It may have been bought: {job['error']}")

    async def _pay(self) -> dict[str, Any]:
        """Make the paid call, which does not wait for the clip: so its id is on disk early."""
        if self.purchases.limit:
            raise RowProblem(self.purchases.limit)
        self.journal.begin(self.row)
        how = {"wait_seconds": 0, "force_new": self.row.line in self.purchases.again}
        self.purchases.again.discard(self.row.line)
        try:
            return await self._call("generate_video", **self.row.arguments, **how)
        except RowProblem as problem:
            if "Nothing was charged." in str(problem):
                self.journal.forget(self.row)
            if "SEEDANCE_MAX_" in str(problem):
                self.purchases.limit = str(problem)
            raise

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, show its progress, and return its answer."""

        async def show(progress: float, total: float | None, message: str | None) -> None:
            del progress, total  # the message says how far it is
            self.show(message or "")

        result = await self.client.call_tool(tool, arguments, progress_callback=show)
        if result.structured_content is None:
            texts = [part.text for part in result.content if isinstance(part, TextContent)]
            raise RowProblem(" ".join(texts))
        return result.structured_content

    def _failure(self, problem: str) -> RowProblem:
        """Write why there will be no clip, and return the exception that says so."""
        self.journal.fail(self.row, problem)
        return RowProblem(problem)


def _time(job: dict[str, Any]) -> float:
    return datetime.fromisoformat(job["created_at"]).timestamp()
