"""Work in threads that takes much memory, and so is done one piece at a time."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

T = TypeVar("T")


class Turns:
    """One piece of work at a time, in the order in which it was brought."""

    def __init__(self) -> None:
        self._queue = anyio.Lock()
        # A thread cannot be ended: one that was given up still holds its memory, and this.
        self._working = threading.Lock()

    async def take(self, work: Callable[[], T]) -> T:
        """Do a piece of work when its turn has come; cancelled, it is given up at once."""

        def alone() -> T:
            with self._working:
                anyio.from_thread.check_cancelled()
                return work()

        async with self._queue:
            return await anyio.to_thread.run_sync(alone, abandon_on_cancel=True)
