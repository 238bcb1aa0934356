"""Bounds the bodies of requests: how long they are, how slow, and how much of them is held.

A body is read only once a layer further inside asks for it: one that is refused for another reason
takes neither time nor memory.
"""

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._refusals import refusal
from ._wide_texts import MOST_WIDE_BYTES, wide_bytes

MIB = 1024 * 1024

MOST_BODY_BYTES = 9 * MIB
"""How long a body may be: an image of 6 MiB as base64, and the rest of a call."""

MOST_VALUES = 100_000
"""How many values a body may have, which take far more memory once they are parsed."""

VALUE_BYTES = 200
"""What is held for a value beside its text."""

MOST_HELD_BYTES = 40 * MIB
"""How much of all bodies is held at once; each stays until its request is answered."""

MOST_HELD_BYTES_A_CALLER = 32 * MIB
"""How much of that one caller may take, where callers have tokens."""

BODY_SECONDS = 15.0
"""How long a body may take, and longer for what has come of it."""

SLOWEST_BYTES_A_SECOND = 32 * 1024
"""How fast a body has to come beyond that: one of 6 MiB may take about four minutes."""

FULL_RETRY_SECONDS = 5

_NOT_JSON = refusal(415, "The Content-Type must be application/json.", closes=True)
_TOO_LONG = refusal(
    413,
    f"The body is longer than {MOST_BODY_BYTES // MIB} MiB. Nothing was done or charged.",
    closes=True,
)
_TOO_MANY = refusal(
    413,
    f"The body has more than {MOST_VALUES} values. Nothing was done or charged.",
    closes=True,
)
_TOO_WIDE = refusal(
    413,
    f"Texts of the body that are not ASCII have more than {MOST_WIDE_BYTES // 1024} KiB."
    " Nothing was done or charged.",
    closes=True,
)
_TOO_SLOW = refusal(
    408,
    f"The body came more slowly than {SLOWEST_BYTES_A_SECOND // 1024} KiB a second,"
    f" {BODY_SECONDS:.0f} seconds apart. Nothing was done or charged.",
    closes=True,
)
_TOO_MUCH = refusal(
    503,
    f"The server holds {MOST_HELD_BYTES // MIB} MiB of other requests."
    " Nothing was done or charged; repeat the call.",
    retry_after=FULL_RETRY_SECONDS,
    closes=True,
)


class _Refused(Exception):
    """A body is not read any further."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class BodyLimits:
    """ASGI middleware that answers 413, 408 or 503 instead of reading a body without bounds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = _HeldBytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, self._held, headers.get("authorization", ""))
        # h11 has checked that it is a number.
        is_too_long = int(headers.get("content-length", "0")) > MOST_BODY_BYTES
        app = _TOO_LONG if is_too_long else self._app
        try:
            await app(scope, body.receive, send)
        except _Refused as refused:
            await refused.answer(scope, receive, send)
        finally:
            body.release()


class WholeBodies:
    """ASGI middleware that reads a body, which must be JSON, before it passes the request on.

    The SDK would answer 500 to an error while it reads, and log it as its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; one whose client is gone is not served."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST" and not _is_json(scope):
            await _NOT_JSON(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            return
        app = _TOO_WIDE if wide_bytes(body) > MOST_WIDE_BYTES else self._app
        replay = _Replay(body, receive)
        # It is kept nowhere here: a call may wait long.
        del body
        await app(scope, replay, send)


async def _whole(receive: Receive) -> bytes | None:
    """Return a body, None if its client is gone."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _is_json(scope: Scope) -> bool:
    form = Headers(scope=scope).get("content-type", "")
    return form.partition(";")[0].strip().lower() == "application/json"


class _Replay:
    """Receives a body that was read already, and then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """Receive a message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _HeldBytes:
    """How much of all bodies is held, in all and by whoever sent it."""

    def __init__(self) -> None:
        self._total = 0
        self._by_caller: dict[int, int] = {}

    def add(self, caller: int, size: int) -> bool:
        """Count bytes of a caller, and return whether they may be held; 0 is everyone."""
        self._total += size
        self._by_caller[caller] = held = self._by_caller.get(caller, 0) + size
        if not held:
            del self._by_caller[caller]
        most = MOST_HELD_BYTES_A_CALLER if caller else MOST_HELD_BYTES
        return self._total <= MOST_HELD_BYTES and held <= most


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive, held: _HeldBytes, authorization: str) -> None:
        self._receive = receive
        self._held = held
        # The token itself is not kept; without one, callers cannot be told apart.
        self._caller = hash(authorization)
        self._size = self._values = self._weight = 0
        self._reads = True
        self._began: float | None = None

    async def receive(self) -> Message:
        """Receive a message.

        Raises:
            _Refused: The body is too long, too slow, has too many values, or is one too many.
        """
        if not self._reads:
            return await self._receive()
        message = await self._receive_in_time()
        part = message.get("body", b"")
        self._reads = message.get("more_body", False)
        # Each value follows one of these, or begins with it; some more may stand in texts.
        values = sum(map(part.count, (b"[", b"{", b",", b'"')))
        weight = len(part) + values * VALUE_BYTES
        self._size += len(part)
        self._values += values
        self._weight += weight
        fits = self._held.add(self._caller, weight)
        if self._size > MOST_BODY_BYTES:
            raise _Refused(_TOO_LONG)
        if self._values > MOST_VALUES:
            raise _Refused(_TOO_MANY)
        if not fits:
            raise _Refused(_TOO_MUCH)
        return message

    async def _receive_in_time(self) -> Message:
        now = anyio.current_time()
        began = self._began = now if self._began is None else self._began
        deadline = began + BODY_SECONDS + self._size / SLOWEST_BYTES_A_SECOND
        try:
            with anyio.fail_after(deadline - now):
                return await self._receive()
        except TimeoutError:
            raise _Refused(_TOO_SLOW) from None

    def release(self) -> None:
        """Count the body no more."""
        self._held.add(self._caller, -self._weight)
