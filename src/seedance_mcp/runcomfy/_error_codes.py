"""RunComfy's error answers, in every known form, as exceptions.

The documentation lists six-digit error codes (docs); bodies and HTTP statuses differ between
clients, so the code decides first and the HTTP status second. Texts from RunComfy are data: cut to
one line of at most 300 characters, and quoted where we speak.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal, cast

import httpx

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
from seedance_mcp.text import one_line, quoted

NOT_READY = 400005
"""The error code by which one mock says that a result is not ready yet (client)."""

UNKNOWN_MODEL = {400001, 404001}
"""The error codes by which RunComfy says that it does not know what a request is about (docs)."""

_KINDS: dict[int, type[Rejection]] = {
    **dict.fromkeys((400, 413, 422), RequestRejected),
    **dict.fromkeys((401, 403, 400004), TokenRejected),
    **dict.fromkeys((402, 400002), BalanceEmpty),
    **dict.fromkeys((403001, 404001), JobNotFound),
    429: RateLimited,
}
"""By error code, by the HTTP status that a code begins with, or by HTTP status."""

# An object without any of these may be a gateway's, which does not know RunComfy's jobs.
_OWN_FIELDS = {"request_id", "error_code", "error_message", "message", "error", "detail"}
_UNKNOWN_ID = 400001
# Unknown codes from here on are RunComfy's own failures and do not reject the request.
_FIRST_SERVER_ERROR = 500000
_TRANSIENT_STATUSES = frozenset({502, 503, 504})
_MESSAGES: dict[type[Rejection], str] = {
    RequestRejected: "RunComfy rejected the request",
    BalanceEmpty: "The RunComfy account has no balance left",
    TokenRejected: "RunComfy rejected the token",
    JobNotFound: "RunComfy has no such request for this account",
    RateLimited: "RunComfy received too many requests",
}

About = Literal["model", "job"]
"""What a path names: the same error code means an unknown model or an unknown job (docs, seen)."""


def read_error(
    status_code: int, body: Any, *, about: About, retry_after: float | None = None
) -> RunComfyError | None:
    """Return the error that an answer reports, or None.

    A 2xx whose body has an `error_code` is one (client). 400001 and 404 mean that what the request
    is `about` is unknown. Whoever sends it, a 4xx says that a paid request was not accepted; about
    a job only RunComfy knows anything.
    """
    code = error_code(body)
    success = httpx.codes.is_success(status_code)
    reported = fields(body).get("error_code")
    # Any other form counts as an error, even one that names no code known here.
    if success and (not reported or reported == "0"):
        return None
    text = error_text(body)
    detail = f"{code or status_code}" + (f": {quoted(text, 300)}" if text else "")
    kind = _kind(code, status_code, about)
    own = not _OWN_FIELDS.isdisjoint(fields(body))
    if kind in {JobNotFound, RequestRejected} and about == "job" and not own:
        kind = None
    if kind is None and success and (code or 0) < _FIRST_SERVER_ERROR:
        kind = RequestRejected
    if kind is None:
        return RunComfyUnavailable(
            f"RunComfy sent no usable answer ({detail}).",
            transient=status_code in _TRANSIENT_STATUSES,
            retry_after=retry_after,
        )
    return kind(f"{_MESSAGES[kind]} ({detail}).", retry_after=retry_after)


def fields(value: Any) -> Mapping[str, Any]:
    """Return the fields of a JSON object; anything else has none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def error_code(body: Any) -> int | None:
    """Return an answer's `error_code`, a number or digits in a string, or None."""
    code = fields(body).get("error_code")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{3,9}", code, re.ASCII):
        return int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 10**9:
        return code
    return None


def error_text(body: Any, *, depth: int = 4) -> str | None:
    """Return the message of an error answer, one line of at most 300 characters, or None.

    It is in `error_message`, `message`, `error` or `detail`: a string, an object that holds one,
    or a list of field errors (client). `depth` bounds how many levels are searched.
    """
    if isinstance(body, str):
        return one_line(body, 300) or None
    if depth == 0 or not isinstance(body, list | dict):
        return None
    if isinstance(body, list):
        parts = cast("list[Any]", body)[:3]
        texts = [text for part in parts if (text := error_text(part, depth=depth - 1))]
        return one_line("; ".join(texts), 300) or None
    found = fields(body)
    for key in ("error_message", "message", "error", "detail", "msg"):
        if text := error_text(found.get(key), depth=depth - 1):
            return one_line(f"{_field_prefix(found)}{text}", 300)
    return None


def _kind(code: int | None, status_code: int, about: About) -> type[Rejection] | None:
    if code == _UNKNOWN_ID or (code is None and status_code == HTTPStatus.NOT_FOUND):
        return JobNotFound if about == "job" else RequestRejected
    # A code of three digits is not RunComfy's, and does not make a refusal of a 5xx.
    codes = (code, code // 1000) if code and code > 999 else ()
    return next(filter(None, map(_KINDS.get, (*codes, status_code))), None)


def _field_prefix(field_error: Mapping[str, Any]) -> str:
    """Return "field: " for a field error that names its field, else an empty string."""
    loc = field_error.get("loc") or field_error.get("field")
    if isinstance(loc, list) and loc:
        loc = cast("list[Any]", loc)[-1]
    return f"{one_line(loc, 40)}: " if isinstance(loc, str) else ""
