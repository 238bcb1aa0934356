"""Joins by real servers over stdio: side by side, killed or ended in the middle, on a full disk."""

import signal
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from re import fullmatch
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.joined import RATE, frames, joined_names
from tests.support.server_process import FreshServers, Pipes, Servers, account
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

CLIP_FRAMES = 5 * RATE


@asynccontextmanager
async def open_simulator() -> AsyncGenerator[Simulator, None]:
    """Run a simulator that makes small clips at once."""
    behaviour = Behaviour(images="never", outputs=("video",))
    async with running(behaviour, render=render_small_clip) as simulator:
        yield simulator


async def make_clips(pipes: Pipes) -> list[str]:
    """Make two clips of different sizes, whose join is encoded, and return their request_ids."""
    await pipes.initialize()
    made: list[str] = []
    for number, resolution in enumerate(["480p", "720p"], 1):
        arguments = {**ARGUMENTS, "resolution": resolution, "wait_seconds": 0}
        params = {"name": "generate_video", "arguments": arguments}
        answer = await pipes.request(number, "tools/call", params)
        made.append(answer["result"]["structuredContent"]["request_id"])
    return made


def join(request_ids: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a call that joins clips and reports progress."""
    arguments = {"request_ids": request_ids}
    return {"name": "join_clips", "arguments": arguments, "_meta": {"progressToken": 1}}


async def until_frames_are_written(pipes: Pipes) -> None:
    """Receive progress until it counts frames."""
    while not fullmatch(r"joining, [\d,]+ of 6,000 frames", await progress_message(pipes)):
        pass


async def progress_message(pipes: Pipes) -> str:
    """Return the message of the next notification of progress."""
    message = await pipes.receive()
    assert message["method"] == "notifications/progress"
    return message["params"]["message"]


def unfinished(folder: Path) -> list[str]:
    """Return the names of unfinished files."""
    return [name for name in joined_names(folder) if name.endswith(".part")]


@pytest.mark.stress
async def test_two_servers_asked_at_once_end_in_one_file(servers: Servers, tmp_path: Path) -> None:
    answers: list[Any] = []

    async def ask(pipes: Pipes, params: dict[str, Any]) -> None:
        answers.append((await pipes.request(9, "tools/call", params))["result"])

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with open_simulator() as simulator, AsyncExitStack() as stack:
            env = account(simulator, tmp_path)
            one, other = [await stack.enter_async_context(servers.stdio(env)) for _ in range(2)]
            made = await make_clips(one)
            await other.initialize()
            async with anyio.create_task_group() as tasks:
                for pipes in one, other:
                    tasks.start_soon(ask, pipes, join(made))
    (name,) = joined_names(tmp_path / "videos")
    saved = [answer["structuredContent"]["saved_to"] for answer in answers]
    assert saved == [str(tmp_path / "videos" / name)] * 2
    assert frames(saved[0]) == 2 * CLIP_FRAMES


async def test_what_a_killed_server_left_is_removed_by_the_next_join(
    servers: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with open_simulator() as simulator:
            env = account(simulator, tmp_path)
            async with servers.stdio(env) as pipes:
                made = await make_clips(pipes)
                await pipes.send(id=9, method="tools/call", params=join(25 * made))
                await until_frames_are_written(pipes)
                pipes.process.kill()
                await pipes.process.wait()
            assert len(unfinished(folder)) == len(joined_names(folder)) == 1
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                answer = (await pipes.request(9, "tools/call", join(made)))["result"]
    assert joined_names(folder) == [Path(answer["structuredContent"]["saved_to"]).name]
    assert answer["structuredContent"]["seconds"] == 10.0


@pytest.mark.stress
async def test_a_server_that_is_ended_while_it_joins_answers_and_leaves_no_file(
    servers: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            open_simulator() as simulator,
            servers.stdio(account(simulator, tmp_path)) as one,
        ):
            made = await make_clips(one)
            await one.send(id=9, method="tools/call", params=join(25 * made))
            await until_frames_are_written(one)
            started_at = time.monotonic()
            one.process.send_signal(signal.SIGTERM)
            answer = (await one.answer(9))["result"]
            assert await one.process.wait() == 0
            assert time.monotonic() - started_at < PROMPT_SECONDS
    assert answer["isError"] is False
    assert answer["structuredContent"].keys() == {"next_step"}
    assert answer["structuredContent"]["next_step"].endswith(
        "call join_clips with the same request_ids to continue."
    )
    assert joined_names(folder) == []


@pytest.mark.stress
async def test_on_a_full_disk_a_join_ends_in_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with open_simulator() as simulator:
            env = account(simulator, tmp_path, PYTHONDONTWRITEBYTECODE="1")
            # With files limited to 150 KB, writes fail as they do on a full disk.
            async with FreshServers(["prlimit", "--fsize=150000"]).stdio(env) as pipes:
                made = await make_clips(pipes)
                answer = (await pipes.request(9, "tools/call", join(25 * made)))["result"]
    assert (answer["isError"], answer["content"][0]["text"]) == (
        True,
        (
            f"{folder} has no space left for the clip: free some, or set SEEDANCE_OUTPUT_DIR."
            " Nothing was charged."
        ),
    )
    assert joined_names(folder) == []
