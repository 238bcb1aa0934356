"""Clients of the older era behind a proxy, whose requests reach one server after the other."""

import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.replicas import Replicas, open_replicas
from tests.support.server_process import INITIALIZE, Servers, account, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

KEY = "a-key-that-all-replicas-share-0123456789"
"""The key of the sessions."""

HELD_MIB = 8.0
"""How much more memory a server may have after 2,000 sessions, of which each would take 100 KiB."""


@asynccontextmanager
async def open_client(replicas: Replicas) -> AsyncGenerator[Client, None]:
    """Connect the SDK's client of the older era, with a new connection for each request."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    async with httpx2.AsyncClient(
        limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as http_client:
        url = f"{replicas.proxy.url}/mcp"
        async with Client(
            streamable_http_client(url, http_client=http_client), mode="legacy"
        ) as client:
            yield client


@asynccontextmanager
async def started(
    servers: Servers, folder: Path
) -> AsyncGenerator[tuple[Replicas, Simulator], None]:
    """Run two servers behind a proxy, whose RunComfy is a simulator."""
    async with running(Behaviour(images="never", run_seconds=0.5)) as simulator:
        env = account(simulator, folder, SEEDANCE_STATE_KEY=KEY)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with open_replicas(servers, {"first": env, "second": env}) as replicas:
                yield replicas, simulator


async def test_a_client_goes_on_at_other_servers_and_after_restarts(
    servers: Servers, tmp_path: Path
) -> None:
    seen: list[str | None] = []

    async def collect(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        seen.append(message)

    async with started(servers, tmp_path) as (replicas, simulator), open_client(replicas) as client:
        begun = await client.call_tool("generate_video", {**ARGUMENTS, "wait_seconds": 0})
        job = {"request_id": begun.structured_content["request_id"]}
        for name in replicas.envs:
            await replicas.kill(name)
            await replicas.start(name)
            # The servers take turns.
            for _ in replicas.envs:
                listed = await client.call_tool("list_jobs", {})
                assert [each["request_id"] for each in listed.structured_content["jobs"]] == [
                    job["request_id"]
                ]
        ended = await client.call_tool("check_status", job, progress_callback=collect)
        assert ended.structured_content["status"] == "completed"
        assert seen
        assert [taken.request_id for taken in simulator.accepted] == [job["request_id"]]


async def test_identical_calls_at_two_servers_at_once_buy_one_clip(
    servers: Servers, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    async with started(servers, tmp_path) as (replicas, simulator):

        async def buy() -> None:
            async with open_client(replicas) as client:
                ready.append(1)
                if len(ready) == 4:
                    all_ready.set()
                await all_ready.wait()
                made = await client.call_tool("generate_video", ARGUMENTS)
                told.append(made.structured_content)

        ready: list[int] = []
        all_ready = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(buy)
        (bought,) = simulator.accepted
        assert {(each["request_id"], each["status"]) for each in told} == {
            (bought.request_id, "completed")
        }
        assert sorted(each["reused"] for each in told) == [False, True, True, True]


async def test_a_server_with_a_database_needs_the_key_that_all_share(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, SEEDANCE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    arguments = ["serve", "--transport", "http", "--port", "0"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        process = await servers.command(arguments, env)
    assert process.returncode == 1
    assert process.stderr.decode() == (
        "seedance-mcp: SEEDANCE_DATABASE_URL needs SEEDANCE_STATE_KEY over HTTP, the same at every"
        " server: a secret of 32 bytes or more, such as what `openssl rand -hex 32` prints.\n"
    )


def memory_mib(process_id: int) -> float:
    """Return how much memory a process has, in MiB."""
    status = Path(f"/proc/{process_id}/status").read_text("utf-8")
    (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kib) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
@pytest.mark.stress
async def test_two_thousand_sessions_hold_no_memory(servers: Servers, tmp_path: Path) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    headers = {"Accept": "application/json, text/event-stream"}
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            servers.http(environment(tmp_path)) as (url, process),
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS, headers=headers) as http,
        ):

            async def initialize(times: int) -> float:
                for _ in range(times):
                    answer = await http.post(url, json=body)
                    assert json.loads(answer.text.partition("data: ")[2])["result"]
                return memory_mib(process.pid)

            before = await initialize(200)
            assert await initialize(2000) - before < HELD_MIB
