"""The server on a port of this machine, for pipelines: who may talk to it, and how it ends."""

import json
import os
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import (
    INITIALIZE,
    Servers,
    account,
    environment,
    read_all,
)
from tests.support.timeouts import NEVER_SECONDS, PROMPT_SECONDS, TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_clip_is_made_over_http_in_both_eras(
    servers: Servers, mode: str, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never")) as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.http(env) as (url, _), Client(url, mode=mode) as client:
                seen: list[str | None] = []

                async def collect(
                    progress: float, total: float | None, message: str | None
                ) -> None:
                    del progress, total
                    seen.append(message)

                made = await client.call_tool(
                    "generate_video", ARGUMENTS, progress_callback=collect
                )
        assert made.structured_content["status"] == "completed"
        assert seen[0] == "submitting, 0 s"
        assert len(simulator.accepted) == 1


async def test_requests_with_a_foreign_host_or_origin_are_rejected(
    servers: Servers, tmp_path: Path
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    accept = {"Accept": "application/json, text/event-stream"}
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            servers.http(environment(tmp_path)) as (url, _),
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
        ):
            port = httpx.URL(url).port
            for headers, status in [
                ({}, 200),
                ({"Origin": f"http://localhost:{port}"}, 200),
                ({"Host": f"localhost:{port}"}, 200),
                ({"Host": "evil.example"}, 421),
                ({"Host": f"evil.example:{port}"}, 421),
                ({"Origin": "https://evil.example"}, 403),
                ({"Origin": "null"}, 403),
            ]:
                answer = await http.post(url, json=body, headers=accept | headers)
                assert (headers, answer.status_code) == (headers, status)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])
async def test_an_address_that_others_can_reach_is_rejected_with_the_reason(
    servers: Servers, host: str, tmp_path: Path
) -> None:
    arguments = ["serve", "--transport", "http", "--host", host]
    with anyio.fail_after(TIMEOUT_SECONDS):
        process = await servers.command(arguments, environment(tmp_path))
    assert process.returncode == 1
    assert process.stderr.decode() == (
        f"seedance-mcp: Others can reach this server as {host}, and could spend your RunComfy"
        " balance: set SEEDANCE_ACCESS_TOKENS, SEEDANCE_BRING_YOUR_OWN_TOKEN=true, or"
        " SEEDANCE_AUTH_ISSUER with SEEDANCE_AUTH_AUDIENCE, so that only those with a token can.\n"
    )


async def test_a_port_that_is_taken_is_named(servers: Servers, tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS), socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "--transport", "http", "--port", port]
        process = await servers.command(arguments, environment(tmp_path))
    assert process.returncode == 1
    assert process.stderr.decode() == (
        f"seedance-mcp: Cannot listen on port {port}: {os.strerror(98).lower()}.\n"
    )


async def test_certificates_that_cannot_be_used_end_the_start_with_one_line(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, SSL_CERT_FILE=str(tmp_path / "no-such-file"))
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(env) as (_, process):
            assert process.stderr
            said = b"".join([part async for part in process.stderr]).decode()
            assert await process.wait() == 1
    (line,) = said.splitlines()
    assert line.startswith("seedance-mcp: The proxy or the certificates that the environment names")


async def test_a_call_whose_connection_dropped_gets_its_job_back(
    servers: Servers,
    tmp_path: Path,
) -> None:
    def is_recorded() -> bool:
        with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as ledger:
            return ledger.execute("SELECT request_id FROM jobs").fetchall() != [(None,)]

    dropped = anyio.Event()

    async def delay(_: float) -> None:
        await dropped.wait()

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, sleep=delay) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.http(env) as (url, _):
                async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
                    session = await _session(http, url)
                    call = _call(2, wait_seconds=0)
                    async with http.stream("POST", url, json=call, headers=session):
                        await wait_until(lambda: bool(simulator.accepted))
                dropped.set()
                # In this era the call continues without its connection.
                await wait_until(is_recorded)
                async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
                    session = await _session(http, url)
                    answer = await http.post(url, json=_call(2, wait_seconds=0), headers=session)
        (data,) = [line for line in answer.text.splitlines() if '"result"' in line]
        told = json.loads(data.removeprefix("data: "))["result"]["structuredContent"]
        bought = [job.request_id for job in simulator.accepted]
        assert (bought, told["reused"]) == ([told["request_id"]], True)


def _call(number: int, **more: Any) -> dict[str, Any]:
    params = {"name": "generate_video", "arguments": ARGUMENTS | more}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


async def _session(http: httpx.AsyncClient, url: str) -> dict[str, str]:
    """Do the handshake of the 2025-11-25 revision, and return the headers of later requests."""
    accept = {"Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    answer = await http.post(url, json=body, headers=accept)
    session = accept | {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await http.post(url, json=body, headers=session)
    return session


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_ends_promptly_while_a_call_waits(
    servers: Servers, end: signal.Signals, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never", run_seconds=NEVER_SECONDS)) as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with (
                servers.http(env) as (url, process),
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            ):
                session = await _session(http, url)
                async with http.stream("POST", url, json=_call(2), headers=session):
                    await wait_until(lambda: bool(simulator.accepted))
                    started_at = time.monotonic()
                    process.send_signal(end)
                    assert await process.wait() == 0
                    assert time.monotonic() - started_at < PROMPT_SECONDS
                assert process.stderr
                assert b"Traceback" not in await read_all(process.stderr)


async def test_a_request_that_is_still_sent_at_the_end_is_told_why_it_gets_no_answer(
    servers: Servers, tmp_path: Path
) -> None:
    head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    half = f"{head}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n{{"
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(environment(tmp_path)) as (url, process):
            async with await anyio.connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as stream:
                await stream.send(half.encode())
                # That is sent once the body is waited for.
                assert await stream.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
                process.terminate()
                answer = b"".join([part async for part in stream])
            assert await process.wait() == 0
            assert process.stderr
            assert await read_all(process.stderr) == b""
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"The server has shut down before it could answer." in answer


@pytest.mark.parametrize("waits", [True, False])
async def test_a_paid_request_has_seconds_to_be_answered_after_sigterm(
    servers: Servers, *, waits: bool, tmp_path: Path
) -> None:
    ending = anyio.Event()

    async def delay(_: float) -> None:
        await ending.wait()
        # Longer than stdio allows, whose whole end takes a second.
        await anyio.sleep(1.5)

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, sleep=delay) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with (
                servers.http(env) as (url, process),
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            ):
                session = await _session(http, url)
                async with http.stream("POST", url, json=_call(2), headers=session) as answer:
                    await wait_until(lambda: bool(simulator.accepted))
                    if not waits:
                        await answer.aclose()
                    process.send_signal(signal.SIGTERM)
                    await _refuses_calls(http, url)
                    process.send_signal(signal.SIGTERM)
                    ending.set()
                    lines = [line async for line in answer.aiter_lines()] if waits else []
                assert await process.wait() == 0
    (bought,) = simulator.accepted
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT status, request_id FROM jobs").fetchall()
    assert rows == [("in_queue", bought.request_id)]
    assert any(bought.request_id in line for line in lines) is waits


@pytest.mark.stress
@pytest.mark.parametrize("waits", [True, False])
async def test_the_process_ends_within_ten_seconds_although_runcomfy_does_not_answer(
    servers: Servers, *, waits: bool, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never"), sleep=_never) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with (
                servers.http(env) as (url, process),
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            ):
                session = await _session(http, url)
                async with http.stream("POST", url, json=_call(2), headers=session) as answer:
                    await wait_until(lambda: bool(simulator.accepted))
                    if not waits:
                        await answer.aclose()
                    began = time.monotonic()
                    process.send_signal(signal.SIGTERM)
                    assert await process.wait() == 0
                    assert 6 < time.monotonic() - began < 10


async def _never(_: float) -> None:
    await anyio.sleep_forever()


async def _refuses_calls(http: httpx.AsyncClient, url: str) -> None:
    """Wait until the server shuts down, when it is healthy but takes no calls."""
    ready = httpx.URL(url).join("/readyz")
    while (await http.get(ready)).status_code == 200:
        pass
    answer = await http.post(url, json=_call(9), headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert (await http.get(httpx.URL(url).join("/healthz"))).status_code == 200
