"""Answers whether the process runs and whether its ledger answers, for load balancers."""

from collections.abc import Awaitable, Callable
from math import inf

import anyio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.errors import SeedanceError

READY_SECONDS = 1.0
"""How long the ledger may take to answer."""

KNOWN_SECONDS = 1.0
"""How long an answer holds, so that anyone may ask without burdening the ledger."""

LEDGER_SILENT = "The ledger does not answer."
STOPPING = "The server is shutting down."


class Health:
    """ASGI middleware that answers /healthz and /readyz.

    Args:
        check_ledger: Reads from the ledger; raises a `SeedanceError` if it cannot.
        is_stopping: Returns whether the server shuts down.
    """

    def __init__(
        self,
        app: ASGIApp,
        check_ledger: Callable[[], Awaitable[None]],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._app = app
        self._check_ledger = check_ledger
        self._is_stopping = is_stopping
        self._turn = anyio.Lock()
        self._ledger_problem: str | None = None
        self._known_until = -inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = self._app
        if scope["type"] == "http" and scope["path"] in {"/healthz", "/readyz"}:
            problem = await self._problem() if scope["path"] == "/readyz" else None
            app = PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)
        await app(scope, receive, send)

    async def _problem(self) -> str | None:
        """Return why calls cannot be served; None if they can."""
        if self._is_stopping():
            return STOPPING
        async with self._turn:
            if anyio.current_time() >= self._known_until:
                self._ledger_problem = await self._find_ledger_problem()
                self._known_until = anyio.current_time() + KNOWN_SECONDS
            return self._ledger_problem

    async def _find_ledger_problem(self) -> str | None:
        try:
            with anyio.fail_after(READY_SECONDS):
                await self._check_ledger()
        except (SeedanceError, TimeoutError):
            # The error may name a file or a database's address, which are not for everyone.
            return LEDGER_SILENT
        return None
