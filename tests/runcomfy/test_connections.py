"""Connections carry one request at a time, are limited in number and are reused."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from seedance_mcp.clock import Clock
from seedance_mcp.errors import RateLimited, RunComfyUnavailable
from seedance_mcp.jobs.status import Queued
from seedance_mcp.retry import RETRY_ATTEMPTS
from seedance_mcp.runcomfy._throttle import Throttle
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.connections import MAX_CONNECTIONS, Connections, open_connections
from seedance_mcp.runcomfy.http import RunComfyHttp
from tests.support.client import ARGUMENTS
from tests.support.scripted_network import (
    BASE_URL,
    IN_QUEUE,
    ScriptedNetwork,
    answer,
    open_runcomfy_http,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


def answered_after(seconds: float, body: object) -> Callable[[httpx.Request], Any]:
    """Return a step that answers after some seconds."""

    async def step(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(seconds)
        return answer(200, body)

    return step


async def test_an_idle_connection_is_reused_and_a_busy_one_is_not() -> None:
    async with (
        Connections(httpx.AsyncClient) as connections,
        connections.acquire(timeout=1) as first,
    ):
        async with connections.acquire(timeout=1) as second:
            assert second is not first
        async with connections.acquire(timeout=1) as third:
            assert third is second


async def test_a_cookie_set_for_one_caller_is_sent_with_no_request_of_another() -> None:
    headers = {"Set-Cookie": "session=of-the-first-account; Path=/"}
    network = ScriptedNetwork(
        httpx.Response(200, json=IN_QUEUE, headers=headers), answer(200, IN_QUEUE)
    )
    async with await open_connections(BASE_URL, network.transport) as connections:
        first = RunComfyHttp(connections, BASE_URL, "the-first-token", Clock())
        for http in (first, first.with_token("another-token")):
            assert await RunComfyClient(http).status("r-1") == Queued(position=None)
    sent = [(each.headers["Authorization"], "Cookie" in each.headers) for each in network.requests]
    assert sent == [("Bearer the-first-token", False), ("Bearer another-token", False)]


async def test_a_token_that_is_sent_too_often_delays_no_other() -> None:
    too_many = [httpx.Response(429, json={}, headers={"Retry-After": "2"})] * RETRY_ATTEMPTS
    network = ScriptedNetwork(*too_many, answer(200, IN_QUEUE))
    async with open_runcomfy_http(network) as connected:
        first = replace(connected, throttle=Throttle(anyio.sleep))
        with pytest.raises(RateLimited):
            await RunComfyClient(first).status("r-1")
        other = first.with_token("another-token")
        began = anyio.current_time()
        assert await RunComfyClient(other).status("r-1") == Queued(position=None)
        assert anyio.current_time() == began


async def test_requests_beyond_the_maximum_wait_and_are_all_answered() -> None:
    many = MAX_CONNECTIONS + 50
    network = ScriptedNetwork(*[answered_after(1, {"status": "in_queue"})] * many)
    seen: list[Any] = []
    async with open_runcomfy_http(network) as http:

        async def ask() -> None:
            seen.append(await RunComfyClient(http).status("r-1"))

        async with anyio.create_task_group() as tasks:
            for _ in range(many):
                tasks.start_soon(ask)
            await anyio.sleep(0.5)
            assert len(network.sent) == MAX_CONNECTIONS
    assert seen == [Queued(position=None)] * many
    assert anyio.current_time() == pytest.approx(2, abs=0.01)


async def test_a_paid_request_that_gets_no_connection_is_known_to_be_unsent() -> None:
    network = ScriptedNetwork(*[answered_after(39, {"request_id": "r-1"})] * MAX_CONNECTIONS)
    async with open_runcomfy_http(network) as http:
        client = RunComfyClient(http)
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_CONNECTIONS):
                tasks.start_soon(client.submit, "a/model", ARGUMENTS)
            await anyio.sleep(1)
            with pytest.raises(RunComfyUnavailable) as raised:
                await client.submit("a/model", ARGUMENTS)
            assert raised.value.never_sent
            # Half of its 40 seconds: a later start would leave too little time for the answer.
            assert anyio.current_time() == pytest.approx(21, abs=0.01)


async def test_idle_connections_are_closed() -> None:
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient())
        return made[-1]

    async with Connections(client) as connections:

        async def use() -> None:
            async with connections.acquire(timeout=1):
                await anyio.sleep(1)

        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(use)
        await use()
        assert [one.is_closed for one in made] == [False] * 9
        await anyio.sleep(5)
        await use()
        assert sum(one.is_closed for one in made) == 8
    assert all(one.is_closed for one in made)


@pytest.mark.parametrize("kinds", [[True, False], [True], [True, True, False]])
async def test_paid_requests_leave_no_more_connections_than_were_in_use(kinds: list[bool]) -> None:
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=ScriptedNetwork().transport))
        return made[-1]

    async with Connections(client) as connections:
        for fresh in kinds * 50:
            before = len(made)
            async with connections.acquire(timeout=1, fresh=fresh):
                assert len(made) == before + fresh
            assert sum(not one.is_closed for one in made) == 1


async def test_the_first_connection_expires_too() -> None:
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=ScriptedNetwork().transport))
        return made[-1]

    async with Connections(client) as connections:
        await anyio.sleep(6)
        async with connections.acquire(timeout=1):
            assert [one.is_closed for one in made] == [True, False]


class _Closing(httpx.MockTransport):
    """A network whose connections close slowly and with an error."""

    async def aclose(self) -> None:
        await anyio.sleep(1)
        raise httpx.CloseError("It was gone.")


async def test_closing_idle_connections_loses_no_answer_and_no_connection() -> None:
    async def answered(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(1)
        return httpx.Response(200, json={"answer": 1})

    answers: list[Any] = []
    connections = Connections(lambda: httpx.AsyncClient(transport=_Closing(answered)))

    async def ask() -> None:
        async with connections.acquire(timeout=10) as http:
            answers.append((await http.get("https://api.example/")).json())

    for callers in (5, 2, 3):
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(ask)
        await anyio.sleep(9)
    assert answers == [{"answer": 1}] * 10


def _lines(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


async def test_a_paid_request_never_goes_over_a_connection_that_runcomfy_may_be_closing() -> None:
    received: list[int] = []

    async def serve(connection: SocketStream) -> None:
        """Answer one request, and close the kept connection just when the next one comes."""
        requests = BufferedByteReceiveStream(connection)
        async with connection:
            head = await requests.receive_until(b"\r\n\r\n", 2**16)
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await requests.receive_exactly(int(length[1]) if length else 0)
            body = b'{"request_id": "r-1", "status": "in_queue"}'
            size = b"Content-Length: %d" % len(body)
            await connection.send(_lines(b"HTTP/1.1 200 OK", size) + body)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                received.append(len(await connection.receive(1)))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with await open_connections(f"http://127.0.0.1:{port}", None) as connections:
            http = RunComfyHttp(connections, f"http://127.0.0.1:{port}", "a-token", Clock())
            client = RunComfyClient(http)
            for _ in range(5):
                assert await client.submit("a/model", ARGUMENTS) == "r-1"
        tasks.cancel_scope.cancel()
    # What each kept connection received after its first request: nothing.
    assert received == []
