"""Opens the service when a call first needs it, so that the server starts fast."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.server.context import ServerRequestContext

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

OPEN_AFTER_SECONDS = 1.0
"""When the service is opened although no call needs it yet: once `initialize` is answered."""


class LazyService:
    """The service of a running server, opened by the first call, or a second after the start.

    Opening it imports half of the package and reads the certificates, which takes longer than
    everything else that a start needs.
    """

    def __init__(self, open_service: Callable[[], AbstractAsyncContextManager["Service"]]) -> None:
        self._open_service = open_service
        self._service: Service | None = None
        self._needed = anyio.Event()
        self._opened = anyio.Event()
        self._closing = anyio.Event()

    async def get(self) -> "Service":
        """Return the service, once it is open."""
        while self._service is None:
            self._needed.set()
            await self._opened.wait()
        return self._service

    def shut_down(self, grace_seconds: float) -> None:
        """Let every waiting call answer now, and paid requests finish within some seconds."""
        if self._service is not None:
            self._service.shut_down(grace_seconds)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Keep the service open, once it is, for as long as the context lasts.

        Raises:
            ConfigurationError: The service cannot be opened; it is wrapped in an exception group.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_open)
            yield
            self._closing.set()
            # Until it is open, `_keep_open` waits or opens, and `_closing` does not end that.
            if self._service is None:
                tasks.cancel_scope.cancel()

    async def _keep_open(self) -> None:
        with anyio.move_on_after(OPEN_AFTER_SECONDS):
            await self._needed.wait()
        async with self._open_service() as self._service:
            self._opened.set()
            await self._closing.wait()


Context = ServerRequestContext[LazyService]
"""The context of a request to our server."""
