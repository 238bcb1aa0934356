"""HTTP requests to RunComfy: send, read, translate httpx's errors, retry what is safe.

An answer is read raw and bounded before it is inflated, and again before it is parsed.
"""

import json
import re
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
from seedance_mcp.retry import MAX_RETRY_SECONDS, RETRY_ATTEMPTS, retry_delay

from ._error_codes import About, read_error
from .connections import Connections
from .throttle import Throttle

MAX_ANSWER_BYTES = 1024 * 1024
"""The largest answer that is read, apart from the inputs of the job that it may echo."""

MAX_ECHO_BYTES = 12 * 1024 * 1024
"""The most that such inputs are taken to be: two images, each of which is sent as up to 6 MiB."""

MAX_ANSWER_TOKENS = 200_000
"""How many of the characters `{ [ , :` an answer may have outside of strings; each becomes an
object that takes far more memory than the character."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"{[,:'))
_MAX_DIGITS = 20

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 10.0
"""The bound on a request that can be repeated, connecting and reading included."""
SUBMIT_TIMEOUT_SECONDS = 40.0
"""The same for the paid request, which may carry an image and gains nothing from ending early."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The errors that come before the first byte of a request can have left."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An HTTP answer from RunComfy.

    Attributes:
        body: The parsed JSON, None if it is not JSON.
        error: The error that the answer reports, None on success.
    """

    status_code: int
    body: Any
    error: RunComfyError | None


@dataclass(eq=False, repr=False)
class RunComfyHttp:
    """Requests to one origin with one token.

    Attributes:
        connections: Opened and closed by the caller.
        base_url: The origin, without a slash at the end.
        token: The bearer token; without one every request raises `TokenMissing`.
        throttle: The rate limit of repeatable requests, or None.
    """

    connections: Connections
    base_url: str
    token: str | None
    clock: Clock
    throttle: Throttle | None = None

    async def get(self, path: str, *, about: About) -> HttpAnswer:
        """Send a safe request, and retry it with backoff while that may help.

        Returns:
            The answer, which may be an error.

        Raises:
            RunComfyUnavailable: No answer came, even to the last attempt.
        """
        for attempt in range(1, RETRY_ATTEMPTS):
            try:
                answer = await self._get_once(path, about)
            except RunComfyUnavailable as error:
                delay = self._retry_delay(attempt, error)
                if delay is None:
                    raise
            else:
                delay = self._retry_delay(attempt, answer.error)
                if delay is None:
                    return answer
            await self.clock.sleep(delay)
        return await self._get_once(path, about)

    async def _get_once(self, path: str, about: About) -> HttpAnswer:
        if self.throttle is None:
            return await self.send("GET", path, about=about)
        await self.throttle.acquire()
        answer = await self.send("GET", path, about=about)
        if isinstance(answer.error, RateLimited):
            self.throttle.back_off(min(answer.error.retry_after or 0.0, MAX_RETRY_SECONDS))
        else:
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
        """Send one request, once, and read its answer; redirects are not followed.

        `timeout` bounds waiting, sending and reading together, in seconds.

        Raises:
            RunComfyUnavailable: No answer came.
            TokenMissing: No token is set.
        """
        if not self.token:
            raise TokenMissing
        deadline = anyio.current_time() + timeout
        # A request that left later than half of that would have too little time for its answer.
        with _translated(timeout):
            # Only the paid request has a body.
            fresh = body is not None
            async with self.connections.acquire(timeout=timeout / 2, fresh=fresh) as http:
                # httpx bounds each read, not their sum, so a slow trickle could go on forever.
                with anyio.fail_after(deadline - anyio.current_time()):
                    async with http.stream(
                        method,
                        f"{self.base_url}{path}",
                        json=body,
                        # httpx would inflate an answer before its size is known here.
                        headers={
                            "Authorization": f"Bearer {self.token}",
                            "Accept-Encoding": "identity",
                        },
                        timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT_SECONDS),
                        follow_redirects=False,
                    ) as response:
                        raw = await _read_bounded(response, about)
        # RunComfy may echo the token; it must not reach a message or a log.
        return self._answer(response, _redact(_parse(raw), self.token), about)

    def _answer(self, response: httpx.Response, body: Any, about: About) -> HttpAnswer:
        retry_after = _retry_after(response.headers.get("Retry-After"), self.clock.now())
        error = read_error(response.status_code, body, about=about, retry_after=retry_after)
        return HttpAnswer(status_code=response.status_code, body=body, error=error)

    def _retry_delay(self, attempt: int, error: RunComfyError | None) -> float | None:
        """Return the seconds to wait before a retry, or None if a retry would not help."""
        transient = isinstance(error, RunComfyUnavailable) and error.transient
        if error is None or not (transient or isinstance(error, RateLimited)):
            return None
        delay = retry_delay(attempt, self.clock.random, retry_after=error.retry_after)
        return delay if delay <= MAX_RETRY_SECONDS else None


@contextmanager
def _translated(timeout: float) -> Generator[None, None, None]:
    """Raise `RunComfyUnavailable` for every way in which httpx gets no answer."""
    try:
        yield
    except TimeoutError as error:
        raise RunComfyUnavailable(
            f"RunComfy did not answer within {timeout:.0f} s.", transient=True
        ) from error
    except httpx.TransportError as error:
        raise RunComfyUnavailable(
            f"RunComfy did not answer ({type(error).__name__}).",
            transient=True,
            never_sent=isinstance(error, NEVER_SENT),
        ) from error


async def _read_bounded(response: httpx.Response, about: About) -> bytes | bytearray:
    """Return a body as it was before RunComfy encoded it."""
    sent = int(response.request.headers.get("Content-Length", "0"))
    limit = MAX_ANSWER_BYTES + (MAX_ECHO_BYTES if about == "job" else sent)
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > limit:
            raise UnreadableAnswer("RunComfy's answer is too long.")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise UnreadableAnswer("RunComfy's answer is encoded in a way that was not asked for.")
    try:
        # 32 takes the header of either. Each inflating is bounded, so it is done only once.
        inflated = zlib.decompressobj(zlib.MAX_WBITS + 32).decompress(raw, limit + 1)
    except zlib.error as error:
        raise UnreadableAnswer("RunComfy's answer is damaged.") from error
    if len(inflated) > limit:
        raise UnreadableAnswer("RunComfy's answer is too long.")
    return inflated


def _parse(raw: bytes | bytearray) -> Any:
    """Return a body's JSON, or None; raise `UnreadableAnswer` for more than can be held."""
    text = raw.decode(json.detect_encoding(raw), "replace")
    # Without escapes, every second piece between quotes is outside of strings.
    bare = text.encode("utf-8", "replace").replace(rb"\\", b"").replace(rb"\"", b"")
    pieces = bare.translate(None, _NOT_STRUCTURE).split(b'"', 2 * MAX_ANSWER_TOKENS)
    if sum(map(len, pieces[::2])) > MAX_ANSWER_TOKENS:
        raise UnreadableAnswer("RunComfy's answer has too many parts.")
    try:
        # Python refuses to read integers of thousands of digits.
        return json.loads(text, parse_int=lambda n: int(n) if len(n) < _MAX_DIGITS else float(n))
    except ValueError:
        return None
    except RecursionError:
        # Too deep to be read, but an id that may be paid for is not lost.
        found = re.search(r'"request_id"\s*:\s*"([^"]*)"', text)
        return {"request_id": found[1]} if found else None


def _redact(value: Any, secret: str, *, depth: int = 8) -> Any:
    """Return JSON with a secret removed from every text that may be shown; deeper texts never are.

    Ids, states and outputs stay as they are: a secret found in one by chance would lose a paid job.
    """
    if isinstance(value, str):
        return value.replace(secret, "[token]")
    if depth == 0:
        return None
    if isinstance(value, list):
        parts = cast("list[Any]", value)
        return [_redact(part, secret, depth=depth - 1) for part in parts]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kept = {"request_id", "status", "output"}
        return {
            key: part if key in kept else _redact(part, secret, depth=depth - 1)
            for key, part in fields.items()
        }
    return value


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date (RFC 9110)."""
    try:
        if not value or value.strip().isdigit():
            return float(value) if value else None
        date = parsedate_to_datetime(value)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
