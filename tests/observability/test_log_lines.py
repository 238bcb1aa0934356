"""What a real server logs as JSON."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS, IMAGE_URL
from tests.support.server_process import Servers, account
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("level", ["warning", "debug"])
async def test_every_line_is_an_object_and_those_of_a_call_name_it(
    servers: Servers, level: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with running(Behaviour(images="never")) as simulator:
        simulator.faults.append(Fault.answer("submit", 500))
        env = account(simulator, tmp_path, SEEDANCE_LOG_FORMAT="json", SEEDANCE_LOG_LEVEL=level)
        with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
            async with servers.stdio(env, stderr=stderr) as pipes:
                await pipes.initialize()
                params = {"name": "generate_video", "arguments": ARGUMENTS | {"wait_seconds": 0}}
                await pipes.request(1, "tools/call", params)
                await pipes.stdin.aclose()
                await pipes.process.wait()
        assert simulator.token not in log.read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    (about,) = [line for line in lines if "outcome of a paid" in line["message"]]
    assert (about["level"], about["logger"]) == ("warning", "seedance_mcp.service._submissions")
    assert len(about["call_id"]) == 12
    if level == "warning":
        assert lines == [about]
        assert [part for part in (*ARGUMENTS.values(), IMAGE_URL) if part in log.read_text()] == []
    else:
        posted = [line for line in lines if "HTTP Request: POST" in line["message"]]
        assert [line["call_id"] for line in posted] == [about["call_id"]]


async def test_a_refused_start_is_an_object_too(servers: Servers, tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_LOG_FORMAT="json", SEEDANCE_MODEL="none")
        with anyio.fail_after(TIMEOUT_SECONDS):
            done = await servers.command([], env)
    line = json.loads(done.stderr)
    assert (done.returncode, line["level"]) == (1, "critical")
    assert line["message"].startswith("seedance-mcp: SEEDANCE_MODEL")
