"""Subscribers are notified of the changes of jobs, in both protocol eras."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest, JSONRPCResponse

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import SeedanceServer, build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS, ToolClient, open_client, structured
from tests.support.notifications import UpdateListener, subscribe
from tests.support.server_process import INITIALIZE
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


async def begun(client: ToolClient) -> str:
    """Buy a clip, and return its request_id."""
    made: str = structured(await client.generate(wait_seconds=0, force_new=True))["request_id"]
    return made


async def look(client: ToolClient, request_id: str) -> str:
    """Poll a job once, and return its status."""
    seen = await client.call("check_status", request_id=request_id, wait_seconds=0)
    await anyio.sleep(0.01)
    status: str = structured(seen)["status"]
    return status


@both_eras
async def test_a_subscriber_is_notified_of_every_change_of_its_job_only(mode: str) -> None:
    updates = UpdateListener()
    behaviour = Behaviour(workers=2, queue_seconds=5, run_seconds=10)
    async with open_client(behaviour, mode=mode, message_handler=updates) as client:
        mine, other = await begun(client), await begun(client)
        async with updates.listening(client.mcp, f"seedance://jobs/{mine}"):
            told: list[tuple[str, int]] = []
            for _ in range(10):
                await look(client, other)
                told.append((await look(client, mine), len(updates.uris)))
                await anyio.sleep(2)
        changes = [how for number, how in enumerate(told) if how[1] != (told[number - 1][1])]
        assert [status for status, _ in changes] == ["in_queue", "in_progress", "completed"]
        assert updates.uris == [f"seedance://jobs/{mine}"] * 3


@both_eras
async def test_the_list_of_jobs_changes_when_a_job_is_begun_and_when_it_changes(
    mode: str,
) -> None:
    updates = UpdateListener()
    async with open_client(Behaviour(run_seconds=10), mode=mode, message_handler=updates) as client:
        async with updates.listening(client.mcp, "seedance://jobs"):
            made = await begun(client)
            await anyio.sleep(0.01)
            assert updates.uris == ["seedance://jobs"]
            await anyio.sleep(20)
            assert updates.uris == ["seedance://jobs"]
            assert await look(client, made) == "completed"
            assert updates.uris == ["seedance://jobs"] * 2
            await look(client, made)
            await client.call("get_result", request_id=made)
            await anyio.sleep(0.01)
        assert updates.uris == ["seedance://jobs"] * 2


@both_eras
async def test_nothing_is_sent_after_unsubscribing(mode: str) -> None:
    updates = UpdateListener()
    async with open_client(Behaviour(run_seconds=10), mode=mode, message_handler=updates) as client:
        made = await begun(client)
        async with updates.listening(client.mcp, f"seedance://jobs/{made}", "seedance://jobs"):
            pass
        await anyio.sleep(20)
        assert await look(client, made) == "completed"
        assert updates.uris == []


@both_eras
async def test_a_change_seen_by_many_calls_is_announced_once(mode: str) -> None:
    updates = UpdateListener()
    async with open_client(Behaviour(run_seconds=10), mode=mode, message_handler=updates) as client:
        made = await begun(client)
        await look(client, made)
        async with updates.listening(client.mcp, f"seedance://jobs/{made}"):
            await anyio.sleep(20)
            client.simulator.faults.append(Fault.delay("result", 3, times=5))
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(look, client, made)
            await anyio.sleep(0.01)
        assert updates.uris == [f"seedance://jobs/{made}"]


async def test_a_download_and_a_late_cost_are_changes_too() -> None:
    updates = UpdateListener()
    async with open_client(Behaviour(cost_lag=1), message_handler=updates) as client:
        made = structured(await client.generate())["request_id"]
        async with updates.listening(client.mcp, f"seedance://jobs/{made}"):
            late = await client.call("get_result", request_id=made)
            await anyio.sleep(0.01)
            assert structured(late)["cost_usd"] is not None
            assert len(updates.uris) == 1
            saved = await client.call("get_result", request_id=made, download=True)
            await anyio.sleep(0.01)
            assert structured(saved)["saved_to"]
        assert updates.uris == [f"seedance://jobs/{made}"] * 2


async def test_only_readable_resources_accept_subscriptions() -> None:
    async with open_client(Behaviour(run_seconds=10)) as client:
        made = await begun(client)
        for uri in ["seedance://jobs", "seedance://model", f"seedance://jobs/{made}"]:
            await subscribe(client.mcp, uri)
        for uri in ["seedance://jobs/../model", "seedance://jobs/unknown", "file:///etc/hostname"]:
            with pytest.raises(MCPError) as refused:
                await subscribe(client.mcp, uri)
            assert (refused.value.code, refused.value.data) == (-32002, {"uri": uri})
        assert client.paths() == ["image-to-video"]


@both_eras
async def test_the_capabilities_offer_subscriptions_and_no_list_changes(
    mode: str,
) -> None:
    async with open_client(mode=mode) as client:
        capabilities = client.mcp.server_capabilities
    told = capabilities.model_dump(exclude_none=True)
    told.pop("extensions", None)
    assert told == {
        "completions": {},
        "prompts": {"list_changed": False},
        "resources": {"subscribe": True, "list_changed": False},
        "tools": {"list_changed": False},
    }


async def test_a_client_that_stops_reading_blocks_no_other(tmp_path: Path) -> None:
    updates = UpdateListener()
    behaviour = Behaviour(images="never", run_seconds=10)
    async with running(behaviour, clock=anyio.current_time) as simulator:
        settings: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
        server = build_server(
            Settings(state_dir=tmp_path, check_images=False, **settings),
            clock=Clock(now=virtual_now),
        )
        async with deaf(server), Client(server, mode="legacy", message_handler=updates) as client:
            await subscribe(client, "seedance://jobs")
            for number in range(1, 4):
                started = anyio.current_time()
                await client.call_tool(
                    "generate_video", ARGUMENTS | {"force_new": True, "wait_seconds": 0}
                )
                assert anyio.current_time() - started < 0.1
                # It is waited for only once: then its subscription is dropped.
                await anyio.sleep(1.5 if number == 1 else 0.1)
                assert updates.uris == ["seedance://jobs"] * number


@asynccontextmanager
async def deaf(server: SeedanceServer) -> AsyncGenerator[None, None]:
    """Connect a client that subscribes to the jobs and then stops reading."""
    to_server, reading = anyio.create_memory_object_stream[SessionMessage | Exception]()
    writing, from_server = anyio.create_memory_object_stream[SessionMessage]()
    requests = [
        ("initialize", INITIALIZE),
        ("resources/subscribe", {"uri": "seedance://jobs"}),
    ]
    async with anyio.create_task_group() as tasks, to_server, from_server:
        options = server.create_initialization_options()
        tasks.start_soon(server.run, reading, writing, options)
        for number, (method, params) in enumerate(requests):
            request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
            await to_server.send(SessionMessage(request))
            answer = (await from_server.receive()).message
            assert isinstance(answer, JSONRPCResponse)
        yield
        tasks.cancel_scope.cancel()
