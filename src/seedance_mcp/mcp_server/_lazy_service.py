"""Opens the services when a call first needs one, so that the server starts fast."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.errors import SeedanceError, ServerStopping
from seedance_mcp.service.principals import MACHINE_USER, Principal

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service
    from seedance_mcp.service.services import Services

OPEN_AFTER_SECONDS = 1.0
"""When the services are opened although no call needs one yet: by then `initialize` is answered."""


class LazyService:
    """The services of a running server, opened by the first call, or a second after the start.

    Opening them imports half of the package and reads the certificates, which takes longer than
    everything else that a start needs.

    Args:
        open_services: Opens the services.
        on_failure: Called if they cannot be opened; every call is answered with the reason.
        submit_grace_seconds: How long a paid request may still take when the server ends.
    """

    def __init__(
        self,
        open_services: Callable[[], AbstractAsyncContextManager["Services"]],
        on_failure: Callable[[SeedanceError], None],
        *,
        submit_grace_seconds: float,
    ) -> None:
        self._open_services = open_services
        self._on_failure = on_failure
        self._submit_grace_seconds = submit_grace_seconds
        self._outcome: Services | SeedanceError = ServerStopping()
        self._services: Services | None = None
        # How many requests each principal has under way; its service is kept meanwhile.
        self._requests = Counter[Principal]()
        self._settled = anyio.Event()
        self._needed = anyio.Event()
        self._closing = anyio.Event()

    async def of(self, principal: Principal) -> "Service":
        """Return the service of a principal, once the services are open.

        Raises:
            ConfigurationError: They cannot be opened.
            LedgerError: It is not known whose the principal's token is.
            ServerStopping: The server shuts down.
        """
        self._needed.set()
        await self._settled.wait()
        if isinstance(self._outcome, SeedanceError):
            raise self._outcome
        return await self._outcome.of(principal, in_use=self._requests)

    async def keep_while_answering(self, context: "Context", call_next: CallNext) -> HandlerResult:
        """Answer a request, and keep the service of whoever made it meanwhile."""
        principal = principal_of(context)
        self._requests[principal] += 1
        try:
            return await call_next(context)
        finally:
            self._requests[principal] -= 1
            if not self._requests[principal]:
                del self._requests[principal]

    async def check_ledger(self) -> None:
        """Read from the ledger, once it is open.

        Raises:
            SeedanceError: The ledger cannot be read, or as for `of`.
        """
        service = await self.of(MACHINE_USER)
        await service.store.find("", "")

    def shut_down(self, grace_seconds: float | None = None) -> None:
        """Let every waiting call answer now, and paid requests finish within their grace.

        It can be called again, to shorten that.
        """
        # Calls that still wait for the service are refused, as nothing was done for them yet.
        self._settled.set()
        if not isinstance(self._outcome, SeedanceError):
            self._outcome = ServerStopping()
        if self._services:
            grace = self._submit_grace_seconds if grace_seconds is None else grace_seconds
            self._services.shut_down(grace)

    async def finish_purchases(self, grace_seconds: float) -> None:
        """Shut down, and wait until every paid request is answered, or has had its grace."""
        self.shut_down(grace_seconds)
        if self._services:
            await self._services.finish_purchases()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Keep the services open, once they are, for as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_open)
            yield
            self._closing.set()
            if not self._services:
                tasks.cancel_scope.cancel()

    async def _keep_open(self) -> None:
        with anyio.move_on_after(OPEN_AFTER_SECONDS):
            await self._needed.wait()
        try:
            async with self._open_services() as services:
                self._services = services
                if not self._settled.is_set():
                    self._outcome = services
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

PRINCIPAL_KEY = "seedance_mcp.principal"
"""Where the ASGI scope of a request has the principal that it was authenticated as."""


def principal_of(context: Context) -> Principal:
    """Return whom a request is made for: this machine's user where nothing authenticates."""
    request = context.request
    return MACHINE_USER if request is None else request.scope.get(PRINCIPAL_KEY, MACHINE_USER)


def session_of(context: Context) -> tuple[str, bool]:
    """Return the session of a request, and whether it is that of several clients.

    Over stdio it is this process. Over HTTP, where only the handshake's revisions have sessions,
    all other requests of a principal share one.
    """
    if context.request is None:
        return "", False
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    session = "" if modern else context.request.headers.get("mcp-session-id", "")
    # Whoever sends another's session has one of their own.
    return f"{hash(principal_of(context))} {session}", not session


async def service_of(context: Context) -> "Service":
    """Return the service of whoever made a request; raises as `LazyService.of`."""
    return await context.lifespan_context.of(principal_of(context))


AT_ONCE_KEY = "seedance_mcp.at_once"
"""What the ASGI scope of a request has if its call may not wait: too many others do."""


def may_wait(context: Context) -> bool:
    """Return whether a call may wait for its job; otherwise it answers where that stands."""
    return context.request is None or AT_ONCE_KEY not in context.request.scope
