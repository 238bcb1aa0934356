"""What no client should send over HTTP, to a real process: what is answered, and who notices."""

import json
import re
import sys
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process, SocketStream

from tests.support.server_process import INITIALIZE, FreshServers, Servers, environment
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
MALFORMED = b'{"jsonrpc":"2.0","method":"notifications/initialized","params":{"_meta":5}}'
HOST = b"Host: localhost\r\n"
FORM = b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
POST = b"POST /mcp HTTP/1.1\r\n" + HOST + FORM
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
MODERN = b"Mcp-Protocol-Version: 2026-07-28"
MEGABYTE = b"x" * 1_000_000
MIB = 1024 * 1024

TOO_LONG = "The body is longer than 9 MiB. Nothing was done or charged."
TOO_MANY = "The body has more than 100000 values. Nothing was done or charged."
NOT_HTTP = "The request is not valid HTTP."
FOREIGN_HOST = "The server is not known by the name in Host. --allowed-host adds a name."
FOREIGN_ORIGIN = "Pages of this Origin may not call the server. --allowed-origin adds an origin."
NO_BATCHES = "Batches are not supported: send each message by itself. Nothing was done or charged."


def posted(body: bytes, *lines: bytes, head: bytes = POST) -> list[bytes]:
    more = b"".join(line + b"\r\n" for line in lines)
    return [head + more + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body), body]


def in_chunks(megabytes: int) -> Iterator[bytes]:
    yield CHUNKED
    for _ in range(megabytes):
        yield b"%x\r\n" % len(MEGABYTE) + MEGABYTE + b"\r\n"


def refused() -> list[tuple[str, Iterable[bytes], int, str]]:
    """Return requests by name, with the status and the beginning of the message they are given."""
    long = [POST + b"Content-Length: 100000000\r\n\r\n"]
    waits = [POST + b"Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"]
    old = b"POST /mcp HTTP/1.0\r\n"
    text = POST.replace(b"application/json\r\nA", b"text/plain\r\nA")
    page = POST.replace(b"application/json, text/event-stream", b"text/html")
    return [
        ("100 MB", [*long, *[MEGABYTE] * 100], 413, TOO_LONG),
        ("100 MB in chunks", in_chunks(100), 413, TOO_LONG),
        ("100 MB, if it may", waits, 413, TOO_LONG),
        ("3 million values", posted(b"[%s[]]" % (b"[]," * 3_000_000)), 413, TOO_MANY),
        ("tiny chunks", [CHUNKED, b"1\r\n1\r\n" * 11_000], 413, "The request has more than 20,000"),
        ("a head of 1 MB", [POST + b"X: " + MEGABYTE], 431, "The head of the request is longer"),
        ("no HTTP", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"], 400, NOT_HTTP),
        ("a bad chunk", [CHUNKED + b"zz\r\n"], 400, NOT_HTTP),
        ("two lengths", [POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"], 400, NOT_HTTP),
        ("a bad length", [POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"], 400, NOT_HTTP),
        ("a bad encoding", [POST + b"Transfer-Encoding: x\r\n\r\n"], 501, "The transfer encoding"),
        ("no host", [old + b"\r\n"], 421, FOREIGN_HOST),
        ("a foreign host", posted(PING, head=POST.replace(b"local", b"evil")), 421, FOREIGN_HOST),
        ("a foreign page", posted(PING, b"Origin: https://e.example"), 403, FOREIGN_ORIGIN),
        ("broken JSON", posted(b"{"), 400, "Parse error"),
        ("deep JSON", posted(b"[" * 100_000), 400, "Parse error"),
        ("broken UTF-8", posted(b'{"jsonrpc":"2.0","id":1,"method":"\xff"}'), 400, "Parse error"),
        ("no JSON, modern", posted(b"{", MODERN), 400, ""),
        ("a batch", posted(b"[%s,%s]" % (PING, PING)), 400, NO_BATCHES),
        ("text", posted(PING, head=text), 415, "The Content-Type must be application/json."),
        ("no answer it takes", posted(PING, head=page), 406, "Not Acceptable"),
        ("no version", posted(PING, b"Mcp-Protocol-Version: 1999-01-01"), 400, ""),
        (
            "another method",
            [b"PUT /mcp HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"],
            405,
            "Use",
        ),
    ]


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[SocketStream, None]:
    stream = await anyio.connect_tcp("127.0.0.1", port)
    try:
        yield stream
    finally:
        await anyio.aclose_forcefully(stream)


async def exchange(port: int, parts: Iterable[bytes]) -> bytes:
    """Send parts of a request, and return what is answered until the connection ends."""
    answer = b""
    async with connected(port) as stream:
        try:
            for part in parts:
                await stream.send(part)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pytest.fail("the connection was reset before the answer could be read")
        async for data in stream:
            answer += data
    return answer


def status(answer: bytes) -> int:
    return int(answer[9:12])


async def test_each_bad_request_is_refused_with_the_reason_and_the_next_is_served(
    servers: Servers, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, bool]] = []
    cases = refused()
    traced = b"traceparent: 00-%s-%s-01\r\n" % (b"a" * 32, b"b" * 16)
    odd = [b"traceparent: " + b"x" * 600, traced + b"tracestate: x", traced + b"baggage: x"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(environment(tmp_path)) as (url, process):
            port = httpx.URL(url).port or 0
            for name, parts, _, message in cases:
                answer = await exchange(port, parts)
                told = json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]["message"]
                seen.append((name, status(answer), told.startswith(message)))
            served = [status(await exchange(port, posted(PING, line))) for line in odd]
            served.append(status(await exchange(port, posted(MALFORMED))))
            process.terminate()
            assert process.stderr
            logged = b"".join([part async for part in process.stderr])
    assert seen == [(name, expected, True) for name, _, expected, _ in cases]
    assert served == [200, 200, 200, 202]
    # Whoever sends such things fills no log.
    assert logged == b""


async def test_requests_that_are_sent_together_are_answered_in_their_order(
    servers: Servers, tmp_path: Path
) -> None:
    def ping(number: int, *lines: bytes) -> bytes:
        body = PING.replace(b'"id":1', b'"id":%d' % number)
        length = b"Content-Length: %d" % len(body)
        return POST + b"\r\n".join([*lines, length, b"", body])

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(environment(tmp_path)) as (url, _):
            together = b"".join(map(ping, range(30))) + ping(30, b"Connection: close")
            answer = await exchange(httpx.URL(url).port or 0, [together])
            old = posted(PING, head=POST.replace(b"1.1", b"1.0"))
            expecting = posted(PING, b"Expect: 100-continue")
            plain = [await exchange(httpx.URL(url).port or 0, each) for each in (old, expecting)]
    assert [int(found) for found in re.findall(rb'"id":(\d+)', answer)] == list(range(31))
    assert [each.count(b'"result":{}') for each in plain] == [1, 1]
    assert plain[1].startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


async def test_a_client_that_sends_all_before_it_reads_learns_why_it_was_refused(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            servers.http(environment(tmp_path)) as (url, _),
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
        ):
            answer = await http.post(url, content=MEGABYTE * 20)
    assert (answer.status_code, answer.json()["error"]["message"]) == (413, TOO_LONG)


async def send_forever(stream: SocketStream, data: bytes) -> None:
    while True:
        await stream.send(data)


async def test_a_client_that_sends_much_behind_a_request_is_cut_off(
    servers: Servers, tmp_path: Path
) -> None:
    request = POST + b"Content-Length: %d\r\n\r\n" % len(PING) + PING
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(environment(tmp_path)) as (url, _):
            port = httpx.URL(url).port or 0
            async with connected(port) as stream:
                with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
                    await send_forever(stream, request + b"x" * 200_000)
            assert status(await exchange(port, posted(PING))) == 200


class Bystander:
    """Another caller, who calls once in a while.

    Attributes:
        slowest: How many seconds its slowest call took.
        calls: How many calls it has made.
    """

    def __init__(self, port: int) -> None:
        self.slowest = 0.0
        self.calls = 0
        self._port = port

    async def call(self) -> None:
        """Call until this is cancelled."""
        while True:
            began = time.monotonic()
            assert status(await exchange(self._port, posted(PING))) == 200
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.calls += 1


def peak_memory(pid: int) -> int:
    """Return how many bytes of memory a process has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@asynccontextmanager
async def watched(folder: Path) -> AsyncGenerator[tuple[int, Process], None]:
    """Run a server with another caller, who must not notice, and whose memory must not grow."""
    async with FreshServers().http(environment(folder)) as (url, process):
        port = httpx.URL(url).port or 0
        bystander = Bystander(port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bystander.call)
            yield port, process
            tasks.cancel_scope.cancel()
        assert bystander.calls > 0
        assert bystander.slowest < PROMPT_SECONDS
        if sys.platform == "linux":
            assert peak_memory(process.pid) < 250 * MIB


@pytest.mark.stress
async def test_a_thousand_connections_that_send_nothing_or_half_a_head_are_closed_after_10_seconds(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with watched(tmp_path) as (port, _), AsyncExitStack() as open_:
            began = time.monotonic()
            idle = [await open_.enter_async_context(connected(port)) for _ in range(1000)]
            for stream in idle[500:]:
                await stream.send(POST)
            answers = [b"".join([data async for data in stream]) for stream in idle]
            took = time.monotonic() - began
    assert {status(answer) for answer in answers} == {408}
    assert 9 < took < 10 + PROMPT_SECONDS


@pytest.mark.stress
async def test_a_thousand_bodies_that_stop_halfway_are_refused(tmp_path: Path) -> None:
    start = POST + b"Content-Length: 9000000\r\n\r\n" + b"x" * 200_000
    statuses: list[int] = []

    async def stop_halfway(port: int) -> None:
        statuses.append(status(await exchange(port, [start])))

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with watched(tmp_path) as (port, _), anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(stop_halfway, port)
    # What is held of bodies has a bound; beyond it, they are refused at once.
    assert set(statuses) == {408, 503}
    assert len(statuses) == 1000


@pytest.mark.stress
async def test_two_thousand_initialisations_hold_nothing(tmp_path: Path) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with watched(tmp_path) as (port, _):
            for _ in range(2000):
                answer = await exchange(port, posted(json.dumps(body).encode()))
                assert status(answer) == 200


@pytest.mark.stress
async def test_more_connections_than_there_may_be_take_the_place_of_idle_ones(
    tmp_path: Path,
) -> None:
    limited = FreshServers(["prlimit", "--nofile=306:306"])
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with limited.http(environment(tmp_path)) as (url, _), AsyncExitStack() as open_:
            port = httpx.URL(url).port or 0
            for _ in range(200):
                await open_.enter_async_context(connected(port))
                assert status(await exchange(port, posted(PING))) == 200
