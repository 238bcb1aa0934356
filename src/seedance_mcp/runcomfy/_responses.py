"""RunComfy's JSON as our types, in every known or plausible form.

Anything else raises `UnreadableAnswer`, and the caller decides what that means: a poll is repeated,
the outcome of the paid POST is unknown. Texts from RunComfy are data: cut to one line of a few
hundred characters at most, and quoted where we speak.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, filterfalse, islice
from typing import Any, cast
from urllib.parse import quote

from seedance_mcp.errors import InputError, UnreadableAnswer
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.jobs.status import (
    MAX_USD,
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
from seedance_mcp.jobs.wish import Wish
from seedance_mcp.text import quoted

from ._error_codes import error_text, fields

_MAX_URL_LENGTH = 8192
_MAX_OUTPUTS = 100
_MAX_WORD_LENGTH = 40
_MAX_ECHO_LENGTH = 100_000
_MAX_OUTPUT_DEPTH = 10
# Others, which may look like spaces and so like the end of a URL, are escaped.
_URL_CHARACTERS = "%!#$&'()*+,/:;=?@[]~"
_OUTPUT_KEYS = ("output", "outputs", "result", "results")
_URL = re.compile(r"https?://([^\s/?#@:\[\]\\]+|\[[0-9a-f:.]+\])(:\d*)?([/?#]\S*)?", re.IGNORECASE)
_KIND = re.compile(
    r"(?P<video>videos?(?:_urls?)?$)|(?P<image>images?(?:_urls?)?$)"
    r"|(?P<still>.*(?:thumb|poster|preview|cover)|(?!.*video).*image)",
    re.IGNORECASE,
)
_VIDEO = re.compile(r"https?://[^/?#]*/[^?#]*\.(mp4|mov|webm)([?#]|$)", re.IGNORECASE)
_IMAGE = re.compile(r"https?://[^/?#]*/[^?#]*\.(png|jpe?g|webp|gif|avif)([?#]|$)", re.IGNORECASE)
_MAX_QUEUE_POSITION = 2**31 - 1
# As Unix seconds this is the year 5138, as milliseconds 1973.
_MAX_UNIX_SECONDS = 1e11
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
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
    plain = re.sub(r"[\s-]+", "_", _plain(word))
    return _STATUS_WORDS.get(plain, Status.IN_PROGRESS)


def _plain(word: str) -> str:
    return word[:_MAX_WORD_LENGTH].strip().lower()


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
        position = body.get("queue_position")
        known = type(position) is int and 0 <= position <= _MAX_QUEUE_POSITION
        return Queued(position=position if known else None)
    return Ended(how=status) if status.final else Running()


def read_result(body: Mapping[str, Any]) -> Observation:
    """Read a result answer, which has the state of a job that has not ended.

    Without a state, one that has a video is of a run that succeeded.
    """
    outputs, has_video = read_outputs([body.get(key) for key in _OUTPUT_KEYS])
    named = body.get("status") is not None
    status = Status.COMPLETED if has_video and not named else read_status_word(body)
    # What the input holds is only compared with our own; never take a URL from it.
    # As in the ledger, where a file is only its hash.
    echo = Wish(arguments=fields(body.get("input"))).digest
    model_id = body.get("model_id")
    facts: dict[str, Any] = {
        "cost_usd": _number(body.get("cost"), most=MAX_USD),
        "created_at": _time(body.get("created_at")),
        "finished_at": _time(body.get("finished_at")),
        "model_id": model_id if isinstance(model_id, str) else None,
        "echoed_input": echo if len(json.dumps(echo)) <= _MAX_ECHO_LENGTH else {},
    }
    if said := error_text(body):
        facts["error"] = f"RunComfy says: {quoted(said, 300)}"
    if status is Status.COMPLETED:
        listed = Succeeded(outputs=outputs, **facts)
        # Without a video, the run has ended and its video is not listed yet.
        return replace(listed, error=None) if has_video else Ended(how=status, listed=listed)
    if status is Status.FAILED:
        return Failed(**facts)
    return Cancelled() if status is Status.CANCELLED else read_status(body)


def read_cancel(body: Mapping[str, Any]) -> bool:
    """Return whether `outcome` or `status` says cancelled, in either spelling."""
    values = (body.get("outcome"), body.get("status"))
    words = {_plain(word) for word in values if isinstance(word, str)}
    if not words:
        raise UnreadableAnswer("RunComfy's answer to a cancel has no outcome.")
    return bool(words & {"cancelled", "canceled"})


def read_catalogue_page(body: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """Return the entries of a page of the catalogue, and how many there are in all."""
    models, total = body.get("models"), body.get("total")
    if not isinstance(models, list):
        raise UnreadableAnswer("RunComfy's answer has no list of models.")
    entries = [fields(entry) for entry in cast("list[Any]", models)]
    return entries, total if type(total) is int else _MAX_QUEUE_POSITION


def read_outputs(output: Any) -> tuple[Outputs, bool]:
    """Return the distinct URLs in an output, and whether a video is certainly among them.

    Those that end like a video come first, then the others below `video` or `videos`. Without any,
    every URL that is not an image's may be a video.
    """
    texts: defaultdict[str, dict[str, None]] = defaultdict(dict)
    _collect(output, "other", _MAX_OUTPUT_DEPTH, texts)

    def clips(*kinds: str) -> Iterator[str]:
        return filter(_VIDEO.match, chain.from_iterable(texts[kind] for kind in kinds))

    named = filterfalse(_IMAGE.match, texts["video"])
    videos = _urls(chain(clips("video", "other"), named, clips("image", "still")))
    others = _urls(chain(texts["other"], texts["video"]))
    images = _urls(filterfalse(_VIDEO.match, texts["image"]))
    return Outputs(videos=videos or others, images=images), bool(videos)


def _collect(value: Any, kind: str, depth: int, texts: Mapping[str, dict[str, None]]) -> None:
    """Add every text below a value to those of its kind: "video", "image", "still" or "other".

    Echoed inputs are left out, which hold URLs too (client).
    """
    if isinstance(value, str):
        texts[kind][value] = None
    elif depth and isinstance(value, list):
        for part in cast("list[Any]", value):
            _collect(part, kind, depth - 1, texts)
    elif depth:
        for key, part in fields(value).items():
            if key[:5].lower() != "input":
                named = _KIND.match(key)
                _collect(part, (named and named.lastgroup) or kind, depth - 1, texts)


def _urls(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first distinct texts that are URLs, of which each may come twice."""
    short = (text for text in texts if len(text) <= _MAX_URL_LENGTH and text.isprintable())
    urls = dict.fromkeys(islice(filter(_URL.fullmatch, short), 2 * _MAX_OUTPUTS))
    return tuple(quote(url, safe=_URL_CHARACTERS) for url in urls)[:_MAX_OUTPUTS]


def _number(value: Any, *, most: float) -> float | None:
    """Return a number from 0, which may come as a plain decimal in a string, or None."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip(" ")):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return float(value)


def _time(value: Any) -> datetime | None:
    """Return a time in UTC: ISO 8601 (UTC by default) or Unix seconds or milliseconds, or None."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,}(\.[0-9]+)?", value, re.ASCII):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        unix = _number(value, most=1000 * _MAX_UNIX_SECONDS)
        if not unix:
            return None
        return datetime.fromtimestamp(unix / 1000 if unix > _MAX_UNIX_SECONDS else unix, UTC)
    except (ValueError, OverflowError, OSError):
        return None
