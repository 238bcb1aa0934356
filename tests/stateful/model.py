"""The model: what was bought, and which job an identical call is owed.

A `Purchase` is a paid request that reached the simulator. Its outcome follows from the fault that
it met and the job that it started, both as the simulator has recorded them; the model does not read
the ledger.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio

from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS
from seedance_mcp.simulator.jobs import Job
from seedance_mcp.simulator.middleware import RecordedRequest

from .world import Window, World

OWN_ACKNOWLEDGEMENTS_FOR = timedelta(minutes=15)
UNKNOWN_IS_OWED_FOR = timedelta(minutes=30)
OWED_FOR = timedelta(days=1)
A_MOMENT = timedelta(seconds=2)
AN_INSTANT = 0.04
"""How many seconds of the loop's clock what happens at one time may take."""


@dataclass(eq=False, kw_only=True)
class Purchase:
    """A paid request that reached the simulator.

    Attributes:
        arguments: The clip's arguments, with defaults.
        request: The simulator's record of it.
        written: When it was sent, on the server's wall clock, which jumps.
        due: When its answer comes, on the loop's clock.
        lossy: Whether that answer does not, or may not, reach the server.
        window: The window that sent it.
        judged: Whether the time of its acceptance is over.
        acknowledged_by: The windows in which a later call surely carried its request_id.
        perhaps_by: Those in which one did, perhaps before the ledger had the id.
        told: Whether an answer has said that it failed.
        perhaps_told: Whether an answer that did not arrive may have said so.
    """

    arguments: dict[str, Any]
    request: RecordedRequest
    written: datetime
    due: float
    lossy: bool
    window: Window
    judged: bool = False
    acknowledged_by: set[Window] = field(default_factory=set[Window])
    perhaps_by: set[Window] = field(default_factory=set[Window])
    told: bool = False
    perhaps_told: bool = False

    @property
    def sent(self) -> float:
        """When it was sent, on the loop's clock."""
        return self.request.at

    @property
    def job(self) -> Job | None:
        """The job that it started, None if it was not accepted."""
        return self.request.job

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

    def note_acknowledgement(self, window: Window, now: float) -> None:
        """Note that a call in this window carried the request_id."""
        self.perhaps_by.add(window)
        if not self.lossy and not self.under_way(now):
            self.acknowledged_by.add(window)

    def age(self, wall: datetime) -> timedelta:
        """Return how old it is on the server's wall clock, which may have jumped back."""
        return max(wall - self.written, timedelta(0))

    def maybe_owed(self, window: Window, now: float, wall: datetime) -> bool:
        """Return whether an identical call may get the job back."""
        if self.rejected or self.under_way(now):
            return not self.rejected
        if self.lossy and self.age(wall) < UNKNOWN_IS_OWED_FOR + A_MOMENT:
            return True
        counts_for_all = self.age(wall) >= OWN_ACKNOWLEDGEMENTS_FOR + A_MOMENT
        known = window in self.acknowledged_by or (counts_for_all and bool(self.acknowledged_by))
        return self.job is not None and not known and not self.told

    def surely_owed(self, window: Window, wall: datetime) -> bool:
        """Return whether an identical call must get the job back, if it is not too old."""
        counts_for_all = self.age(wall) >= OWN_ACKNOWLEDGEMENTS_FOR - A_MOMENT
        if window in self.perhaps_by or (counts_for_all and self.perhaps_by):
            return False
        young = self.age(wall) < UNKNOWN_IS_OWED_FOR - A_MOMENT
        return not self.rejected and (not self.lossy or young)

    def window_closes(self, window: Window, now: float) -> None:
        """Note that a window closed: an answer that was to come there is lost."""
        if window is self.window and now < self.due:
            self.lossy = True


class Book:
    """All purchases so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.purchases: list[Purchase] = []
        self.now = 0.0

    def submits(self) -> list[RecordedRequest]:
        """Return the paid requests that have reached the simulator, in order."""
        return [seen for seen in self._world.simulator.requests if seen.route == "submit"]

    def note(self, request: RecordedRequest, arguments: dict[str, Any], window: Window) -> Purchase:
        """Add a paid request that was sent in this window."""
        fault = request.fault
        delay = fault.seconds if fault and fault.kind == "delay" else 0.0
        refusal = fault is not None and b'"error_code"' in fault.body
        since = timedelta(seconds=anyio.current_time() - request.at)
        purchase = Purchase(
            arguments=arguments,
            request=request,
            written=self._world.wall_clock() - since,
            due=request.at + delay,
            lossy=delay > SUBMIT_TIMEOUT_SECONDS if delay else fault is not None and not refusal,
            window=window,
        )
        self.purchases.append(purchase)
        return purchase

    async def settle(self) -> None:
        """Let what is under way arrive, and judge what must have been accepted by now."""
        await anyio.sleep(0.05)
        now = self.now = anyio.current_time()
        for purchase in self.purchases:
            over = purchase.job is not None or now > purchase.due + AN_INSTANT
            purchase.judged = purchase.judged or over

    def story(self) -> str:
        """Return what happened so far, for the message of an assertion that fails."""
        lines = [f"It is {anyio.current_time():.3f} s. RunComfy got:"]
        noted = {purchase.request: purchase for purchase in self.purchases}
        lines += [f"  {noted.get(seen, seen)}" for seen in self.submits()]
        ledger = self._world.ledger
        rows = [*ledger.jobs(), *ledger.ends()] if ledger.exists() else []
        return "\n".join([*lines, "The ledger has:", *(f"  {row}" for row in rows)])

    def owed(self, arguments: dict[str, Any], windows: list[Window]) -> dict[Purchase, bool]:
        """Return what calls in these windows may be owed, and whether they must get it."""
        now, wall = anyio.current_time(), self._world.wall_clock()
        maybe = [
            purchase
            for purchase in self.alike(arguments)
            if any(purchase.maybe_owed(by, now, wall) for by in windows)
        ]
        return {p: all(p.surely_owed(by, wall) for by in windows) for p in maybe}

    async def owes(self, purchase: Purchase) -> bool:
        """Return whether a job that was surely owed before a call still is at its end."""
        if purchase.job is None:
            return not purchase.rejected
        young = purchase.age(self._world.wall_clock()) < OWED_FOR - A_MOMENT
        match await self._world.truth(purchase.job.request_id):
            case "in_queue" | "in_progress" | "completed":
                return young
            case "failed":
                return not (purchase.told or purchase.perhaps_told)
            case _:
                return False

    def alike(self, arguments: dict[str, Any]) -> list[Purchase]:
        """Return the purchases of the same clip."""
        return [purchase for purchase in self.purchases if purchase.arguments == arguments]

    def window_closes(self, window: Window) -> None:
        """Note that a window closes."""
        for purchase in self.purchases:
            purchase.window_closes(window, anyio.current_time())

    def is_being_answered(self, window: Window) -> bool:
        """Return whether a paid request of this window is answered at this very instant."""
        now = anyio.current_time()
        return any(p.window is window and abs(now - p.due) < AN_INSTANT for p in self.purchases)

    def find(self, request_id: str) -> list[Purchase]:
        """Return the purchase with a request_id, if it is one of ours."""
        return [purchase for purchase in self.purchases if purchase.request_id == request_id]
