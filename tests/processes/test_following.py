"""Servers that follow a job in the background: one at a time, and the next when that one dies."""

import os
import sys
from pathlib import Path

import anyio
import pytest

if sys.platform != "linux":
    pytest.skip("it forks and reads /proc/locks", allow_module_level=True)

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.service._following import LOOK_SECONDS
from seedance_mcp.settings import load_settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.fork_server import ForkServer
from tests.support.quick_client import QuickClient
from tests.support.server_process import account
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio


def holder(file: Path) -> int | None:
    """Return the process that has locked a file, None if none has."""
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    inode = str(file.stat().st_ino) if file.exists() else ""
    return next((int(lock[4]) for lock in locks if lock[5].split(":")[-1] == inode), None)


async def test_a_server_takes_over_the_jobs_of_one_that_was_killed(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await anyio.sleep(seconds / 100)

    seconds = [0.0]
    behaviour = Behaviour(images="never", run_seconds=60)
    async with running(behaviour, clock=lambda: seconds[-1], render=render_small_clip) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_AUTO_DOWNLOAD="true")
        other = build_server(load_settings(env), clock=Clock(sleep=sleep))
        other.follow_jobs = True
        with anyio.fail_after(TIMEOUT_SECONDS), fork_server.forked(env) as first:
            made = await first.call("generate_video", **ARGUMENTS, wait_seconds=0)
            lock = tmp_path / "state" / "following" / made["structuredContent"]["request_id"]
            await wait_until(lambda: holder(lock) == first.pid)
            async with QuickClient(other, mode="legacy"):
                await wait_until(lambda: pauses.count(LOOK_SECONDS) >= 3)
                assert holder(lock) == first.pid
                first.kill()
                await wait_until(lambda: holder(lock) == os.getpid())
                seconds.append(100)
                await wait_until(lambda: any((tmp_path / "videos").glob("*.mp4")))
        assert len(simulator.accepted) == 1
