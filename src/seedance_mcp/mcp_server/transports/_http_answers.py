"""Changes what the SDK answers over HTTP: a validator's dump, and what must not be answered."""

import json
from typing import Any, cast

import mcp_types as types
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._lines import NO_BATCHES

ONE_MESSAGE = (
    "The body must be one JSON-RPC message: a request, a notification or a response."
    " Nothing was done or charged."
)

_DUMPED = "Validation error: "
"""What the SDK begins a line with, in which a validator's findings of a kilobyte or two follow."""

_CANCELLED = -32800
"""What the SDK answers a cancelled request with; the protocol says not to answer it."""


class HttpAnswers:
    """ASGI middleware that keeps answers to one line, and cancelled requests without any."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange = _Exchange(receive, send)
        return await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._body_starts_with = b""
        # The start of an answer that is held until its body is known.
        self._held: Message | None = None

    async def receive(self) -> Message:
        """Receive a message, and note how the body begins."""
        message = await self._receive()
        self._body_starts_with = self._body_starts_with or message.get("body", b"").lstrip()[:1]
        return message

    async def send(self, message: Message) -> None:
        """Send a message, or another one in its place."""
        if message["type"] == "http.response.start" and message["status"] == 400:
            self._held = message
            return
        if self._held:
            start, self._held = self._held, None
            if not message.get("more_body"):
                message["body"] = self._in_one_line(message["body"])
                length = str(len(message["body"])).encode()
                kept = [header for header in start["headers"] if header[0] != b"content-length"]
                start["headers"] = [*kept, (b"content-length", length)]
            await self._send(start)
        elif _is_for_cancelled(message.get("body", b"")):
            message["body"] = b""
        await self._send(message)

    def _in_one_line(self, body: bytes) -> bytes:
        answer = _parsed(body)
        if not answer.get("error", {}).get("message", "").startswith(_DUMPED):
            return body
        line = NO_BATCHES if self._body_starts_with == b"[" else ONE_MESSAGE
        error = {"code": types.INVALID_REQUEST, "message": line}
        return json.dumps({**answer, "error": error}).encode()


def _is_for_cancelled(event: bytes) -> bool:
    """Return whether an event of a stream answers a request that was cancelled."""
    if f'"code":{_CANCELLED}'.encode() not in event:
        return False
    data = event.partition(b"data: ")[2]
    return _parsed(data).get("error", {}).get("code") == _CANCELLED


def _parsed(text: bytes) -> dict[str, Any]:
    """Return a JSON-RPC message of the SDK, an empty one if it is something else."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}
