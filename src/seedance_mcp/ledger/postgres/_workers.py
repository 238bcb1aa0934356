"""The few threads that a ledger's transactions run on, and their connections."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event, Thread, Timer
from time import monotonic
from typing import Any

import psycopg

from ._session import Session, Transaction

MOST_CONNECTIONS = 4
"""How many transactions run at once in this process; those that write take turns anyway."""

CLOSE_SECONDS = 2.0
"""How long transactions that are under way at the end may take, and how long the last one may."""


WATCH_SECONDS = 0.5
"""How often transactions are looked for that take longer than they may, by as much."""


class Workers:
    """Threads with a connection each, until `close`.

    Attributes:
        ending: Set by `close`.
    """

    def __init__(self, address: dict[str, Any]) -> None:
        self._address = address
        self.ending = Event()
        self._threads = ThreadPoolExecutor(MOST_CONNECTIONS, thread_name_prefix="ledger")
        self._repeating: dict[str, Thread] = {}
        self._idle: list[Session] = []
        self._busy: dict[Transaction, Session] = {}

    def start(
        self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop
    ) -> "asyncio.Future[Any]":
        """Start something on one of the threads."""
        return loop.run_in_executor(self._threads, work)

    def run(self, transaction: Transaction) -> Any:
        """Carry out a transaction on this thread; raises as `Session.run`."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(self._address, self.ending)
        self._busy[transaction] = session
        self.repeat("watch", self._cut_off_late, WATCH_SECONDS)
        try:
            return session.run(transaction)
        finally:
            del self._busy[transaction]
            self._idle.append(session)

    def repeat(self, name: str, work: Callable[[], Any], seconds: float) -> None:
        """Do something regularly from now on, on a thread of its own, if that is not done yet."""

        def run() -> None:
            while not self.ending.wait(seconds):
                work()

        if name not in self._repeating:
            thread = Thread(target=run, name=f"ledger {name}", daemon=True)
            if self._repeating.setdefault(name, thread) is thread:
                thread.start()

    def cut_off(self, transaction: Transaction) -> None:
        """Break the connection of a transaction if it is under way."""
        if session := self._busy.get(transaction):
            session.cut_off()

    def _cut_off_late(self) -> None:
        """Break every connection whose transaction should have ended, which may never answer."""
        for transaction in list(self._busy):
            if monotonic() > transaction.deadline + WATCH_SECONDS:
                self.cut_off(transaction)

    def close(self, last: Transaction | None) -> None:
        """End the threads after what was started and a last transaction, each within seconds."""
        self.ending.set()
        with self._cutting_off():
            self._threads.shutdown()
            for thread in self._repeating.values():
                thread.join()
        if last:
            last.deadline = monotonic() + CLOSE_SECONDS
            with self._cutting_off(), suppress(psycopg.Error):
                self.run(last)
        for session in self._idle:
            session.close()

    @contextmanager
    def _cutting_off(self) -> Generator[None, None, None]:
        """Break every connection that is in use, if what is done inside takes too long."""

        def cut_off() -> None:
            for session in list(self._busy.values()):
                session.cut_off()

        timer = Timer(CLOSE_SECONDS, cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
