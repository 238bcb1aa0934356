"""JSON from the service to values of ours, in every form the facts call known or plausible.

What cannot be read raises `UnreadableAnswer`, and the caller decides what that means: a poll is
repeated, the outcome of the paid POST is unknown. Texts from RunComfy are data: cut to one line,
never more than a few hundred characters.
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

from ._error_codes import error_text

_WORDS = {
    "in_queue": Status.IN_QUEUE,
    "queued": Status.IN_QUEUE,
    "pending": Status.IN_QUEUE,
    "in_progress": Status.IN_PROGRESS,
    "processing": Status.IN_PROGRESS,
    "running": Status.IN_PROGRESS,
    "completed": Status.COMPLETED,
    "complete": Status.COMPLETED,
    "done": Status.COMPLETED,
    "finished": Status.COMPLETED,
    "succeeded": Status.COMPLETED,
    "success": Status.COMPLETED,
    "failed": Status.FAILED,
    "error": Status.FAILED,
    "cancelled": Status.CANCELLED,
    "canceled": Status.CANCELLED,
}


def check_request_id(request_id: str) -> str:
    """Pass an id on that may stand in a URL.

    Raises:
        InputError: It holds anything but letters, digits, `-` and `_`, or over 128 of them.
    """
    if not re.fullmatch(REQUEST_ID_PATTERN.strip("^$"), request_id, re.ASCII):
        raise InputError(
            "request_id",
            "request_id must be 1 to 128 letters, digits, - or _, as generate_video gave it.",
        )
    return request_id


def read_object(body: Any) -> Mapping[str, Any]:
    """Pass a JSON object on; anything else is unreadable."""
    if not isinstance(body, dict):
        raise UnreadableAnswer("RunComfy sent an answer that is no JSON object.")
    return cast("dict[str, Any]", body)


def read_status_word(body: Mapping[str, Any]) -> Status:
    """Read the state from an answer: any letter case, and an unknown word is "in progress".

    (client: every one of RunComfy's clients takes an unknown word as "not finished".)
    """
    word = body.get("status")
    if not isinstance(word, str):
        raise UnreadableAnswer("RunComfy sent an answer without a status.")
    plain = re.sub(r"[\s-]+", "_", word.strip().lower())
    return _WORDS.get(plain, Status.IN_PROGRESS)


def read_submit(body: Mapping[str, Any]) -> str:
    """Read the request id from the answer to a submit; its URLs are not looked at."""
    request_id = body.get("request_id")
    if not isinstance(request_id, str):
        raise UnreadableAnswer("RunComfy accepted the request without a request_id.")
    try:
        return check_request_id(request_id)
    except InputError:
        raise UnreadableAnswer("RunComfy gave a request_id that cannot be used.") from None


def read_status(body: Mapping[str, Any]) -> Observation:
    """Read what a status answer says; a run that ended says nothing of its outcome."""
    status = read_status_word(body)
    if status is Status.IN_QUEUE:
        return Queued(position=_position(body.get("queue_position")))
    return Ended(how=status) if status.final else Running()


def read_result(body: Mapping[str, Any]) -> Observation:
    """Read what a result answer says; asked early, it says where the job stands."""
    status = read_status_word(body)
    times = {key: _time(body.get(key)) for key in ("created_at", "finished_at")}
    cost = _amount(body.get("cost"))
    if status is Status.COMPLETED:
        outputs = read_outputs(body.get("output"))
        if outputs:
            return Succeeded(outputs=outputs, cost_usd=cost, **times)
        if not body.get("error"):
            # The run ended, and its files are not listed yet.
            return Ended(how=Status.COMPLETED)
        status = Status.FAILED
    if status is Status.FAILED:
        error = error_text(body) or "RunComfy gave no reason"
        return Failed(error=error, cost_usd=cost, **times)
    return Cancelled() if status is Status.CANCELLED else read_status(body)


def read_cancel(body: Mapping[str, Any]) -> bool:
    """Tell whether a cancel worked: `outcome` or `status` says cancelled, in any spelling."""
    said = (body.get("outcome"), body.get("status"))
    words = {word.strip().lower() for word in said if isinstance(word, str)}
    if not words:
        raise UnreadableAnswer("RunComfy answered a cancel without an outcome.")
    return bool(words & {"cancelled", "canceled"})


def read_outputs(output: Any) -> Outputs:
    """Collect the URLs of an `output` object, one each and lists, without repetition.

    Only `output` is read, since answers may echo the inputs, which hold URLs too (client).
    """
    found = cast("dict[str, Any]", output) if isinstance(output, dict) else {}

    def urls(*keys: str) -> tuple[str, ...]:
        values = (url for key in keys for url in _as_list(found.get(key)))
        return tuple(dict.fromkeys(url for url in values if _is_url(url)))

    return Outputs(videos=urls("video", "videos"), images=urls("image", "images"))


def _as_list(value: Any) -> Iterable[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else (value,)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > 8192 or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        return False


def _position(value: Any) -> int | None:
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if ok else None


def _amount(value: Any) -> float | None:
    """Read an amount in USD: a number, or digits in a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _time(value: Any) -> datetime | None:
    """Read a time: ISO 8601, UTC where no zone is given, or Unix seconds or milliseconds."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,}(\.[0-9]+)?", value, re.ASCII):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        number = _amount(value)
        if not number:
            return None
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
