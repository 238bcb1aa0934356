"""The thread that a ledger's steps run on, one after the other, in the order of the calls.

The event loop so waits neither for the disk nor for the lock of another process. A step that began
runs whole, whatever becomes of the call that asked for it:

    the call is cancelled      its step
    while it runs              is carried out
    before that, and it writes is carried out: what it records may be paid for
    before that, and it reads  is dropped

Steps that queue up share a transaction, since most of their time is spent waiting for the disk.
Each is whole or not at all, and its call hears of it once it is on disk. Where one transaction does
not do for all, each step gets its own.

What another process locks out is tried again until its patience ends, and what was asked for later
waits behind it. Only steps that read pass one that writes, since most locks of others let readers
in. The pauses are timers of the event loop: the thread itself never waits for a lock.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seedance_mcp.errors import LedgerError

logger = logging.getLogger(__name__)

Outcome = tuple[Any, BaseException | None]
"""A result, or None and an error."""

MOST_TOGETHER = 20
"""How many steps are one transaction: other processes wait until it ends."""

LET_OTHERS_IN_SECONDS = 0.025
"""The pause after so many, longer than that of a process that tries again to get the lock."""


class LedgerLocked(LedgerError):
    """Another process has locked the ledger; nothing was read or written."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """A step that was asked for.

    Attributes:
        work: What is done with the rows.
        writes: Whether it may write.
        settles: Whether what dead processes left is settled first.
        now: When it was asked for.
        deadline: When it is given up if it is locked out, on the event loop's clock, in seconds.
        outcome: Its result or its error; cancelled with the call.
    """

    work: Callable[[Any], Any]
    writes: bool
    settles: bool
    now: datetime
    deadline: float
    loop: asyncio.AbstractEventLoop
    outcome: "asyncio.Future[Outcome]"

    @property
    def wanted(self) -> bool:
        """Whether it is carried out if it has not begun."""
        return self.writes or not self.outcome.cancelled()

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Hand the outcome to the call, if it still waits."""

        def set_outcome() -> None:
            if not self.outcome.done():
                self.outcome.set_result((result, error))
            elif error is not None:
                logger.warning("What a cancelled call left to the ledger failed: %s", error)

        with suppress(RuntimeError):  # the loop is closed, so no call waits
            self.loop.call_soon_threadsafe(set_outcome)

    def __enter__(self) -> None:
        """Run an attempt, whose errors concern the call alone, and no other step."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is not None:
            self.end(error=error)
        return True


class StepThread:
    """A thread that begins with the first step and ends with `close`.

    Args:
        pause: Returns how many seconds a step waits that was locked out.
        alone: Carries out a step in a transaction and returns its result, or raises.
        together: Carries out steps in one transaction and returns their outcomes; raises if it has
            carried out none.

    Attributes:
        gave_up: Whether the last step was locked out for too long.
    """

    def __init__(
        self,
        pause: Callable[[], float],
        alone: Callable[[Step], Any],
        together: Callable[[Sequence[Step]], list[Outcome]],
    ) -> None:
        self._pause = pause
        self._alone = alone
        self._together = together
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self.gave_up = False
        self._closed = False
        # Whether the thread has steps, or will get them when a pause ends.
        self._busy = False
        # What the thread gets next. There is at most one for each call, and those that were
        # abandoned end with their patience.
        self._waiting: list[Step] = []
        # What the thread could not do. The loop's thread reads it only while the other one rests.
        self._locked_out: list[Step] = []

    async def run(self, step: Step) -> Any:
        """Run a step in its turn and return its result, or raise its error.

        Raises:
            LedgerLocked: It was locked out for too long.
        """
        self._waiting.append(step)
        if not self._busy:
            self._hand_over(step.loop)
        result, error = await step.outcome
        if error is not None:
            raise error
        return result

    def close(self, last: Callable[[], None]) -> None:
        """Carry out what was asked for, then run `last` on the thread and end it.

        Steps that are locked out now are given up, since the lock may last for long.
        """
        self._closed = True
        with self._thread:
            self._thread.submit(self._finish, last).result()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            return
        steps, self._waiting = self._waiting, []
        self._busy = bool(steps)
        if steps:
            work = loop.run_in_executor(self._thread, self._carry_out, steps)
            work.add_done_callback(lambda _: self._take_back(loop))

    def _take_back(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            return
        locked_out, self._locked_out = self._locked_out, []
        self._waiting = locked_out + self._waiting
        if locked_out:
            loop.call_later(self._pause(), self._hand_over, loop)
        else:
            self._hand_over(loop)

    def _carry_out(self, steps: Sequence[Step], *, again: bool = True) -> None:
        """Carry out steps, but none that is locked out, or waits behind one that is."""
        # Why steps are locked out, by whether they write.
        locked: dict[bool, LedgerLocked] = {}
        for first in range(0, len(steps), MOST_TOGETHER):
            some = [step for step in steps[first : first + MOST_TOGETHER] if step.wanted]
            if locked or not self._carry_out_together(some):
                for step in some:
                    self._carry_out_alone(step, locked, again=again)
            if len(some) == MOST_TOGETHER and not locked:
                time.sleep(LET_OTHERS_IN_SECONDS)

    def _carry_out_together(self, steps: Sequence[Step]) -> bool:
        """Return whether steps were carried out in one transaction, if that saves time."""
        outcomes: list[Outcome] = []
        if len(steps) > 1 and any(step.writes for step in steps):
            # Whatever is wrong, it may concern one step only.
            with suppress(BaseException):
                outcomes = self._together(steps)
        # From here on they are on disk, and must not be carried out again.
        for step, outcome in zip(steps, outcomes, strict=bool(outcomes)):
            step.end(*outcome)
            self.gave_up = False
        return bool(outcomes)

    def _carry_out_alone(
        self, step: Step, locked: dict[bool, LedgerLocked], *, again: bool
    ) -> None:
        if step.writes not in locked:
            error = self._try(step)
            if error is None:
                self.gave_up = False
                return
            locked[True] = locked[step.writes] = error
        if again and step.loop.time() <= step.deadline:
            self._locked_out.append(step)
        else:
            self.gave_up = True
            step.end(error=LedgerLocked(locked[step.writes].message))

    def _try(self, step: Step) -> LedgerLocked | None:
        """Carry out a step and hand over its outcome, or return why it is locked out."""
        with step:
            try:
                step.end(self._alone(step))
            except LedgerLocked as error:
                return error
        return None

    def _finish(self, last: Callable[[], None]) -> None:
        try:
            self._carry_out(self._locked_out + self._waiting, again=False)
        finally:
            last()
