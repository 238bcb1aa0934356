"""Takes in the body of a request that is refused before its body was read."""

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 * 1024
"""How long a body may be that is taken in; a longer one is cut off."""

SECONDS = 1.0
"""How long an answer waits for it at most."""


class UnreadBodies:
    """ASGI middleware that lets a request end before its answer begins.

    Go's client, and so Caddy, loses about one in fifty of the answers that come while it still
    sends: it closes the connection before it has read them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not 0 < _length(scope) <= MOST_BYTES:
            await self._app(scope, receive, send)
            return
        unread = True

        async def receive_noting() -> Message:
            nonlocal unread
            message = await receive()
            unread = message.get("more_body", False)
            return message

        async def send_afterwards(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                with anyio.move_on_after(SECONDS):
                    while unread:
                        await receive_noting()
            await send(message)

        await self._app(scope, receive_noting, send_afterwards)


def _length(scope: Scope) -> int:
    return int(Headers(scope=scope).get("content-length", "0"))
