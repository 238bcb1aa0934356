"""The command `seedance-mcp simulate`: RunComfy alone, on this machine."""

import re
import signal
from pathlib import Path

import anyio
import httpx
import pytest

from tests.support.server_process import COMMAND, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


async def test_the_simulator_says_where_it_is_and_serves_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    command = [*COMMAND, "simulate", "--port", "0", "--token", "made-up-token"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with await anyio.open_process(command, env=environment(tmp_path)) as process:
            assert process.stdout
            told = (await process.stdout.receive()).decode()
            (url,) = re.findall(r"export RUNCOMFY_API_BASE_URL=(http://127\.0\.0\.1:\d+)", told)
            assert "export RUNCOMFY_API_TOKEN=made-up-token" in told
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


async def test_a_port_out_of_range_is_rejected_in_one_line(tmp_path: Path) -> None:
    command = [*COMMAND, "simulate", "--port", "70000"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await anyio.run_process(command, env=environment(tmp_path), check=False)
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
