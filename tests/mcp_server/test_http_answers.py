"""What a client over HTTP is answered, and what not; with an HTTP client in memory."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_client, open_http_server
from tests.support.restarting_server import run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NO_BATCHES = "Batches are not supported: send each message by itself. Nothing was done or charged."
ONE_MESSAGE = (
    "The body must be one JSON-RPC message: a request, a notification or a response."
    " Nothing was done or charged."
)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25"])
async def test_a_batch_and_a_body_that_is_no_message_are_refused_in_one_line(
    version: str, tmp_path: Path
) -> None:
    bodies: list[tuple[Any, str]] = [
        ([PING, PING | {"id": 2}], NO_BATCHES),
        ([], NO_BATCHES),
        ({"id": 7, "params": ["x" * 500]}, ONE_MESSAGE),
        (5, ONE_MESSAGE),
    ]
    async with (
        run_simulator() as simulator,
        open_http_client(simulator, tmp_path) as client,
    ):
        for body, line in bodies:
            answer = await client.post(body, **{"mcp-protocol-version": version})
            error = {"code": -32600, "message": line}
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
            assert answer.json() == {"jsonrpc": "2.0", "id": None, "error": error}
        assert await client.request("ping", {}, 9) == {"jsonrpc": "2.0", "id": 9, "result": {}}


async def test_a_cancelled_request_is_not_answered(tmp_path: Path) -> None:
    ends: list[tuple[float, Any]] = []
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_client(simulator, tmp_path) as client,
        anyio.create_task_group() as tasks,
    ):

        async def call(id_: int) -> None:
            params = {"name": "generate_video", "arguments": ARGUMENTS}
            answer = await client.request("tools/call", params, id_)
            ends.append((round(anyio.current_time()), answer))

        tasks.start_soon(call, 7)
        await anyio.sleep(5)
        await client.cancel(7)
        await anyio.sleep(1)
        assert ends == [(5, None)]
        listed = await client.call("list_jobs")
        assert listed["structuredContent"]["total"] == 1


async def test_a_clock_is_learned_for_one_session_and_never_without_one(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=3600) as simulator,
        open_http_server(simulator, tmp_path) as http,
        anyio.create_task_group() as tasks,
    ):
        hasty, calm = HttpClient(http), HttpClient(http)
        await hasty.initialize()
        await calm.initialize()

        async def seconds_of(call: Any, tool: str = "check_status", **arguments: Any) -> int:
            began = anyio.current_time()
            await call(tool, **arguments)
            return round(anyio.current_time() - began)

        async def begin(call: Any, arguments: dict[str, str]) -> None:
            await call("generate_video", **arguments)

        tasks.start_soon(begin, hasty.call, ARGUMENTS)
        await anyio.sleep(5)
        assert await seconds_of(hasty.call, "generate_video", **ARGUMENTS) == 0
        job = {"request_id": simulator.accepted[0].request_id}
        assert await seconds_of(hasty.call, **job) == 4
        assert await seconds_of(calm.call, **job) == 45

        another = ARGUMENTS | {"prompt": "Another."}
        tasks.start_soon(begin, calm.call_without_session, another)
        await anyio.sleep(5)
        assert await seconds_of(calm.call_without_session, "generate_video", **another) == 45
        assert await seconds_of(calm.call_without_session, **job) == 45
        tasks.cancel_scope.cancel()
