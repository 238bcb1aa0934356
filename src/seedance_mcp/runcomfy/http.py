"""HTTP requests to RunComfy: send, read, turn httpx's errors into ours, retry what is safe."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import anyio
import httpx

from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    RateLimited,
    RunComfyError,
    RunComfyUnavailable,
    TokenMissing,
    UnreadableAnswer,
)
from seedance_mcp.observability.observer import Observer
from seedance_mcp.retry import MAX_RETRY_SECONDS, RETRY_ATTEMPTS, asked_delay, retry_delay

from ._decoding import TOO_LONG, inflate, parse_json, redact
from ._error_codes import About, read_error
from ._observed_request import observed_request
from ._throttle import Throttle
from .connections import Connections, Transport, open_connections

MAX_ANSWER_BYTES = 1024 * 1024
"""The largest answer that is read, apart from the inputs of the job that it may echo."""

MAX_ECHO_BYTES = 12 * 1024 * 1024
"""The most that such inputs are taken to be: two images, each of which is sent as up to 6 MiB."""

_MIN_CHUNK_BYTES = 512

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 10.0
"""The bound on a request that can be repeated, connecting and reading included."""
SUBMIT_TIMEOUT_SECONDS = 40.0
"""The same for the paid request, which may carry an image and gains nothing from ending early."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The errors that come before the first byte of a request can have left."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """The outcome of a request.

    Attributes:
        status_code: None if no answer came.
        body: Its JSON, None if it is none.
        error: The error that it reports, or why none came or it is unreadable.
    """

    status_code: int | None
    body: Any
    error: RunComfyError | None


@dataclass(eq=False, repr=False)
class RunComfyHttp:
    """Requests to one origin with one token.

    The caller opens and closes the connections; only repeatable requests obey the throttle.
    """

    connections: Connections
    base_url: str
    token: str | None
    clock: Clock
    throttle: Throttle | None = None
    observer: Observer = field(default_factory=Observer)
    # Held until a large answer is read and closed, so that several do not fill memory at once. What
    # is made of it then, before anything else runs, is small.
    large: anyio.Lock = field(default_factory=anyio.Lock)

    def with_token(self, token: str) -> "RunComfyHttp":
        """Return requests with another token over the same connections.

        RunComfy limits the requests of each account, so each token has a throttle of its own.
        """
        return replace(self, token=token, throttle=Throttle(self.clock.sleep))

    async def get(self, path: str, *, about: About) -> HttpAnswer:
        """Send a safe request, and retry it with backoff while that may help; raises as `send`."""
        for attempt in range(1, RETRY_ATTEMPTS):
            answer = await self._get_once(path, about)
            delay = self._retry_delay(attempt, answer.error)
            if delay is None:
                return answer
            # It may be large.
            del answer
            await self.clock.sleep(delay)
        return await self._get_once(path, about)

    async def _get_once(self, path: str, about: About) -> HttpAnswer:
        if self.throttle is None:
            return await self.send("GET", path, about=about)
        await self.throttle.acquire()
        answer = await self.send("GET", path, about=about)
        if isinstance(answer.error, RateLimited):
            self.throttle.back_off(min(answer.error.retry_after or 0.0, MAX_RETRY_SECONDS))
        elif answer.status_code is not None:
            self.throttle.speed_up()
        return answer

    async def send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        about: About,
        body: Mapping[str, Any] | None = None,
        timeout: float = READ_TIMEOUT_SECONDS,
    ) -> HttpAnswer:
        """Send one request, once, and return its answer; redirects are not followed.

        `timeout` bounds waiting, sending and reading together, in seconds.

        Raises:
            TokenMissing: No token is set.
        """
        if not self.token:
            raise TokenMissing
        deadline = anyio.current_time() + timeout
        answer: HttpAnswer | None = None
        failure: Exception = OSError()
        try:
            async with (
                AsyncExitStack() as alone,
                # A request that left later would have too little time for its answer. Only the paid
                # one has a body.
                self.connections.acquire(timeout=timeout / 2, fresh=body is not None) as http,
            ):
                # httpx bounds each read, not their sum, so a slow trickle could go on forever.
                with anyio.fail_after(deadline - anyio.current_time()):
                    async with self._request(http, method, path, body, timeout) as response:
                        answer = await self._read(response, about, alone)
        except (OSError, httpx.TransportError) as error:
            failure = error
        # A connection that fails to close takes no answer away, which may be paid for.
        return answer or _unanswered(failure, timeout)

    @asynccontextmanager
    async def _request(
        self, http: httpx.AsyncClient, method: str, path: str, body: Any, timeout: float
    ) -> AsyncGenerator[httpx.Response, None]:
        with observed_request(self.observer, method) as seen:
            async with http.stream(
                method,
                f"{self.base_url}{path}",
                json=body,
                # httpx would inflate an answer before its size is known here.
                headers={"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT_SECONDS),
                follow_redirects=False,
            ) as response:
                seen(response.status_code)
                yield response

    async def _read(
        self, response: httpx.Response, about: About, alone: AsyncExitStack
    ) -> HttpAnswer:
        code = response.status_code
        try:
            body = await self._read_json(response, about, alone)
        except UnreadableAnswer as error:
            # The frames that this one passed hold the body.
            return HttpAnswer(status_code=code, body=None, error=UnreadableAnswer(error.message))
        retry_after = asked_delay(response.headers.get("Retry-After"), self.clock.now())
        error = read_error(code, body, about=about, retry_after=retry_after)
        return HttpAnswer(status_code=code, body=body, error=error)

    async def _read_json(
        self, response: httpx.Response, about: About, alone: AsyncExitStack
    ) -> Any:
        """Read a body raw, within a bound, and return its JSON, or None."""
        sent = int(response.request.headers.get("Content-Length", "0"))
        limit = MAX_ANSWER_BYTES + (MAX_ECHO_BYTES if about == "job" else sent)
        raw, size, end = bytearray(), 0, None
        try:
            # Not by aiter_raw(), which also closes: an error in closing must not lose what came.
            async for chunk in cast("httpx.AsyncByteStream", response.stream):
                if len(raw) <= MAX_ANSWER_BYTES < len(raw) + len(chunk):
                    await alone.enter_async_context(self.large)
                raw += chunk
                # A chunk takes its time, however short it is.
                size += max(len(chunk), _MIN_CHUNK_BYTES)
                if size > limit:
                    raise UnreadableAnswer(TOO_LONG)
        except (httpx.TransportError, anyio.get_cancelled_exc_class()) as error:
            end = error
        encoding = response.headers.get("Content-Encoding", "")
        if encoding and len(raw) <= MAX_ANSWER_BYTES:
            await alone.enter_async_context(self.large)
        body = parse_json(inflate(raw, encoding, limit))
        # However it ended, it may be whole, and name an id that is paid for.
        if end and body is None:
            raise end
        # RunComfy may echo the token; it must not reach a message or a log.
        return redact(body, self.token or "")

    def _retry_delay(self, attempt: int, error: RunComfyError | None) -> float | None:
        """Return the seconds to wait before a retry, or None if a retry would not help."""
        transient = isinstance(error, RunComfyUnavailable) and error.transient
        if error is None or not (transient or isinstance(error, RateLimited)):
            return None
        delay = retry_delay(attempt, self.clock.random, retry_after=error.retry_after)
        return delay if delay <= MAX_RETRY_SECONDS else None


@asynccontextmanager
async def open_http(
    base_url: str,
    token: str | None,
    clock: Clock,
    transport: Transport | None = None,
    observer: Observer | None = None,
) -> AsyncGenerator[RunComfyHttp, None]:
    """Yield requests to an origin over connections that are closed at the end.

    Raises:
        ConfigurationError: The proxy or the certificates of the environment cannot be used.
    """
    async with await open_connections(base_url, transport) as connections:
        throttle = Throttle(clock.sleep)
        yield RunComfyHttp(
            connections, base_url, token, clock, throttle, observer=observer or Observer()
        )


def _unanswered(error: Exception, timeout: float) -> HttpAnswer:
    slow = isinstance(error, TimeoutError)
    why = f"within {timeout:.0f} s" if slow else f"({type(error).__name__})"
    unavailable = RunComfyUnavailable(
        f"RunComfy did not answer {why}.",
        transient=True,
        never_sent=isinstance(error, NEVER_SENT),
    )
    unavailable.__cause__ = error
    return HttpAnswer(status_code=None, body=None, error=unavailable)
