import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance_mcp.errors import (
    RateLimited,
    RequestRejected,
    RunComfyUnavailable,
    UnreadableAnswer,
)
from seedance_mcp.runcomfy._decoding import MAX_TOKENS, TOO_LONG, parse_json
from seedance_mcp.runcomfy._error_codes import About
from seedance_mcp.runcomfy.http import (
    MAX_ANSWER_BYTES,
    MAX_ECHO_BYTES,
    NEVER_SENT,
    HttpAnswer,
)
from tests.support.json_values import json_values
from tests.support.scripted_network import (
    NOW,
    FrozenTime,
    ScriptedNetwork,
    Step,
    answer,
    open_runcomfy_http,
)
from tests.support.wording import DID_NOT_ANSWER, NO_USABLE_ANSWER, REQUEST_REJECTED

pytestmark = pytest.mark.anyio

URL = "https://api.example/v1/requests/r-1/status"
READ = HttpAnswer(status_code=200, body={"status": "in_queue"}, error=None)


async def got(*steps: Step) -> tuple[HttpAnswer | str, list[float]]:
    """Send one safe request; return its answer or error, and the delays between attempts."""
    time = FrozenTime()
    network = ScriptedNetwork(*steps)
    async with open_runcomfy_http(network, time=time) as http:
        seen = await http.get("/v1/requests/r-1/status", about="job")
    assert network.sent == [f"GET {URL}"] * len(steps)
    unanswered = seen.error.message if seen.error and not seen.status_code else None
    return unanswered or seen, time.pauses


FAULTS = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("bad"),
    httpx.ProxyError("no"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_safe_request_is_retried_after_a_connection_error(fault: Exception) -> None:
    assert await got(fault, answer()) == (READ, [0.375])


@pytest.mark.parametrize("status_code", [429, 502, 503, 504])
async def test_a_safe_request_is_retried_if_runcomfy_was_busy(status_code: int) -> None:
    assert await got(answer(status_code, {}), answer()) == (READ, [0.375])


async def test_a_safe_request_fails_after_four_attempts_with_growing_delays() -> None:
    fault = httpx.ReadTimeout("slow")
    assert await got(fault, fault, fault, fault) == (
        f"{DID_NOT_ANSWER} (ReadTimeout).",
        [0.375, 0.75, 1.5],
    )


async def test_the_last_error_is_returned_when_attempts_run_out() -> None:
    seen, pauses = await got(*(answer(503, {"detail": str(n)}) for n in range(4)))
    assert isinstance(seen, HttpAnswer)
    assert str(seen.error) == f'{NO_USABLE_ANSWER} (503: "3").'
    assert pauses == [0.375, 0.75, 1.5]


async def test_every_kind_of_failure_counts_as_an_attempt() -> None:
    fault = httpx.ConnectError("refused")
    assert await got(fault, answer(429, {}), answer(502, {}), answer()) == (
        READ,
        [0.375, 0.75, 1.5],
    )


@pytest.mark.parametrize("status_code", [301, 302, 400, 401, 402, 403, 404, 408, 409, 422, 500])
async def test_an_error_that_a_retry_would_not_change_is_not_retried(status_code: int) -> None:
    seen, pauses = await got(answer(status_code, {"message": "No"}))
    assert isinstance(seen, HttpAnswer)
    assert (seen.status_code, seen.body, pauses) == (status_code, {"message": "No"}, [])
    assert seen.error is not None


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000])
async def test_an_answer_that_is_not_json_has_no_body_and_is_not_retried(raw: bytes) -> None:
    assert await got(httpx.Response(200, content=raw)) == (
        HttpAnswer(status_code=200, body=None, error=None),
        [],
    )


LATER = {
    seconds: format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    for seconds in (3, -60, 9)
}


@pytest.mark.parametrize("status_code", [429, 503])
@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("3", 3.0),
        (" 8 ", 8.0),
        ("0", 0.0),
        (LATER[3], 3.0),
        (LATER[-60], 0.0),
        (LATER[3].replace("GMT", "-0000"), 3.0),
        ("soon", 0.375),
        ("", 0.375),
        ("-5", 0.375),
        ("1.5", 0.375),
        ("\u00b2", 0.375),
        ("Fri, 99 Jan 2026 03:04:05 GMT", 0.375),
        ("Fri, 02 Jan 99999999999 03:04:05 GMT", 0.375),
    ],
)
async def test_the_delay_is_what_runcomfy_asks_for(
    status_code: int, header: str, pause: float
) -> None:
    raw = [(b"Retry-After", header.encode("latin-1"))]
    assert await got(httpx.Response(status_code, headers=raw), answer()) == (READ, [pause])


@pytest.mark.parametrize(("header", "asked"), [("9", 9.0), ("3600", 3600.0), (LATER[9], 9.0)])
async def test_a_delay_of_more_than_eight_seconds_is_reported_instead_of_waited_for(
    header: str, asked: float
) -> None:
    seen, pauses = await got(answer(429, {}, Retry_After=header))
    assert isinstance(seen, HttpAnswer)
    assert isinstance(seen.error, RateLimited)
    assert (seen.error.retry_after, pauses) == (asked, [])


def every_kind(root: type[Exception]) -> Iterator[type[Exception]]:
    """Yield every subclass of a class."""
    for kind in root.__subclasses__():
        yield kind
        yield from every_kind(kind)


# Raised only by following redirects and by decoding, which are off, and by raise_for_status, which
# is not called.
NEVER_RAISED = {httpx.TooManyRedirects, httpx.DecodingError, httpx.HTTPStatusError}
GROUPS = {httpx.RequestError}


def test_every_error_that_a_request_can_raise_is_translated() -> None:
    raised = set(every_kind(httpx.HTTPError)) - NEVER_RAISED - GROUPS
    assert {kind for kind in raised if not issubclass(kind, httpx.TransportError)} == set()
    assert {kind for kind in NEVER_RAISED if issubclass(kind, httpx.TransportError)} == set()


KINDS = sorted(every_kind(httpx.TransportError), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_error_says_its_kind_and_whether_the_request_left(
    kind: type[Exception],
) -> None:
    network = ScriptedNetwork(kind("https://api.example/?token=secret"))
    async with open_runcomfy_http(network) as http:
        error = (await http.send("POST", "/v1/models/m", about="model", body={})).error
    assert isinstance(error, RunComfyUnavailable)
    assert (type(error), error.message, error.transient, error.never_sent, error.retry_after) == (
        RunComfyUnavailable,
        f"{DID_NOT_ANSWER} ({kind.__name__}).",
        True,
        kind in {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout},
        None,
    )
    assert issubclass(kind, NEVER_SENT) == error.never_sent


def raw_answer(content: bytes, encoding: str = "identity") -> httpx.Response:
    """Return an answer whose body is sent as it is, whatever its encoding is said to be."""
    headers = {"Content-Encoding": encoding}
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))


async def read(sent: httpx.Response, *, about: About = "job", body: object = None) -> Any:
    """Send one request and return what is read, or why nothing is."""
    network = ScriptedNetwork(sent)
    async with open_runcomfy_http(network) as http:
        seen = await http.send("POST", "/", about=about, body={"image": body})
    assert network.requests[0].headers["Accept-Encoding"] == "identity"
    return seen.error.message if isinstance(seen.error, UnreadableAnswer) else seen.body


TOO_MANY_PARTS = "RunComfy's answer has too many parts."
NOT_ASKED_FOR = "RunComfy's answer is encoded in a way that was not asked for."


@pytest.mark.parametrize(
    ("about", "sent", "most"),
    [("job", "", MAX_ANSWER_BYTES + MAX_ECHO_BYTES), ("model", "x" * 989, MAX_ANSWER_BYTES + 1001)],
)
async def test_an_answer_may_be_a_megabyte_longer_than_what_it_may_echo(
    about: About, sent: str, most: int
) -> None:
    longest = b'"' + b"x" * (most - 2) + b'"'
    assert await read(raw_answer(longest), about=about, body=sent) == "x" * (most - 2)
    assert await read(raw_answer(longest + b" "), about=about, body=sent) == TOO_LONG


class Trickle(httpx.AsyncByteStream):
    """A large body that lets other bodies come in between; counts how many are large by now."""

    large, most = 0, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(20):
            yield b" " * (MAX_ANSWER_BYTES // 8)
            await anyio.lowlevel.checkpoint()
            if number == 10:
                Trickle.large += 1
                Trickle.most = max(Trickle.most, Trickle.large)
        Trickle.large -= 1


async def test_large_answers_are_read_one_after_the_other() -> None:
    network = ScriptedNetwork(*(httpx.Response(200, stream=Trickle()) for _ in range(5)))
    async with open_runcomfy_http(network) as http, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(partial(http.send, "GET", "/", about="job"))
    assert (Trickle.most, Trickle.large) == (1, 0)


async def pieces(number: int, size: int) -> AsyncIterator[bytes]:
    """Send a body of spaces in pieces of one size."""
    for _ in range(number):
        yield b" " * size


async def test_a_body_in_tiny_chunks_counts_for_the_work_that_each_of_them_makes() -> None:
    assert await read(httpx.Response(200, content=pieces(20_000, 512))) is None
    assert await read(httpx.Response(200, content=pieces(5_000, 1))) is None
    assert await read(httpx.Response(200, content=pieces(50_000, 1))) == TOO_LONG


BODY = {"request_id": "r-1", "status": "completed"}
PLAIN = json.dumps(BODY).encode()


def blank(answers: int) -> bytes:
    """Return as many spaces as so many answers may have bytes."""
    return b" " * (answers * MAX_ANSWER_BYTES)


@pytest.mark.parametrize(
    ("content", "encoding", "seen"),
    [
        (PLAIN, "", BODY),
        (PLAIN, "Identity", BODY),
        (gzip.compress(PLAIN), "gzip", BODY),
        (gzip.compress(PLAIN), " X-GZIP", BODY),
        (zlib.compress(PLAIN), "deflate", BODY),
        (zlib.compress(PLAIN, wbits=-15), "deflate", BODY),
        (zlib.compress(PLAIN, 0, wbits=-15), "Deflate", BODY),
        (gzip.compress(PLAIN), "deflate", BODY),
        (gzip.compress(PLAIN[:7]) + gzip.compress(b"") + gzip.compress(PLAIN[7:]), "gzip", BODY),
        (gzip.compress(PLAIN) + b"\0" * 9, "gzip", BODY),
        (lambda: gzip.compress(PLAIN) + gzip.compress(blank(13)), "gzip", TOO_LONG),
        (gzip.compress(PLAIN) + gzip.compress(b"") * 40_000, "gzip", TOO_LONG),
        (lambda: zlib.compress(blank(100), wbits=-15), "deflate", TOO_LONG),
        (b"\x07" + PLAIN, "deflate", "RunComfy's answer is damaged."),
        (gzip.compress(gzip.compress(PLAIN)), "gzip, gzip", NOT_ASKED_FOR),
        (gzip.compress(PLAIN), "gzip; br", NOT_ASKED_FOR),
        (PLAIN, "br", NOT_ASKED_FOR),
        (PLAIN, "\x00", NOT_ASKED_FOR),
        (PLAIN, "gzip", "RunComfy's answer is damaged."),
        (gzip.compress(PLAIN)[:-30], "gzip", None),
        (lambda: gzip.compress(blank(100)), "gzip", TOO_LONG),
        (lambda: zlib.compress(blank(100)), "deflate", TOO_LONG),
    ],
    ids=range(22),
)
async def test_an_answer_is_inflated_once_and_within_its_bound(
    content: bytes | Callable[[], bytes], encoding: str, seen: object
) -> None:
    body = content if isinstance(content, bytes) else content()
    assert await read(raw_answer(body, encoding)) == seen


MANY = MAX_TOKENS + 1


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"[" + b"{}," * (MAX_TOKENS // 2) + b"{}]", TOO_MANY_PARTS),
        (b'["' + b'","' * MANY + b'"]', TOO_MANY_PARTS),
        (b'["\\\\",' + b"[]," * MANY + b'"\\\\"]', TOO_MANY_PARTS),
        (('["\u2200\u2222",' + "[]," * MANY + "0]").encode("utf-16"), TOO_MANY_PARTS),
        (b'"' + b"{[,:" * MANY + b'"', "{[,:" * MANY),
        (b'"' + b'\\"{[,:' * MANY + b'"', '"{[,:' * MANY),
        (b'"\xff"', "\ufffd"),
        (b"[" + b"9" * 5000 + b"]", [float("inf")]),
    ],
    ids=range(8),
)
async def test_an_answer_is_parsed_only_if_what_it_becomes_fits_into_memory(
    content: bytes, seen: object
) -> None:
    assert await read(raw_answer(content)) == seen


DEEP = b"[" * 50_000 + b"]" * 50_000


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"request_id": "r-1", "x": %s}', "r-1"),
        (b'{"x": %s, "request_id": "r-1"}', "r-1"),
        (b'{"x": {"request_id": "no", "y": %s}, "request_id": "r-1"}', "r-1"),
        (b'{"x": {"request_id": "no", "y": %s}}', None),
        (b'{"x": "\\"request_id\\": \\"no\\"", "y": %s}', None),
        (b'{"x": "}]\\\\", "request_id": "r-1", "y": %s}', "r-1"),
        (b'{"request\\u005fid": "r\\u002d1", "y": %s, "z": "[{"}', "r-1"),
        (b'{"request_id": "r-1", "y": %s', None),
        (b'{"request_id": "r-1"} %s', None),
        (b'{"request_id": "r-1", "y": %s, "z": "', None),
        (b'{"request_id": "r-1", "y": [%s, "\\', None),
    ],
)
async def test_an_id_in_an_answer_that_is_nested_too_deeply_is_not_lost(
    content: bytes, named: str | None
) -> None:
    body: Any = await read(raw_answer(content.replace(b"%s", DEEP)))
    assert (body and body.get("request_id")) == named


@settings(deadline=None)
@given(json_values(), st.booleans())
def test_what_is_not_nested_deeply_is_read_as_if_nothing_else_was(
    value: Any, escaped: bool
) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "replace")
    deep = b"[" * 2_000 + b"]" * 2_000
    first, _, last = parse_json(bytearray(b"[" + text + b"," + deep + b"," + text + b"]"))
    assert repr(first) == repr(last) == repr(parse_json(bytearray(text)))


async def test_a_rejection_is_returned_as_an_answer() -> None:
    seen, _ = await got(answer(400, {"error_code": 400003, "message": "Bad"}))
    assert isinstance(seen, HttpAnswer)
    assert (seen.status_code, type(seen.error), str(seen.error)) == (
        400,
        RequestRejected,
        f'{REQUEST_REJECTED} (400003: "Bad").',
    )
