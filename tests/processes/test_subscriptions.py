"""Subscriptions and resources of the server as a real process, over stdio and over HTTP."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.notifications import UpdateListener
from tests.support.server_process import MODERN_META, Pipes, Servers, account
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(servers: Servers, folder: Path) -> AsyncGenerator[tuple[Pipes, Simulator], None]:
    """Start a server whose RunComfy is a simulator with jobs of half a second."""
    async with running(Behaviour(images="never", run_seconds=0.5)) as simulator:
        env = account(simulator, folder)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                yield pipes, simulator


async def call(pipes: Pipes, number: int, tool: str, **params: Any) -> dict[str, Any]:
    """Call a tool and return its structured content."""
    answer = await pipes.request(number, "tools/call", {"name": tool, **params})
    structure: dict[str, Any] = answer["result"]["structuredContent"]
    return structure


def updates_in(pipes: Pipes) -> list[dict[str, Any]]:
    """Return the parameters of every resource update so far."""
    messages = [json.loads(line) for line in pipes.lines]
    method = "notifications/resources/updated"
    return [message["params"] for message in messages if message.get("method") == method]


async def test_a_subscriber_of_2025_11_25_receives_the_end_and_reads_it(
    servers: Servers, tmp_path: Path
) -> None:
    async with started(servers, tmp_path) as (pipes, simulator):
        initialized = await pipes.initialize()
        assert initialized["result"]["capabilities"]["resources"]["subscribe"] is True
        made = await call(pipes, 1, "generate_video", arguments={**ARGUMENTS, "wait_seconds": 0})
        uri = f"seedance://jobs/{made['request_id']}"
        assert (await pipes.request(2, "resources/subscribe", {"uri": uri}))["result"] == {}
        waited = {"request_id": made["request_id"], "wait_seconds": 60}
        ended = await call(pipes, 3, "check_status", arguments=waited)
        assert ended["status"] == "completed"
        read = await pipes.request(4, "resources/read", {"uri": uri})
        (content,) = read["result"]["contents"]
        assert json.loads(content["text"]) == ended
        told = updates_in(pipes)
        assert told in ([{"uri": uri}], [{"uri": uri}] * 2)
        missing = await pipes.request(5, "resources/read", {"uri": "seedance://jobs/../model"})
        assert missing["error"]["code"] == -32002
        assert [job.request_id for job in simulator.accepted] == [made["request_id"]]


async def test_a_listener_of_2026_07_28_receives_the_end_and_the_process_ends_promptly(
    servers: Servers, tmp_path: Path
) -> None:
    async with started(servers, tmp_path) as (pipes, _):
        meta = {"_meta": MODERN_META}
        given = {**ARGUMENTS, "wait_seconds": 0}
        made = await call(pipes, 1, "generate_video", arguments=given, **meta)
        uri = f"seedance://jobs/{made['request_id']}"
        wanted = {"notifications": {"resourceSubscriptions": [uri]}}
        await pipes.send(id=2, method="subscriptions/listen", params={**wanted, **meta})
        acknowledged = await pipes.receive()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"]["notifications"] == wanted["notifications"]
        waited = {"request_id": made["request_id"], "wait_seconds": 60}
        ended = await call(pipes, 3, "check_status", arguments=waited, **meta)
        assert ended["status"] == "completed"
        missing = {"uri": "seedance://jobs/../model", **meta}
        refused = await pipes.request(4, "resources/read", missing)
        assert (refused["error"]["code"], refused["error"]["data"]) == (
            -32602,
            {"uri": "seedance://jobs/../model"},
        )
        told = updates_in(pipes)
        stamped = {"uri": uri, "_meta": {"io.modelcontextprotocol/subscriptionId": 2}}
        assert told in ([stamped], [stamped] * 2)
        started_at = time.monotonic()
        await pipes.stdin.aclose()
        assert await pipes.process.wait() == 0
        assert time.monotonic() - started_at < PROMPT_SECONDS


async def test_a_client_over_http_receives_updates_and_does_not_delay_shutdown(
    servers: Servers, tmp_path: Path
) -> None:
    updates = UpdateListener()
    async with running(Behaviour(images="never", run_seconds=0.5)) as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with (
                servers.http(env) as (url, process),
                Client(url, message_handler=updates) as client,
                updates.listening(client, "seedance://jobs", to_the_end=True),
            ):
                made = await client.call_tool("generate_video", ARGUMENTS)
                assert made.structured_content["status"] == "completed"
                await updates.any.wait()
                assert set(updates.uris) == {"seedance://jobs"}
                process.terminate()
                with anyio.fail_after(PROMPT_SECONDS):
                    assert await process.wait() == 0
