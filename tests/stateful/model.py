"""The model: what was bought, and which job an identical call is owed.

A `Purchase` is a paid request that reached the simulator. Its outcome follows from the fault that
it met and from the simulator's record; the model does not read the ledger.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio

from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.jobs import Job

from .world import Window, World

ANSWER_RECORDED_SECONDS = 1.1
"""How long after an answer named a job every process must know that it did."""
UNKNOWN_IS_REUSED_FOR = timedelta(minutes=30)
ENDED_IS_REUSED_FOR = timedelta(days=1)
A_MOMENT = timedelta(seconds=2)


@dataclass(eq=False, kw_only=True)
class Purchase:
    """A paid request that reached the simulator.

    Attributes:
        arguments: The clip's arguments, with defaults.
        sent: When it was sent, on the loop's clock.
        written: When it was sent, on the server's wall clock, which jumps.
        reached: When RunComfy sees it, on the loop's clock.
        due: When its answer comes, on the loop's clock.
        lossy: Whether that answer does not, or may not, reach the server.
        window: The window that sent it.
        job: The simulator's record, None if it was not accepted.
        judged: Whether the time of its acceptance is over.
        answered: The open windows in which an answer named it, and when, on the loop's clock.
        surely_recorded: Whether the ledger must know that an answer named it.
        ever_answered: Whether any answer named it.
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
    answered: list[tuple[Window, float]] = field(default_factory=list[tuple[Window, float]])
    surely_recorded: bool = False
    ever_answered: bool = False

    @property
    def request_id(self) -> str | None:
        return self.job.request_id if self.job else None

    @property
    def rejected(self) -> bool:
        """Whether the server knows that it was not accepted, and so owes no call a job."""
        return self.judged and self.job is None and not self.lossy

    def under_way(self, now: float) -> bool:
        """Return whether its server still waits for the answer."""
        return self.window.alive and now < min(self.due, self.sent + SUBMIT_TIMEOUT_SECONDS)

    def note_answer(self, window: Window, now: float) -> None:
        """Note that an answer named the job."""
        self.ever_answered = True
        if window.alive:
            self.answered.append((window, now))

    def surely_answered(self, window: Window, now: float) -> bool:
        """Return whether a server must know that an answer named the job."""
        known = any(by is window or now - at > ANSWER_RECORDED_SECONDS for by, at in self.answered)
        return self.surely_recorded or known

    def fits(self, job: Job) -> bool:
        """Return whether a job of the simulator can be this one."""
        return abs(job.accepted_at - self.reached) < 0.04 and job.arguments == self.arguments

    def maybe_owed(self, window: Window, now: float, wall: datetime) -> bool:
        """Return whether an identical call may get the job back."""
        if self.rejected or self.under_way(now):
            return not self.rejected
        young = wall - self.written < UNKNOWN_IS_REUSED_FOR + A_MOMENT
        return (self.lossy and young) or not (self.job is None or self.surely_answered(window, now))

    def surely_owed(self, wall: datetime) -> bool:
        """Return whether an identical call must get the job back, if it has not ended."""
        if self.rejected or self.ever_answered:
            return False
        return not self.lossy or wall - self.written < UNKNOWN_IS_REUSED_FOR - A_MOMENT

    def window_closes(self, window: Window, now: float, *, abruptly: bool) -> None:
        """Note that a window closed: what it knew is recorded, or lost if it was too new."""
        if window is self.window and now < self.due:
            self.lossy = True
        for by, at in self.answered:
            if by is window:
                known = not abruptly or now - at > ANSWER_RECORDED_SECONDS
                self.surely_recorded = self.surely_recorded or known
        self.answered = [(by, at) for by, at in self.answered if by is not window]


class Book:
    """All purchases so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.purchases: list[Purchase] = []
        self.now = 0.0

    def submit_times(self) -> list[float]:
        """Return when each paid request came, on the loop's clock."""
        return [seen.at for seen in self._world.simulator.requests if seen.route == "submit"]

    def submit_faults(self) -> list[Fault]:
        """Return the faults that the next paid requests will meet."""
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
        """Let what is under way arrive, and find the jobs that were accepted since."""
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
        """Return what calls in these windows may be owed, and whether they must get it."""
        alike = [p for p in self.purchases if p.arguments == arguments]
        now, wall = anyio.current_time(), self._world.wall_clock()
        maybe = [p for p in alike if any(p.maybe_owed(by, now, wall) for by in windows)]
        return {purchase: purchase.surely_owed(wall) for purchase in maybe}

    async def owes(self, purchase: Purchase) -> bool:
        """Return whether a job that was surely owed before a call still is at its end."""
        if purchase.job is None:
            return not purchase.rejected
        young = self._world.wall_clock() - purchase.written < ENDED_IS_REUSED_FOR - A_MOMENT
        state = await self._world.truth(purchase.job.request_id)
        return state in {"in_queue", "in_progress"} or (young and state in {"completed", "failed"})

    def window_closes(self, window: Window, *, abruptly: bool) -> None:
        """Note that a window closes."""
        for purchase in self.purchases:
            purchase.window_closes(window, anyio.current_time(), abruptly=abruptly)

    def note_answer(self, request_id: str, window: Window) -> None:
        """Note that an answer in this window named a job."""
        for purchase in self.purchases:
            if purchase.request_id == request_id:
                purchase.note_answer(window, anyio.current_time())
