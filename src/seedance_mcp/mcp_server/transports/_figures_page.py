"""Serves the figures for Prometheus, on a port of their own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from seedance_mcp.errors import SeedanceError
from seedance_mcp.observability.figures import Figures, LedgerFigures

FIGURES_PATH = "/metrics"
"""The one page."""

LEDGER_SECONDS = 2.0
"""How long reading the ledger may take; then the figures of this process are served without it."""

MAX_AGE_SECONDS = 5.0
"""How old the ledger's figures may be, however often they are asked for."""


@dataclass(eq=False, repr=False)
class FiguresPage:
    """An ASGI application with one page, /metrics."""

    _figures: Figures
    # Reads the ledger; raises a `SeedanceError` if it cannot.
    _read_ledger: Callable[[], Awaitable[LedgerFigures]]
    # The last figures of the ledger, and until when they are used, on the event loop's clock.
    _last: tuple[LedgerFigures | None, float] | None = field(default=None, init=False)
    _reading: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._response(Request(scope))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        if request.url.path != FIGURES_PATH:
            return PlainTextResponse(f"The figures are at {FIGURES_PATH}.\n", 404)
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("Only GET is allowed.\n", 405, {"Allow": "GET, HEAD"})
        page, media_type = self._figures.page(
            await self._ledger(), request.headers.get("accept", "")
        )
        return Response(page, media_type=media_type)

    async def _ledger(self) -> LedgerFigures | None:
        """Return the ledger's figures, None if it cannot be read."""
        async with self._reading:
            now = anyio.current_time()
            if self._last is None or self._last[1] <= now:
                ledger = None
                try:
                    with anyio.fail_after(LEDGER_SECONDS):
                        ledger = await self._read_ledger()
                except (SeedanceError, TimeoutError):
                    pass
                self._last = ledger, now + MAX_AGE_SECONDS
            return self._last[0]
