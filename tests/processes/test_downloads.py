"""Saving by real servers over stdio: side by side, and ended in the middle."""

import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.server_process import START_SECONDS, Pipes, environment, start_server

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def servers(
    folder: Path, count: int
) -> AsyncGenerator[tuple[Simulator, list[Pipes], str], None]:
    """Start servers that share their folders, with a job that is done and made an image."""
    # An image takes no drawing, and is saved as a clip is.
    behaviour = Behaviour(images="never", outputs=("image",))
    async with running(behaviour) as simulator, AsyncExitStack() as stack:
        env = environment(
            folder, RUNCOMFY_API_TOKEN=simulator.token, RUNCOMFY_API_BASE_URL=simulator.url
        )
        pipes = [await stack.enter_async_context(start_server(env)) for _ in range(count)]
        for one in pipes:
            await one.initialize()
        params = {"name": "generate_video", "arguments": ARGUMENTS}
        made = await pipes[0].request(1, "tools/call", params)
        yield simulator, pipes, made["result"]["structuredContent"]["request_id"]


def save(request_id: str) -> dict[str, Any]:
    """Ask for it to be saved, and for progress."""
    arguments = {"request_id": request_id, "download": True}
    return {"name": "get_result", "arguments": arguments, "_meta": {"progressToken": 1}}


async def test_two_servers_asked_at_once_end_in_one_file(tmp_path: Path) -> None:
    answers: list[Any] = []

    async def ask(pipes: Pipes, params: dict[str, Any]) -> None:
        answers.append((await pipes.request(2, "tools/call", params))["result"])

    with anyio.fail_after(2 * START_SECONDS):
        async with servers(tmp_path, 2) as (simulator, pipes, request_id):
            simulator.faults.append(Fault.delay("output", 1))
            async with anyio.create_task_group() as tasks:
                for one in pipes:
                    tasks.start_soon(ask, one, save(request_id))
            (file,) = (tmp_path / "videos").iterdir()
            fetched = Counter(request.path for request in simulator.requests)
            assert fetched[f"/outputs/{request_id}.jpg"] == 1
    assert [answer["structuredContent"]["saved_to"] for answer in answers] == [str(file)] * 2


async def test_a_server_that_is_ended_while_it_saves_answers_and_another_goes_on(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(2 * START_SECONDS):
        async with servers(tmp_path, 2) as (simulator, (one, other), request_id):
            simulator.faults.append(Fault.delay("output", 20))
            await one.send(id=2, method="tools/call", params=save(request_id))
            while "downloaded 0 bytes" not in (await one.receive())["params"]["message"]:
                pass
            started_at = time.monotonic()
            one.process.send_signal(signal.SIGTERM)
            answer = (await one.answer(2))["result"]
            assert await one.process.wait() == 0
            assert time.monotonic() - started_at < 1
            assert answer["isError"] is False
            assert answer["structuredContent"]["next_step"] == (
                f"It is not complete yet (0 bytes): call get_result with request_id {request_id}"
                " and download true to continue."
            )
            saved = (await other.request(2, "tools/call", save(request_id)))["result"]
            (file,) = (tmp_path / "videos").iterdir()
            assert saved["structuredContent"]["saved_to"] == str(file)
