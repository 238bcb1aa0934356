"""The service's error answers, in every form the facts know, as the errors they are.

Documented are six-digit numbers (docs); bodies and HTTP statuses differ between clients, so the
number is believed first and the HTTP status after it. Texts from the service are data: cut to
one line of at most 300 characters.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from seedance_mcp.errors import (
    BalanceEmpty,
    JobNotFound,
    RateLimited,
    Rejection,
    RequestRejected,
    RunComfyError,
    RunComfyUnavailable,
    TokenRejected,
)
from seedance_mcp.text import one_line

NOT_READY = 400005
"""The number by which one mock says that a result was asked for early (client)."""

_BY_NUMBER: dict[int, type[Rejection]] = {
    400002: BalanceEmpty,
    400004: TokenRejected,
    403001: JobNotFound,
    404001: JobNotFound,
}
_BY_STATUS: dict[int, type[Rejection]] = {
    400: RequestRejected,
    401: TokenRejected,
    402: BalanceEmpty,
    403: TokenRejected,
    413: RequestRejected,
    422: RequestRejected,
    429: RateLimited,
}
_WRONG_ID = 400001
_NOT_FOUND = 404
# An unknown number from here on is the service's fault, and says nothing of the request.
_FIRST_FAULT = 500000
_PASSING = frozenset({502, 503, 504})
_MEANINGS: dict[type[Rejection], str] = {
    RequestRejected: "RunComfy refused the request",
    BalanceEmpty: "The RunComfy account has no balance left",
    TokenRejected: "RunComfy does not take the token",
    JobNotFound: "RunComfy knows no such request for this account",
    RateLimited: "RunComfy asks for fewer requests",
}


def read_error(
    status_code: int,
    body: Any,
    *,
    about: Literal["model", "job"],
    retry_after: float | None = None,
) -> RunComfyError | None:
    """Turn an answer into the error it is.

    Args:
        status_code: The HTTP status; a 2xx whose body has an `error_code` is an error (client).
        body: The parsed JSON, or None where it is none.
        about: What the request names: 400001 and 404 mean a wrong one of these (docs, seen).
        retry_after: Seconds from a Retry-After header, or None.

    Returns:
        The error, or None where the answer is none.
    """
    number = error_number(body)
    success = 200 <= status_code < 300
    if success and not _has_error_code(body):
        return None
    said = error_text(body)
    detail = f"{number or status_code}: {said}" if said else f"{number or status_code}"
    kind = _kind(number, status_code, about)
    if kind is None and success and (number or 0) < _FIRST_FAULT:
        kind = RequestRejected
    if kind is None:
        return RunComfyUnavailable(
            f"RunComfy gave no usable answer ({detail}).",
            passing=status_code in _PASSING,
            retry_after=retry_after,
        )
    return kind(f"{_MEANINGS[kind]} ({detail}).", retry_after=retry_after)


def error_number(body: Any) -> int | None:
    """Read an answer's `error_code`, a number or digits; None where there is none."""
    code = cast("dict[str, Any]", body).get("error_code") if isinstance(body, dict) else None
    if isinstance(code, str) and re.fullmatch(r"[0-9]{3,9}", code, re.ASCII):
        return int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 10**9:
        return code
    return None


def error_text(body: Any, *, depth: int = 4) -> str | None:
    """Read the message of an error answer, one line of at most 300 characters.

    It stands in `error_message`, `message`, `error` or `detail`: a string, an object that holds
    one, or a list of field errors (client).

    Args:
        body: The answer, or a part of it.
        depth: How many levels further down to look.
    """
    if isinstance(body, str):
        return one_line(body, 300) or None
    if depth == 0:
        return None
    if isinstance(body, list):
        parts = cast("list[Any]", body)[:3]
        texts = [text for part in parts if (text := error_text(part, depth=depth - 1))]
        return one_line("; ".join(texts), 300) or None
    found = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    for key in ("error_message", "message", "error", "detail", "msg"):
        if text := error_text(found.get(key), depth=depth - 1):
            return one_line(f"{_place(found)}{text}", 300)
    return None


def _kind(
    number: int | None, status_code: int, about: Literal["model", "job"]
) -> type[Rejection] | None:
    if number == _WRONG_ID or (number is None and status_code == _NOT_FOUND):
        return JobNotFound if about == "job" else RequestRejected
    by_number = _BY_NUMBER.get(number or 0) or _BY_STATUS.get((number or 0) // 1000)
    return by_number or _BY_STATUS.get(status_code)


def _has_error_code(body: Any) -> bool:
    code = cast("dict[str, Any]", body).get("error_code") if isinstance(body, dict) else None
    return bool(code) and code != "0"


def _place(field_error: Mapping[str, Any]) -> str:
    """Name the field that one of a list of field errors is about."""
    loc = field_error.get("loc") or field_error.get("field")
    if isinstance(loc, list) and loc:
        loc = cast("list[Any]", loc)[-1]
    return f"{one_line(loc, 40)}: " if isinstance(loc, str) else ""
