"""Answers a request that the end of the server cuts off; uvicorn would answer 500."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._refusals import refusal

_CUT_OFF = refusal(
    503,
    "The server has shut down before it could answer. list_jobs shows what was bought.",
    retry_after=10,
    closes=True,
)


class CutOff:
    """ASGI middleware that answers 503 if a request is cancelled before its answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = scope["type"] != "http"

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except anyio.get_cancelled_exc_class():
            if not has_begun:
                await _CUT_OFF(scope, receive, send)
            raise
