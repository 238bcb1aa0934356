"""Blocking work in threads, one piece at a time."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

T = TypeVar("T")

TURN_SECONDS = 0.05
"""How often a call looks whether the work of a cancelled one has ended."""


class OneAtATime:
    """Runs blocking work in threads, one piece at a time, in the order of the calls.

    It is for work that takes much memory, such as loading a large image.
    """

    def __init__(self) -> None:
        self._queue = anyio.Lock()
        # A cancelled call leaves its thread running, with its memory: the next must wait for it.
        self._working = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in its turn and return what it returns; a cancelled call returns at once."""

        def run_alone() -> T:
            with self._working:
                anyio.from_thread.check_cancelled()
                return work()

        async with self._queue:
            # A thread cannot stop waiting: with a file that hangs, each call would leave another.
            while self._working.locked():  # noqa: ASYNC110 - no thread can set an event here
                await anyio.sleep(TURN_SECONDS)
            return await anyio.to_thread.run_sync(run_alone, abandon_on_cancel=True)
