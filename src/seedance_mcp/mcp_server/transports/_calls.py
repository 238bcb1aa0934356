"""Bounds the calls of each caller and of all: how many a minute, and how many at once.

It is for requests whose caller is known, so that those without a valid token take no one's place.
The bounds are those of this process.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256
from math import ceil

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.mcp_server._lazy_service import AT_ONCE_KEY, PRINCIPAL_KEY
from seedance_mcp.service.principals import MACHINE_USER, Principal

from ._refusals import refusal

MOST_CALLS = 2_000
"""How many calls may be under way."""

MOST_WAITS = 1_500
"""How many of them may wait for their jobs; more answer at once where those stand."""

MOST_STREAMS = 500
"""How many streams of changes may be open, which never end by themselves."""

MOST_CALLS_A_CALLER = 200
MOST_WAITS_A_CALLER = 100
MOST_STREAMS_A_CALLER = 20

MOST_COUNTED_CALLERS = 10_000
"""How many callers' calls of the last minute are counted; those who called last."""

LISTEN = "subscriptions/listen"
"""The method that opens a stream; the 2026-07-28 revision has it in a header, too."""

FULL_RETRY_SECONDS = 5
STOPPING_RETRY_SECONDS = 10

_REPEAT = "Nothing was done or charged; repeat the call later."
_STOPPING = f"The server is shutting down. {_REPEAT}"


class CallLimits:
    """ASGI middleware that answers 429 to a caller with too many calls, and 503 to one too many.

    Args:
        is_stopping: Returns whether the server shuts down; it then refuses new calls.
        calls_a_minute: How many calls a caller may make in a minute.
        limits_machine_user: Whether that holds for this machine's user too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_stopping: Callable[[], bool],
        calls_a_minute: int,
        limits_machine_user: bool,
    ) -> None:
        self._app = app
        self._is_stopping = is_stopping
        self._rates = CallRates(calls_a_minute)
        self._limits_machine_user = limits_machine_user
        self._calls = _Running("calls", MOST_CALLS, MOST_CALLS_A_CALLER)
        self._streams = _Running("streams", MOST_STREAMS, MOST_STREAMS_A_CALLER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = _key(scope.get(PRINCIPAL_KEY, MACHINE_USER))
        streams = scope["method"] == "GET" or Headers(scope=scope).get("mcp-method") == LISTEN
        running = self._streams if streams else self._calls
        if answer := self._refusal(caller, running, scope["method"]):
            await answer(scope, receive, send)
            return
        with running.one_more(caller):
            if self._calls.exceed(caller, MOST_WAITS, MOST_WAITS_A_CALLER):
                scope = {**scope, AT_ONCE_KEY: True}
            await self._app(scope, receive, send)

    def _refusal(self, caller: str, running: "_Running", method: str) -> Response | None:
        """Return what a call is answered that is one too many; None if it is not."""
        if self._is_stopping():
            return refusal(503, _STOPPING, retry_after=STOPPING_RETRY_SECONDS, closes=True)
        if method == "POST" and (caller or self._limits_machine_user):
            seconds = self._rates.take(caller, anyio.current_time())
            if seconds:
                return refusal(429, self._rates.message, retry_after=ceil(seconds), closes=True)
        return running.refusal(caller)


class _Running:
    """What is under way of one kind, in all and of each caller."""

    def __init__(self, kind: str, most: int, most_a_caller: int) -> None:
        self._kind = kind
        self._most = most
        self._most_a_caller = most_a_caller
        self._callers = Counter[str]()

    def exceed(self, caller: str, most: int, most_a_caller: int) -> bool:
        """Return whether there are more; this machine's user has no bound of its own."""
        of_caller = self._callers[caller] if caller else 0
        return self._callers.total() > most or of_caller > most_a_caller

    def refusal(self, caller: str) -> Response | None:
        """Return what is answered if there are as many as there may be; None otherwise."""
        if caller and self._callers[caller] >= self._most_a_caller:
            status, whose, most = 429, "You have", self._most_a_caller
        elif self._callers.total() >= self._most:
            status, whose, most = 503, "The server has", self._most
        else:
            return None
        said = f"{whose} {most} {self._kind} under way, which is the most. {_REPEAT}"
        return refusal(status, said, retry_after=FULL_RETRY_SECONDS, closes=True)

    @contextmanager
    def one_more(self, caller: str) -> Generator[None, None, None]:
        """Count one more for as long as the context lasts."""
        self._callers[caller] += 1
        try:
            yield
        finally:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]


class CallRates:
    """How many calls each caller has left, as a bucket that fills again within a minute.

    Attributes:
        message: What a caller without any is told.
    """

    def __init__(self, calls_a_minute: int) -> None:
        self._calls_a_minute = calls_a_minute
        # How many calls a caller had left, and when; whoever called last comes last.
        self._left = OrderedDict[str, tuple[float, float]]()
        self.message = f"A caller may make {calls_a_minute} calls a minute. {_REPEAT}"

    def take(self, caller: str, now: float) -> float:
        """Count a call; return 0, or after how many seconds there is one left, and count none."""
        rate = self._calls_a_minute / 60
        left, since = self._left.pop(caller, (self._calls_a_minute, now))
        left = min(left + (now - since) * rate, self._calls_a_minute)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_COUNTED_CALLERS:
            self._left.popitem(last=False)
        return 0 if allowed else (1 - left) / rate


def _key(principal: Principal) -> str:
    """Return what tells callers apart, empty for this machine's user; it reveals no token."""
    if principal.token is None:
        return principal.name
    return f"{principal.name}{sha256(principal.token.get_secret_value().encode()).hexdigest()}"
