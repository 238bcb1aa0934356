"""What keeps requests from reaching RunComfy, or from being accepted; every one is free."""

import logging
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast

import anyio
import httpx

from seedance_mcp.errors import TokenRejected, UnreadableAnswer
from seedance_mcp.jobs.status import MAX_USD
from seedance_mcp.text import one_line, quoted

from ._error_codes import error_code, fields
from .http import RunComfyHttp

BALANCE_ORIGIN = "https://api.runcomfy.net"
"""Where the balance of RunComfy's own Model API is (client), which gets the token too."""

logger = logging.getLogger(__name__)

# A request's id is a UUIDv4 (seen), which this is not.
_NO_REQUEST = "/v1/requests/00000000-0000-0000-0000-000000000000/status"
_BALANCE = "/prod/v2/balance"
_UNKNOWN_REQUEST = 404001
_NAME_SECONDS = 0.5

Stage = Literal["name", "connection", "encryption", "certificate", "proxy", "answer"]

# OpenSSL's numbers (X509_V_ERR_…).
_CERTIFICATE_PROBLEMS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself",
    62: "its certificate is for another name",
    **dict.fromkeys((2, 19, 20, 21), "its certificate is signed by an unknown authority"),
}


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How a request without a token went, any answer to which will do.

    Attributes:
        failed: What failed; None if an answer came.
        host: The host of that stage: RunComfy's, or the proxy's.
        by_proxy: Whether a proxy was asked to connect.
        at_proxy: Whether that is where it failed.
        why: What went wrong, in a few words.
        status_code: The answer's; None if there was none.
        date: When the host sent its answer, None if it does not say.
    """

    failed: Stage | None = None
    host: str
    by_proxy: bool = False
    at_proxy: bool = False
    why: str = ""
    status_code: int | None = None
    date: datetime | None = None


@dataclass(eq=False)
class _Trace:
    """Follows how httpx opens a connection.

    Attributes:
        host: The host of the last step: RunComfy's, or the proxy's.
        step: The last step, as httpcore names it.
        by_proxy: Whether a proxy is asked to connect.
        through: Whether encryption with RunComfy itself has begun.
    """

    url: httpx.URL
    host: str = ""
    step: str = ""
    by_proxy: bool = False
    through: bool = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        name, _, phase = event.rpartition(".")
        if phase != "started":
            return
        self.step = name.rpartition(".")[2]
        if self.step == "connect_tcp":
            self.host = str(info.get("host", self.url.host))
            port = self.url.port or {"https": 443}.get(self.url.scheme, 80)
            self.by_proxy |= (self.host, info.get("port")) != (self.url.host, port)
        elif self.step == "start_tls":
            self.host = str(info.get("server_hostname", self.url.host))
            self.through = self.host == self.url.host


async def try_to_reach(http: RunComfyHttp, seconds: float) -> Reach:
    """Send one request without a token, and return how it went, after at most some seconds."""
    url = httpx.URL(f"{http.base_url}{_NO_REQUEST}")
    trace = _Trace(url, url.host)
    try:
        with anyio.fail_after(seconds):
            async with (
                http.connections.acquire(timeout=seconds) as client,
                # The body is of no use, and may be anything.
                client.stream(
                    "GET", url, extensions={"trace": trace}, timeout=seconds, follow_redirects=False
                ) as response,
            ):
                return Reach(
                    host=url.host,
                    by_proxy=trace.by_proxy,
                    status_code=response.status_code,
                    date=_date(response.headers.get("Date")),
                )
    except Exception as error:
        # Not only httpx's errors: those of its package for SOCKS are of their own kind.
        logger.debug("RunComfy was not reached", exc_info=True)
        failed, why = await _explain(list(_causes(error)), trace)
        at_proxy = trace.by_proxy and not trace.through
        return Reach(
            failed=failed, host=trace.host, by_proxy=trace.by_proxy, at_proxy=at_proxy, why=why
        )


async def _explain(causes: Sequence[BaseException], trace: _Trace) -> tuple[Stage, str]:
    """Return at which stage a request failed, and why, in a few words."""
    slow = any(isinstance(each, TimeoutError | httpx.TimeoutException) for each in causes)
    for each in causes:
        match each:
            case httpx.ProxyError():
                return "proxy", quoted(str(each), 100)
            case socket.gaierror():
                return "name", "the name does not resolve"
            case ssl.SSLCertVerificationError():
                other = f"its certificate is not valid ({one_line(each.verify_message, 80)})"
                return "certificate", _CERTIFICATE_PROBLEMS.get(each.verify_code, other)
            case ssl.SSLError() if trace.step == "start_tls" and not slow:
                return "encryption", f"it does not speak TLS ({one_line(str(each.reason), 80)})"
            case _:
                pass
    if trace.step == "connect_tcp":
        if slow and not await _resolves(trace.host):
            return "name", "the name server does not answer"
        numbers = [each.errno for each in causes if isinstance(each, OSError) and each.errno]
        refused = os.strerror(numbers[-1]).lower() if numbers else "no connection came about"
        return "connection", "it did not answer in time" if slow else refused
    why = "no answer came in time" if slow else "the connection broke before an answer came"
    if trace.step == "start_tls":
        return "encryption", why
    return ("proxy" if trace.by_proxy and not trace.through else "answer"), why


async def _resolves(host: str) -> bool:
    """Return whether a name that takes long to connect to is known at least."""
    with suppress(OSError), anyio.move_on_after(_NAME_SECONDS):
        return bool(await anyio.getaddrinfo(host, None))
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, also in groups."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__


def _date(header: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def is_token_accepted(http: RunComfyHttp, seconds: float) -> bool:
    """Return whether RunComfy knows the token: it then says that it does not know a request.

    Raises:
        RunComfyError: Neither is known.
        TokenMissing: No token is set.
    """
    answer = await http.send("GET", _NO_REQUEST, about="job", timeout=seconds)
    if error_code(answer.body) == _UNKNOWN_REQUEST:
        return True
    if isinstance(answer.error, TokenRejected):
        return False
    raise answer.error or UnreadableAnswer(
        f"RunComfy answered {answer.status_code} about a request that does not exist."
    )


async def read_balance(http: RunComfyHttp, seconds: float, *, origin: str) -> float:
    """Return the account's balance in USD, which may be negative, as an origin has it.

    Raises:
        RunComfyError: It cannot be read.
        TokenMissing: No token is set.
    """
    answer = await replace(http, base_url=origin).send(
        "GET", _BALANCE, about="model", timeout=seconds
    )
    if answer.error:
        raise answer.error
    for name, unit in (("balance_usd", 1), ("balance_microdollars", 1_000_000)):
        value: Any = fields(answer.body).get(name)
        # Neither a truth value nor a number that is none.
        if type(value) in {int, float} and abs(value) <= MAX_USD * 1_000_000:
            return value / unit
    raise UnreadableAnswer("RunComfy's answer has no balance.")
