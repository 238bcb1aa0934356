"""What was bought in `test_purchases`, and what an identical call is owed of it.

A `Purchase` stands for every paid request that reached the simulator. What became of it follows
from the fault that it met and from the simulator's record; of the ledger the model knows nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio

from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.jobs import Job

from .world import Window, World

TOLD_SECONDS = 1.1
"""After so long, an answer that named a job is known to every process (records)."""
UNKNOWN_IS_REUSED_FOR = timedelta(minutes=30)
ENDED_IS_REUSED_FOR = timedelta(days=1)
A_MOMENT = timedelta(seconds=2)


@dataclass(eq=False, kw_only=True)
class Purchase:
    """A paid request that reached the simulator.

    Attributes:
        arguments: What was asked for, defaults filled in.
        sent: When, on the loop's clock.
        written: When, on the server's wall clock, which jumps.
        reached: When the service itself gets to see it, on the loop's clock.
        due: When its answer comes, on the loop's clock.
        lossy: Whether that answer does not, or may not, reach the server.
        window: Who sent it; None where that cannot be told.
        job: The simulator's record, None where it was not accepted.
        judged: Whether the time of its acceptance is over.
        told: The open windows in which an answer named it, and when, on the loop's clock.
        told_for_good: Whether the ledger must have been told that an answer named it.
        told_perhaps: Whether any answer named it.
    """

    arguments: dict[str, Any]
    sent: float
    written: datetime
    reached: float
    due: float
    lossy: bool
    window: Window
    job: Job | None = None
    judged: bool = False
    told: list[tuple[Window, float]] = field(default_factory=list[tuple[Window, float]])
    told_for_good: bool = False
    told_perhaps: bool = False

    @property
    def request_id(self) -> str | None:
        return self.job.request_id if self.job else None

    @property
    def refused(self) -> bool:
        """Whether the server knows that it was not accepted, and so owes nobody anything."""
        return self.judged and self.job is None and not self.lossy

    def under_way(self, now: float) -> bool:
        return self.window.alive and now < min(self.due, self.sent + SUBMIT_TIMEOUT_SECONDS)

    def tell(self, window: Window, now: float) -> None:
        """Note that an answer named the job."""
        self.told_perhaps = True
        if window.alive:
            self.told.append((window, now))

    def surely_told(self, window: Window, now: float) -> bool:
        """Whether a server must know that an answer named the job."""
        known = any(by is window or now - at > TOLD_SECONDS for by, at in self.told)
        return self.told_for_good or known

    def fits(self, job: Job) -> bool:
        """Tell whether a job of the simulator's can be this one."""
        return abs(job.accepted_at - self.reached) < 0.04 and job.arguments == self.arguments

    def maybe_owed(self, window: Window, now: float, wall: datetime) -> bool:
        """Tell whether the design lets an identical call get it back, and be it by a hair."""
        if self.refused or self.under_way(now):
            return not self.refused
        young = wall - self.written < UNKNOWN_IS_REUSED_FOR + A_MOMENT
        return (self.lossy and young) or not (self.job is None or self.surely_told(window, now))

    def surely_owed(self, wall: datetime) -> bool:
        """Tell whether an identical call must get it back, provided that it has not ended."""
        if self.refused or self.told_perhaps:
            return False
        return not self.lossy or wall - self.written < UNKNOWN_IS_REUSED_FOR - A_MOMENT

    def window_closes(self, window: Window, now: float, *, abruptly: bool) -> None:
        """What the closed window knew is known for good, or forgotten if it was too new."""
        if window is self.window and now < self.due:
            self.lossy = True
        for by, at in self.told:
            if by is window:
                known = not abruptly or now - at > TOLD_SECONDS
                self.told_for_good = self.told_for_good or known
        self.told = [(by, at) for by, at in self.told if by is not window]


class Book:
    """Every purchase so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.purchases: list[Purchase] = []
        self.now = 0.0

    def posts(self) -> list[float]:
        """Give when each paid request came."""
        return [seen.at for seen in self._world.simulator.requests if seen.route == "submit"]

    def faults(self) -> list[Fault]:
        """Give the faults that the next paid requests will meet."""
        return [f for f in self._world.simulator.faults if f.route == "submit" and f.times > 0]

    def note(
        self, sent: float, arguments: dict[str, Any], fault: Fault | None, window: Window
    ) -> Purchase:
        """Add a paid request that was sent in this window, and the fault that it met."""
        delay = fault.seconds if fault and fault.kind == "delay" else 0.0
        refusal = fault is not None and b'"error_code"' in fault.body
        since = timedelta(seconds=anyio.current_time() - sent)
        purchase = Purchase(
            arguments=arguments,
            sent=sent,
            written=self._world.wall_clock() - since,
            reached=sent if fault and fault.after else sent + delay,
            due=sent + delay,
            lossy=delay > SUBMIT_TIMEOUT_SECONDS if delay else fault is not None and not refusal,
            window=window,
        )
        self.purchases.append(purchase)
        return purchase

    async def settle(self) -> None:
        """Let what is on its way arrive, and find the jobs that were accepted since."""
        await anyio.sleep(0.05)
        now = self.now = anyio.current_time()
        for purchase in [purchase for purchase in self.purchases if not purchase.judged]:
            taken = {other.request_id for other in self.purchases}
            for job in self._world.simulator.accepted:
                if job.request_id not in taken and purchase.fits(job):
                    purchase.job = job
                    break
            purchase.judged = purchase.job is not None or now > purchase.due + 0.04

    def owed(self, arguments: dict[str, Any], windows: list[Window]) -> dict[Purchase, bool]:
        """Give what calls in these windows may be owed, and whether they surely are."""
        alike = [p for p in self.purchases if p.arguments == arguments]
        now, wall = anyio.current_time(), self._world.wall_clock()
        maybe = [p for p in alike if any(p.maybe_owed(by, now, wall) for by in windows)]
        return {purchase: purchase.surely_owed(wall) for purchase in maybe}

    async def owes(self, purchase: Purchase) -> bool:
        """Tell whether what was surely owed before a call still was at its end."""
        if purchase.job is None:
            return not purchase.refused
        young = self._world.wall_clock() - purchase.written < ENDED_IS_REUSED_FOR - A_MOMENT
        state = await self._world.truth(purchase.job.request_id)
        return state in {"in_queue", "in_progress"} or (young and state in {"completed", "failed"})

    def window_closes(self, window: Window, *, abruptly: bool) -> None:
        """Note that a window closes, and what it knew with it."""
        for purchase in self.purchases:
            purchase.window_closes(window, anyio.current_time(), abruptly=abruptly)

    def tell(self, request_id: str, window: Window) -> None:
        """Note that an answer in this window named a job."""
        for purchase in self.purchases:
            if purchase.request_id == request_id:
                purchase.tell(window, anyio.current_time())
