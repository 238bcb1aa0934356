"""Ends a stream of changes, which never ends by itself, once its caller may not call any more."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOK_AGAIN_SECONDS = 10.0
"""How often the token of an open stream is checked again."""


def is_stream(scope: Scope) -> bool:
    """Return whether a request opens a stream; the 2026-07-28 revision has that in a header."""
    return Headers(scope=scope).get("mcp-method") == "subscriptions/listen"


def ending_with(is_let_in: Callable[[], Awaitable[bool]], app: ASGIApp) -> ASGIApp:
    """Return an application whose answer ends once `is_let_in` returns false."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def note(message: Message) -> None:
            nonlocal is_open
            await send(message)
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)

        async def watch() -> None:
            let_in = True
            while let_in:
                await anyio.sleep(LOOK_AGAIN_SECONDS)
                let_in = await is_let_in()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await app(scope, receive, note)
            tasks.cancel_scope.cancel()
        if is_open:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return serve
