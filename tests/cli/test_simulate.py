"""The command `seedance-mcp simulate`: RunComfy alone, on this machine."""

import re
import signal
from pathlib import Path

import anyio
import httpx
import pytest

from tests.support.server_process import COMMAND, Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


async def test_the_simulator_prints_its_url_and_serves_until_ctrl_c(
    tmp_path: Path,
) -> None:
    command = [*COMMAND, "simulate", "--port", "0", "--token", "made-up-token"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with await anyio.open_process(command, env=environment(tmp_path)) as process:
            assert process.stdout
            printed = ""
            while "export RUNCOMFY_API_TOKEN=made-up-token\n" not in printed:
                printed += (await process.stdout.receive()).decode()
            (url,) = re.findall(r"export RUNCOMFY_API_BASE_URL=(http://127\.0\.0\.1:\d+)", printed)
            async with httpx.AsyncClient(
                base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False
            ) as http:
                path = "/v1/models/bytedance/seedance-1-0/lite/image-to-video"
                assert (await http.get(path)).status_code == 400
                headers = {"Authorization": "Bearer made-up-token"}
                answer = await http.get(path, headers=headers)
                assert answer.json()["model_id"] == path.removeprefix("/v1/models/")
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130


async def test_a_port_out_of_range_is_rejected_in_one_line(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await servers.command(["simulate", "--port", "70000"], environment(tmp_path))
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
