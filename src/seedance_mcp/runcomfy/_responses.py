"""RunComfy's JSON as our types, in every known or plausible form.

Anything else raises `UnreadableAnswer`, and the caller decides what that means: a poll is repeated,
the outcome of the paid POST is unknown. Texts from RunComfy are data: cut to one line of a few
hundred characters at most.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from seedance_mcp.errors import InputError, UnreadableAnswer
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.jobs.status import (
    Cancelled,
    Ended,
    Failed,
    Observation,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)

from ._error_codes import error_text, fields

_MAX_URL_LENGTH = 8192
_MAX_QUEUE_POSITION = 2**31 - 1
# As Unix seconds this is the year 5138, as milliseconds 1973.
_MAX_UNIX_SECONDS = 1e11
_STATUS_WORDS = {
    **dict.fromkeys(("in_queue", "queued", "pending"), Status.IN_QUEUE),
    **dict.fromkeys(("in_progress", "processing", "running"), Status.IN_PROGRESS),
    **dict.fromkeys(("completed", "complete", "done", "finished"), Status.COMPLETED),
    **dict.fromkeys(("succeeded", "success"), Status.COMPLETED),
    **dict.fromkeys(("failed", "error"), Status.FAILED),
    **dict.fromkeys(("cancelled", "canceled"), Status.CANCELLED),
}


def check_request_id(request_id: str) -> str:
    """Return an id if it is safe in a URL; else raise `InputError`."""
    if not re.fullmatch(REQUEST_ID_PATTERN.strip("^$"), request_id, re.ASCII):
        raise InputError(
            "request_id",
            "request_id must be 1 to 128 letters, digits, - or _, as returned by generate_video.",
        )
    return request_id


def read_object(body: Any) -> Mapping[str, Any]:
    """Return a body if it is a JSON object."""
    if not isinstance(body, dict):
        raise UnreadableAnswer("RunComfy's answer is not a JSON object.")
    return cast("dict[str, Any]", body)


def read_status_word(body: Mapping[str, Any]) -> Status:
    """Return the state in an answer; an unknown word means "in progress" (client)."""
    word = body.get("status")
    if not isinstance(word, str):
        raise UnreadableAnswer("RunComfy's answer has no status.")
    plain = re.sub(r"[\s-]+", "_", word.strip().lower())
    return _STATUS_WORDS.get(plain, Status.IN_PROGRESS)


def read_submit(body: Mapping[str, Any]) -> str:
    """Return the request id in the answer to a submit; its URLs are ignored."""
    request_id = body.get("request_id")
    if not isinstance(request_id, str):
        raise UnreadableAnswer("RunComfy accepted the request without a request_id.")
    try:
        return check_request_id(request_id)
    except InputError:
        raise UnreadableAnswer("RunComfy sent an invalid request_id.") from None


def read_status(body: Mapping[str, Any]) -> Observation:
    """Read a status answer, which does not say whether a run that ended succeeded."""
    status = read_status_word(body)
    if status is Status.IN_QUEUE:
        return Queued(position=_queue_position(body.get("queue_position")))
    return Ended(how=status) if status.final else Running()


def read_result(body: Mapping[str, Any]) -> Observation:
    """Read a result answer, which has the state of a job that has not ended."""
    status = read_status_word(body)
    # What the input holds is only compared with our own; never take a URL from it.
    times: dict[str, Any] = {key: _time(body.get(key)) for key in ("created_at", "finished_at")}
    times |= {"model_id": body.get("model_id"), "echoed_input": fields(body.get("input"))}
    cost = _amount(body.get("cost"))
    if status is Status.COMPLETED:
        outputs = read_outputs(body.get("output"))
        if outputs:
            return Succeeded(outputs=outputs, cost_usd=cost, **times)
        if not body.get("error"):
            # The run has ended, and its files are not listed yet.
            return Ended(how=Status.COMPLETED)
        status = Status.FAILED
    if status is Status.FAILED:
        error = error_text(body) or "RunComfy gave no reason"
        return Failed(error=error, cost_usd=cost, **times)
    return Cancelled() if status is Status.CANCELLED else read_status(body)


def read_cancel(body: Mapping[str, Any]) -> bool:
    """Return whether `outcome` or `status` says cancelled, in either spelling."""
    values = (body.get("outcome"), body.get("status"))
    words = {word.strip().lower() for word in values if isinstance(word, str)}
    if not words:
        raise UnreadableAnswer("RunComfy's answer to a cancel has no outcome.")
    return bool(words & {"cancelled", "canceled"})


def read_outputs(output: Any) -> Outputs:
    """Return the distinct URLs in an `output` object, single or in lists.

    Only `output` is read: answers may echo the inputs, which contain URLs too (client).
    """
    found = fields(output)

    def urls(*keys: str) -> tuple[str, ...]:
        values = (url for key in keys for url in _as_list(found.get(key)))
        return tuple(dict.fromkeys(url for url in values if _is_url(url)))

    return Outputs(videos=urls("video", "videos"), images=urls("image", "images"))


def _as_list(value: Any) -> Iterable[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else (value,)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _MAX_URL_LENGTH:
        return False
    if not value.isprintable() or " " in value:
        return False
    try:
        url = urlsplit(value)
        return url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc
    except ValueError:
        return False


def _queue_position(value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MAX_QUEUE_POSITION else None


def _amount(value: Any) -> float | None:
    """Return a finite number from 0, which may come as a string, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _time(value: Any) -> datetime | None:
    """Return a time in UTC: ISO 8601 (UTC by default) or Unix seconds or milliseconds, or None."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,}(\.[0-9]+)?", value, re.ASCII):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        unix = _amount(value)
        if not unix:
            return None
        return datetime.fromtimestamp(unix / 1000 if unix > _MAX_UNIX_SECONDS else unix, UTC)
    except (ValueError, OverflowError, OSError):
        return None
