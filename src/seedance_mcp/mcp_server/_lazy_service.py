"""Opens the service when a call first needs it, so that the server starts fast."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.server.context import ServerRequestContext

from seedance_mcp.errors import SeedanceError, ServerStopping

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

OPEN_AFTER_SECONDS = 1.0
"""When the service is opened although no call needs it yet: by then `initialize` is answered."""


class LazyService:
    """The service of a running server, opened by the first call, or a second after the start.

    Opening it imports half of the package and reads the certificates, which takes longer than
    everything else that a start needs.

    Args:
        open_service: Opens the service.
        on_failure: Called if it cannot be opened; every call is answered with the reason.
        submit_grace_seconds: How long a paid request may still take when the server ends.
    """

    def __init__(
        self,
        open_service: Callable[[], AbstractAsyncContextManager["Service"]],
        on_failure: Callable[[SeedanceError], None],
        *,
        submit_grace_seconds: float,
    ) -> None:
        self._open_service = open_service
        self._on_failure = on_failure
        self._submit_grace_seconds = submit_grace_seconds
        self._outcome: Service | SeedanceError = ServerStopping()
        self._service: Service | None = None
        self._settled = anyio.Event()
        self._needed = anyio.Event()
        self._closing = anyio.Event()

    async def get(self) -> "Service":
        """Return the service, once it is open.

        Raises:
            ConfigurationError: It cannot be opened.
            ServerStopping: The server shuts down.
        """
        self._needed.set()
        await self._settled.wait()
        if isinstance(self._outcome, SeedanceError):
            raise self._outcome
        return self._outcome

    def shut_down(self, grace_seconds: float | None = None) -> None:
        """Let every waiting call answer now, and paid requests finish within their grace.

        It can be called again, to shorten that.
        """
        # Calls that still wait for the service are refused, as nothing was done for them yet.
        self._settled.set()
        if not isinstance(self._outcome, SeedanceError):
            self._outcome = ServerStopping()
        if self._service:
            grace = self._submit_grace_seconds if grace_seconds is None else grace_seconds
            self._service.shut_down(grace)

    async def finish_purchases(self, grace_seconds: float) -> None:
        """Shut down, and wait until every paid request is answered, or has had its grace."""
        self.shut_down(grace_seconds)
        if self._service:
            await self._service.submissions.finish()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Keep the service open, once it is, for as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_open)
            yield
            self._closing.set()
            if not self._service:
                tasks.cancel_scope.cancel()

    async def _keep_open(self) -> None:
        with anyio.move_on_after(OPEN_AFTER_SECONDS):
            await self._needed.wait()
        try:
            async with self._open_service() as service:
                self._service = service
                if not self._settled.is_set():
                    self._outcome = service
                    self._settled.set()
                try:
                    await self._closing.wait()
                finally:
                    # Also when a task of the service broke: its paid requests get their grace.
                    self.shut_down()
        except SeedanceError as error:
            self._outcome = error
            self._settled.set()
            self._on_failure(error)


Context = ServerRequestContext[LazyService]
"""The context of a request to our server."""
