"""Clients that never read the answer which has left for them: the same call buys nothing new."""

import socket
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS, structured
from tests.support.server_process import MODERN_META, Servers, account
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio


async def test_a_client_over_http_that_closes_without_reading_its_answer_gets_the_job_back(
    servers: Servers, tmp_path: Path
) -> None:
    arguments = ARGUMENTS | {"wait_seconds": 0}
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "generate_video", "arguments": arguments, "_meta": MODERN_META},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "generate_video",
    }
    async with running(Behaviour(images="never", run_seconds=1000)) as simulator:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.http(account(simulator, tmp_path)) as (url, _):
                request = httpx.Request("POST", url, json=call, headers=headers)
                for _ in range(3):
                    await _send_and_leave(request)
                await wait_until(lambda: len(simulator.accepted) > 0)
                async with Client(url) as client:
                    again = structured(await client.call_tool("generate_video", arguments))
        assert [job.request_id for job in simulator.accepted] == [again["request_id"]]
        assert again["reused"] is True


async def _send_and_leave(request: httpx.Request) -> None:
    """Send a request, and close the connection once the answer is there, unread."""
    address = request.url.host, request.url.port
    lines = [f"POST {request.url.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    with socket.create_connection(address) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + request.content)
        await anyio.wait_readable(connection)


async def test_a_client_over_stdio_that_hangs_and_is_killed_gets_the_job_back(
    servers: Servers, tmp_path: Path
) -> None:
    call: dict[str, Any] = {
        "name": "generate_video",
        "arguments": ARGUMENTS | {"wait_seconds": 0},
        "_meta": MODERN_META,
    }
    async with running(Behaviour(images="never", run_seconds=1000)) as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as hung:
                await hung.send(id=1, method="tools/call", params=call)
                # The pipe has taken the answer, and the client never uses it.
                await hung.answer(1)
                await hung.stdin.aclose()
                assert await hung.process.wait() == 0
            async with servers.stdio(env) as server:
                answer = await server.request(1, "tools/call", call)
        again = answer["result"]["structuredContent"]
        assert [job.request_id for job in simulator.accepted] == [again["request_id"]]
        assert again["reused"] is True
