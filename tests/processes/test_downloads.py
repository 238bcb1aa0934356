"""Downloads by real servers over stdio: side by side, and ended in the middle."""

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
from tests.support.server_process import Pipes, Servers, account
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import NEVER_SECONDS, PROMPT_SECONDS, TIMEOUT_SECONDS
from tests.support.wording import NOT_COMPLETE_YET

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def two_servers(
    servers: Servers, folder: Path
) -> AsyncGenerator[tuple[Simulator, list[Pipes], str], None]:
    """Start two servers on the same folders, with a completed job."""
    behaviour = Behaviour(images="never", outputs=("video",))
    async with running(behaviour, render=render_small_clip) as simulator, AsyncExitStack() as stack:
        env = account(simulator, folder)
        pipes = [await stack.enter_async_context(servers.stdio(env)) for _ in range(2)]
        for one in pipes:
            await one.initialize()
        params = {"name": "generate_video", "arguments": ARGUMENTS}
        made = await pipes[0].request(1, "tools/call", params)
        yield simulator, pipes, made["result"]["structuredContent"]["request_id"]


def download(request_id: str) -> dict[str, Any]:
    """Return the parameters of a call that downloads a job's output and reports progress."""
    arguments = {"request_id": request_id, "download": True}
    return {"name": "get_result", "arguments": arguments, "_meta": {"progressToken": 1}}


async def test_two_servers_asked_at_once_end_in_one_file(servers: Servers, tmp_path: Path) -> None:
    answers: list[Any] = []

    async def ask(pipes: Pipes, params: dict[str, Any]) -> None:
        answers.append((await pipes.request(2, "tools/call", params))["result"])

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with two_servers(servers, tmp_path) as (simulator, pipes, request_id):
            simulator.faults.append(Fault.delay("output", 1))
            async with anyio.create_task_group() as tasks:
                for one in pipes:
                    tasks.start_soon(ask, one, download(request_id))
            (file,) = (tmp_path / "videos").iterdir()
            fetched = Counter(request.path for request in simulator.requests)
            assert fetched[f"/outputs/{request_id}.mp4"] == 1
    assert [answer["structuredContent"]["saved_to"] for answer in answers] == [str(file)] * 2


async def test_a_server_that_is_ended_while_it_downloads_answers_and_another_goes_on(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with two_servers(servers, tmp_path) as (simulator, (one, other), request_id):
            simulator.faults.append(Fault.delay("output", NEVER_SECONDS))
            await one.send(id=2, method="tools/call", params=download(request_id))
            while "downloaded 0 bytes" not in (await one.receive())["params"]["message"]:
                pass
            started_at = time.monotonic()
            one.process.send_signal(signal.SIGTERM)
            answer = (await one.answer(2))["result"]
            assert await one.process.wait() == 0
            assert time.monotonic() - started_at < PROMPT_SECONDS
            assert answer["isError"] is False
            assert answer["structuredContent"]["next_step"] == (
                f"{NOT_COMPLETE_YET} (0 bytes): call get_result with request_id {request_id}"
                " and download true to continue."
            )
            saved = (await other.request(2, "tools/call", download(request_id)))["result"]
            (file,) = (tmp_path / "videos").iterdir()
            assert saved["structuredContent"]["saved_to"] == str(file)
