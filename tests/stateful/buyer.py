"""The calls of `test_purchases` that may buy, and what they must and must not have bought."""

import asyncio
from typing import Any

from mcp_types import CallToolResult

from seedance_mcp.simulator.faults import Fault

from .audit import Audit
from .model import Book, Purchase
from .world import Window, World, said

Clip = dict[str, Any]

DEFAULTS = {"resolution": "480p", "duration": 5}


class Buyer:
    """Calls generate_video, from one window or from both at once."""

    def __init__(self, world: World, book: Book, audit: Audit) -> None:
        self.world = world
        self.book = book
        self.audit = audit

    async def generate(
        self,
        where: list[int],
        clip: Clip,
        luck: Fault | None,
        wait: int = 45,
        *,
        force_new: bool = False,
        **ending: Any,
    ) -> None:
        """Call generate_video, and hold what was bought against what the caller was owed."""
        book, callers = self.book, [self.world.windows[number] for number in where]
        self.world.simulator.faults.extend([luck] if luck else [])
        owed = book.owed(DEFAULTS | clip, callers)
        given = clip | {"wait_seconds": wait, "force_new": force_new}
        answers, bought = await self._called(callers, given, **ending)
        await book.settle()
        assert len(bought) <= len(callers), "one call sent the paid request twice"
        assert len([p for p in bought if not p.refused]) <= 1, "both of two racing calls bought"
        assert bought or owed, "a call that was owed nothing bought nothing"
        assert bought or not force_new, "a call that was to buy anew bought nothing"
        for purchase in [p for p, surely in owed.items() if surely and bought and not force_new]:
            assert not await book.owes(purchase), f"paid again for {purchase}"
        for by, answer in answers:
            self.audit.hear(by, answer)
        self.audit.reused_is_owed([answer for _, answer in answers], [*owed], bought)

    async def _called(
        self, callers: list[Window], given: Clip, **ending: Any
    ) -> tuple[list[tuple[Window, CallToolResult]], list[Purchase]]:
        """Call generate_video from these windows, and note the paid requests that this sends.

        Returns:
            The answers in the order in which they came, and what was bought.
        """
        book, faults, posts = self.book, self.book.faults(), len(self.book.posts())
        give_up, close = ending.get("give_up"), ending.get("close")
        patience = None if close else give_up
        calls = [
            asyncio.create_task(self.world.call(by, "generate_video", given, patience))
            for by in callers
        ]
        ended: list[asyncio.Task[CallToolResult | None]] = []
        for call in calls:
            call.add_done_callback(ended.append)
        await asyncio.wait(calls, timeout=give_up if close else None)
        answers = [call.result() if call.done() else None for call in calls]
        fresh = [a is not None and bool(said(a).get("reused") is False) for a in answers]
        buyer = callers[fresh.index(True)] if True in fresh else callers[0]
        clip = {k: v for k, v in given.items() if k not in {"wait_seconds", "force_new"}}
        bought = [
            book.note(sent, DEFAULTS | clip, fault, buyer)
            for sent, fault in zip(book.posts()[posts:], [*faults, None, None, None], strict=False)
        ]
        if close:
            await self.reopen(callers[0], abruptly=ending["abruptly"])
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        told = [(callers[calls.index(call)], _last_word(call)) for call in ended]
        return [(by, answer) for by, answer in told if answer], bought

    async def reopen(self, window: Window, *, abruptly: bool) -> None:
        self.book.window_closes(window, abruptly=abruptly)
        await self.world.reopen(window, abruptly=abruptly)


def _last_word(call: "asyncio.Task[CallToolResult | None]") -> CallToolResult | None:
    """Give what a call that has ended was answered, None for nothing."""
    return None if call.cancelled() or call.exception() else call.result()
