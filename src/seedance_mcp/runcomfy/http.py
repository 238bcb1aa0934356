"""One HTTP exchange with the service: send, read, translate httpx's errors, retry what is safe."""

import json
from collections.abc import Mapping
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
from seedance_mcp.retry import RETRY_ATTEMPTS, RETRY_LONGEST_SECONDS, retry_delay

from ._error_codes import read_error
from .connections import Connections
from .throttle import Throttle

# A result may echo its inputs, an image of several MB among them; nothing sane is longer.
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024

CONNECT_SECONDS = 5.0
SAFE_SECONDS = 10.0
"""How long a request that can be asked again may take in all."""
SUBMIT_SECONDS = 40.0
"""The same for the paid one, which may carry an image; nothing is gained by giving up early."""

FOREIGN_ERRORS = (httpx.TransportError, httpx.DecodingError)
"""What httpx raises when a request or its answer is lost; each becomes `RunComfyUnavailable`."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Those of them that come before the first byte of the request can have left."""

About = Literal["model", "job"]
"""What a path names, since the same error means a wrong model in one and a wrong job in other."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An answer of the service.

    Attributes:
        status_code: The HTTP status.
        body: The parsed JSON, None where it is none.
        error: The error that the answer is, None where it is none.
    """

    status_code: int
    body: Any
    error: RunComfyError | None


class RunComfyHttp:
    """Requests to one origin with one token.

    Args:
        connections: The caller opens and closes them.
        base_url: The origin, without a slash at the end.
        token: The bearer token, or None, with which every request raises `TokenMissing`.
        clock: Pauses and jitter between retries, and the time, for a Retry-After date.
        throttle: The turns that safe requests take; None where they need not.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        base_url: str,
        token: str | None,
        clock: Clock,
        throttle: Throttle | None = None,
    ) -> None:
        self._connections = connections
        self._base_url = base_url
        self._token = token
        self._clock = clock
        self._throttle = throttle

    async def get(self, path: str, *, about: About) -> HttpAnswer:
        """Send a safe request until it is answered, a few times at most, with backoff.

        Returns:
            The answer, which may be an error.

        Raises:
            RunComfyUnavailable: No answer came, also not to the last attempt.
        """
        for attempt in range(1, RETRY_ATTEMPTS):
            try:
                answer = await self._asked(path, about)
                error = answer.error
            except RunComfyUnavailable as fault:
                answer, error = None, fault
            pause = self._pause(attempt, error)
            if pause is not None:
                await self._clock.sleep(pause)
            elif answer is not None:
                return answer
            elif error is not None:
                raise error
        return await self._asked(path, about)

    async def _asked(self, path: str, about: About) -> HttpAnswer:
        """Send a safe request once, when it is its turn."""
        if self._throttle is None:
            return await self.send("GET", path, about=about)
        await self._throttle.turn()
        answer = await self.send("GET", path, about=about)
        if isinstance(answer.error, RateLimited):
            self._throttle.refused(min(answer.error.retry_after or 0.0, RETRY_LONGEST_SECONDS))
        else:
            self._throttle.answered()
        return answer

    async def send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        about: About,
        body: Mapping[str, Any] | None = None,
        seconds: float = SAFE_SECONDS,
    ) -> HttpAnswer:
        """Send one request, once, and read its answer; redirects are not followed.

        Raises:
            RunComfyUnavailable: No answer came.
            TokenMissing: There is no token.
        """
        if not self._token:
            raise TokenMissing
        deadline = anyio.current_time() + seconds
        try:
            # One that got its turn too late would leave, and its answer would not be waited for.
            async with self._connections.one(patience=seconds / 2) as http:
                request = http.build_request(
                    method,
                    f"{self._base_url}{path}",
                    json=body,
                    headers={"Authorization": f"Bearer {self._token}"},
                    timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
                )
                # httpx bounds each read and not their sum, which a slow trickle makes endless.
                with anyio.fail_after(deadline - anyio.current_time()):
                    response, raw = await _exchanged(http, request)
        except TimeoutError as error:
            raise RunComfyUnavailable(
                f"RunComfy did not answer within {seconds:.0f} s.", passing=True
            ) from error
        except FOREIGN_ERRORS as error:
            raise RunComfyUnavailable(
                f"RunComfy did not answer ({type(error).__name__}).",
                passing=True,
                never_sent=isinstance(error, NEVER_SENT),
            ) from error
        # An answer that echoes the token must not carry it into a message or a log.
        return self._answer(response, _redacted(_parsed(raw), self._token), about)

    def _answer(self, response: httpx.Response, body: Any, about: About) -> HttpAnswer:
        retry_after = _retry_after(response.headers.get("Retry-After"), self._clock.now())
        error = read_error(response.status_code, body, about=about, retry_after=retry_after)
        return HttpAnswer(status_code=response.status_code, body=body, error=error)

    def _pause(self, attempt: int, error: RunComfyError | None) -> float | None:
        """Say how long to pause before asking again; None where that would not help."""
        passing = isinstance(error, RunComfyUnavailable) and error.passing
        if error is None or not (passing or isinstance(error, RateLimited)):
            return None
        pause = retry_delay(attempt, self._clock.random, retry_after=error.retry_after)
        return pause if pause <= RETRY_LONGEST_SECONDS else None


async def _exchanged(
    http: httpx.AsyncClient, request: httpx.Request
) -> tuple[httpx.Response, bytes]:
    response = await http.send(request, stream=True, follow_redirects=False)
    try:
        return response, await _read_bounded(response)
    finally:
        await response.aclose()


async def _read_bounded(response: httpx.Response) -> bytes:
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > ANSWER_LIMIT_BYTES:
            raise UnreadableAnswer("RunComfy sent an answer that is too long.")
    return bytes(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _redacted(value: Any, secret: str, *, depth: int = 8) -> Any:
    """Take a secret out of every text that may be shown, which none further down is.

    What the program reads is left alone: an id or a URL broken here would be a job lost.
    """
    if isinstance(value, str):
        return value.replace(secret, "[token]")
    if depth == 0:
        return None
    if isinstance(value, list):
        parts = cast("list[Any]", value)
        return [_redacted(part, secret, depth=depth - 1) for part in parts]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            key: part
            if key in {"request_id", "status", "output"}
            else _redacted(part, secret, depth=depth - 1)
            for key, part in fields.items()
        }
    return value


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110), as seconds from `now`."""
    try:
        if not value or value.strip().isdigit():
            return float(value) if value else None
        date = parsedate_to_datetime(value)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
