"""The services that run in this process: one over HTTP, one for each connection elsewhere."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from seedance_mcp.errors import ServerStopping
from seedance_mcp.observability.figures import LedgerFigures
from seedance_mcp.service.principals import MACHINE_USER

from ._lazy_service import LazyService

ABANDONED_GRACE_SECONDS = 45.0
"""How long a paid request may take when the client has left: longer than any of them takes."""


class RunningServices:
    """The services that run."""

    def __init__(self) -> None:
        self._running: set[LazyService] = set()

    @asynccontextmanager
    async def run(self, lazy_service: LazyService) -> AsyncGenerator[LazyService, None]:
        """Run a service for as long as the context lasts."""
        async with lazy_service.running():
            self._running.add(lazy_service)
            try:
                yield lazy_service
            finally:
                self._running.discard(lazy_service)
                lazy_service.shut_down()

    def only(self) -> LazyService:
        """Return the one that runs; over HTTP it serves all clients."""
        (running,) = self._running
        return running

    def shut_down(self) -> None:
        """Let every waiting call answer now, and paid requests finish within their grace."""
        for lazy_service in self._running:
            lazy_service.shut_down()

    async def finish_purchases(self) -> None:
        """Refuse new calls, and wait until every paid request is answered.

        No client waits for it any more, but RunComfy may still accept the job.
        """
        for lazy_service in [*self._running]:
            await lazy_service.finish_purchases(ABANDONED_GRACE_SECONDS)

    async def check_ledger(self) -> None:
        """Read from the ledger; raises as `LazyService.check_ledger`."""
        for lazy_service in [*self._running]:
            await lazy_service.check_ledger()

    async def ledger_figures(self) -> LedgerFigures:
        """Return what the ledger holds, of all owners; raises as `check_ledger`."""
        for lazy_service in self._running:
            service = await lazy_service.of(MACHINE_USER)
            return await service.ledger_figures()
        raise ServerStopping
