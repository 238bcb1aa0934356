"""Calls of generate_video, and the checks of what they bought."""

import asyncio
from typing import Any

from mcp_types import CallToolResult

from seedance_mcp.simulator.faults import Fault

from .audit import Audit
from .model import Book, Purchase
from .world import Window, World, structure_of

Clip = dict[str, Any]

DEFAULTS = {"resolution": "480p", "duration": 5}


class Buyer:
    """Calls generate_video, from one window or from both at the same time."""

    def __init__(self, world: World, book: Book, audit: Audit) -> None:
        self.world = world
        self.book = book
        self.audit = audit

    async def generate(
        self,
        where: list[int],
        clip: Clip,
        fault: Fault | None,
        wait: int | None = 45,
        *,
        force_new: bool = False,
        **ending: Any,
    ) -> None:
        """Call generate_video, and check what was bought against what the callers were owed."""
        book, callers = self.book, [self.world.windows[number] for number in where]
        self.world.simulator.faults.extend([fault] if fault else [])
        owed = book.owed(DEFAULTS | clip, callers)
        given = clip | {"wait_seconds": wait, "force_new": force_new}
        answers, bought = await self._called(callers, given, **ending)
        await book.settle()
        paid = [purchase for purchase in bought if not purchase.rejected]
        assert len(bought) <= len(callers), f"one call sent two paid requests. {book.story()}"
        assert len(paid) <= 1, f"both of two racing calls bought. {book.story()}"
        assert bought or owed, "a call that was owed nothing bought nothing"
        assert bought or not force_new, "a call with force_new bought nothing"
        for answer in answers:
            self.audit.check_answer(answer)
        for purchase in [p for p, surely in owed.items() if surely and bought and not force_new]:
            assert not await book.owes(purchase), f"paid again for {purchase}. {book.story()}"
        self.audit.check_reuse(answers, [*owed], bought)
        if ending:
            for purchase in book.alike(DEFAULTS | clip):
                purchase.perhaps_told = True

    async def dry_run(self, number: int, clip: Clip, *, force_new: bool) -> None:
        """Ask what generate_video would do, and check that this is true and buys nothing."""
        book, window = self.book, self.world.windows[number]
        before, owed = book.submits(), book.owed(DEFAULTS | clip, [window])
        given = clip | {"wait_seconds": 0, "force_new": force_new, "dry_run": True}
        answer = await self.world.call(window, "generate_video", given)
        assert answer is not None
        said = structure_of(answer)
        assert (said["status"], said["request_id"]) == ("checked", None)
        assert book.submits() == before, "a dry run sent a paid request"
        if said["reused"]:
            assert not force_new, "a dry run with force_new promised a job"
            assert owed, "a dry run promised a job that is not owed"
            return
        for purchase in [p for p, surely in owed.items() if surely and not force_new]:
            assert not await book.owes(purchase), f"a dry run would pay again for {purchase}"

    async def _called(
        self, callers: list[Window], given: Clip, **ending: Any
    ) -> tuple[list[CallToolResult], list[Purchase]]:
        """Call generate_video in these windows, and note the paid requests that this sends.

        Returns:
            The answers in the order in which they came, and the purchases.
        """
        book, before = self.book, len(self.book.submits())
        give_up, close = ending.get("give_up"), ending.get("close")
        timeout = None if close else give_up
        calls = [
            asyncio.create_task(self.world.call(by, "generate_video", given, timeout))
            for by in callers
        ]
        ended: list[asyncio.Task[CallToolResult | None]] = []
        for call in calls:
            call.add_done_callback(ended.append)
        await asyncio.wait(calls, timeout=give_up if close else None)
        answers = [call.result() if call.done() else None for call in calls]
        fresh = [a is not None and bool(structure_of(a).get("reused") is False) for a in answers]
        buyer = callers[fresh.index(True)] if True in fresh else callers[0]
        clip = {k: v for k, v in given.items() if k not in {"wait_seconds", "force_new"}}
        sent = book.submits()[before:]
        bought = [book.note(request, DEFAULTS | clip, buyer) for request in sent]
        if close:
            await self.reopen(callers[0], abruptly=ending["abruptly"])
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        return [answer for call in ended if (answer := _answer_of(call))], bought

    async def reopen(self, window: Window, *, abruptly: bool) -> None:
        """Close a window, in order or as if it crashed, and open another in its place."""
        if self.book.is_being_answered(window):
            # Whether a crash comes before the answer or after it must be certain.
            await self.book.settle()
        self.book.window_closes(window)
        await self.world.reopen(window, abruptly=abruptly)


def _answer_of(call: "asyncio.Task[CallToolResult | None]") -> CallToolResult | None:
    """Return the answer of a call that has ended, None if there is none."""
    return None if call.cancelled() or call.exception() else call.result()
