"""The Tasks extension over stdio and over HTTP: real processes, which come and go."""

import base64
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from seedance_mcp.mcp_server.apps.declared import APPS
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import (
    COMMAND,
    INITIALIZE,
    MODERN_META,
    Servers,
    account,
    environment,
)
from tests.support.task_client import (
    MISSING,
    TASKS,
    TaskPolling,
    ask_about_task,
    refused_request,
    start_task,
)
from tests.support.timeouts import NEVER_SECONDS, TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio

DECLARED: dict[str, Any] = {"extensions": {TASKS: {}}}
KNOWING_META = MODERN_META | {"io.modelcontextprotocol/clientCapabilities": DECLARED}


@asynccontextmanager
async def connected(
    servers: Servers, transport: str, env: dict[str, str], polling: TaskPolling
) -> AsyncGenerator[Client, None]:
    """Start a server and connect a client that knows tasks to it."""
    if transport == "stdio":
        parameters = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=env)
        async with Client(parameters, extensions=[polling]) as client:
            yield client
        return
    async with servers.http(env) as (url, _), Client(url, extensions=[polling]) as client:
        yield client


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_task_is_made_polled_and_asked_for_again_by_another_process(
    servers: Servers, transport: str, tmp_path: Path
) -> None:
    polling = TaskPolling()
    seconds = [0.0]
    behaviour = Behaviour(images="never")
    async with running(behaviour, clock=lambda: seconds[-1]) as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with connected(servers, transport, env, polling) as client:
                assert client.server_capabilities.extensions == {TASKS: {}, APPS: {}}
                made = await client.call_tool("generate_video", ARGUMENTS)
                assert (made.is_error, made.structured_content["status"]) == (False, "completed")
                behaviour.run_seconds = 600
                running_on = await start_task(client, {**ARGUMENTS, "prompt": "Rain."})
            (created,) = polling.created
            assert [job.request_id for job in simulator.accepted] == [
                created.task_id,
                running_on.task_id,
            ]
            async with connected(servers, transport, env, polling) as client:
                session = client.session
                again = await ask_about_task(session, "get", created.task_id)
                assert again["status"] == "completed"
                assert _lasting(again["result"]) == _lasting(polling.states[-1]["result"])
                assert (await ask_about_task(session, "get", running_on.task_id))[
                    "status"
                ] == "working"
                seconds.append(700)
                ended = await ask_about_task(session, "get", running_on.task_id)
                assert ended["status"] == "completed"
                assert (await refused_request(session, "get", "no-such-task"))[0] == -32602


def _lasting(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without its costs, which the first job of a process may lack."""
    structure: dict[str, Any] = result["structuredContent"]
    kept = {name: fact for name, fact in structure.items() if not name.endswith("_usd")}
    return {"isError": result["isError"], "structuredContent": kept}


async def test_over_http_the_header_must_name_the_task(servers: Servers, tmp_path: Path) -> None:
    async with running(Behaviour(images="never", run_seconds=NEVER_SECONDS)) as simulator:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with (
                servers.http(account(simulator, tmp_path)) as (url, _),
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            ):
                params: dict[str, Any] = {"name": "generate_video", "arguments": ARGUMENTS}
                made = await post(http, url, "tools/call", params, "generate_video")
                task_id = made.json()["result"]["taskId"]
                wrapped = f"=?base64?{base64.b64encode(task_id.encode()).decode()}?="
                for verb in ("get", "update", "cancel"):
                    params = {"taskId": task_id, "inputResponses": {}}
                    for name, status, code in [
                        (task_id, 200, None),
                        (wrapped, 200, None),
                        ("another-task", 400, -32020),
                        ("=?base64?broken?=", 400, -32020),
                        (None, 400, -32020),
                    ]:
                        seen = await post(http, url, f"tasks/{verb}", params, name)
                        error = seen.json().get("error", {})
                        assert (name, seen.status_code, error.get("code")) == (name, status, code)


async def test_over_http_every_request_declares_for_itself(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            servers.http(environment(tmp_path)) as (url, _),
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
        ):
            params = {"taskId": "any-task", "_meta": MODERN_META}
            seen = await post(http, url, "tasks/get", params, "any-task")
            error = seen.json()["error"]
            assert (seen.status_code, error["code"], error["data"]) == (400, -32021, MISSING)


async def test_a_task_that_is_starting_is_answered_before_the_process_ends(
    servers: Servers,
    tmp_path: Path,
) -> None:
    ending = anyio.Event()

    async def delay(_: float) -> None:
        await ending.wait()

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, sleep=delay) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(account(simulator, tmp_path)) as pipes:
                call = {"name": "generate_video", "arguments": ARGUMENTS, "_meta": KNOWING_META}
                await pipes.send(id=1, method="tools/call", params=call)
                await wait_until(lambda: bool(simulator.accepted))
                pipes.process.send_signal(signal.SIGTERM)
                ending.set()
                result = (await pipes.answer(1))["result"]
                assert result["taskId"] == simulator.accepted[0].request_id
                assert await pipes.process.wait() == 0


async def test_a_client_of_an_older_revision_gets_no_task_whatever_it_declares(
    servers: Servers,
    tmp_path: Path,
) -> None:
    async with running(Behaviour(images="never")) as simulator:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(account(simulator, tmp_path)) as pipes:
                declared = INITIALIZE | {"capabilities": DECLARED}
                await pipes.request(0, "initialize", declared)
                await pipes.send(method="notifications/initialized")
                params = {"name": "generate_video", "arguments": ARGUMENTS}
                answer = await pipes.request(1, "tools/call", params)
                assert answer["result"]["structuredContent"]["status"] == "completed"
                assert "taskId" not in answer["result"]


async def post(
    http: httpx.AsyncClient, url: str, method: str, params: dict[str, Any], name: str | None
) -> httpx.Response:
    """Send a request of the 2026-07-28 revision; `name` is its header Mcp-Name."""
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
    }
    if name is not None:
        headers["Mcp-Name"] = name
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": {"_meta": KNOWING_META, **params},
    }
    return await http.post(url, json=body, headers=headers)
