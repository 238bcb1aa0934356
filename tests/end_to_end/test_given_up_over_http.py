"""Calls over HTTP that a client without a session gives up and repeats."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

ANOTHER: dict[str, Any] = {**ARGUMENTS, "force_new": True}


async def test_another_clip_is_paid_once_by_a_client_that_gives_up_and_repeats(
    tmp_path: Path,
) -> None:
    async with (
        running(Behaviour(images="never", run_seconds=600)) as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        client = HttpClient(http)
        first = await client.call_without_session("generate_video", **ARGUMENTS, wait_seconds=0)
        simulator.faults.append(Fault.delay("submit", 8))
        for _ in range(2):
            with anyio.move_on_after(3):
                await client.call_without_session("generate_video", **ANOTHER)
        again = await client.call_without_session("generate_video", **ANOTHER)
        accepted = [job.request_id for job in simulator.accepted]
        assert accepted == [
            first["structuredContent"]["request_id"],
            again["structuredContent"]["request_id"],
        ]
        # What was answered is repeated no more.
        await client.call_without_session("generate_video", **ANOTHER, wait_seconds=0)
        assert len(simulator.accepted) == 3


async def test_no_client_waits_less_since_another_one_gives_up_sooner(tmp_path: Path) -> None:
    async with (
        running(Behaviour(images="never", run_seconds=600)) as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        client = HttpClient(http)
        for _ in range(2):
            with anyio.move_on_after(5):
                await client.call_without_session("generate_video", **ARGUMENTS)
        began = anyio.current_time()
        await client.call_without_session("generate_video", **ARGUMENTS)
        assert anyio.current_time() - began == pytest.approx(45, abs=0.5)
