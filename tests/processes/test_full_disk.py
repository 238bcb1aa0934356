"""A server process whose state folder cannot be written: it buys nothing."""

from pathlib import Path

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import START_SECONDS, environment, start_server

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("why", ["full", "read-only"])
async def test_where_nothing_can_be_written_nothing_is_bought(why: str, tmp_path: Path) -> None:
    async with running(Behaviour(images="never")) as simulator:
        state = tmp_path / "state" if why == "full" else Path("/sys/seedance-test")
        env = environment(
            tmp_path, RUNCOMFY_API_TOKEN=simulator.token, RUNCOMFY_API_BASE_URL=simulator.url
        ) | {"SEEDANCE_STATE_DIR": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
        # No file may grow beyond 8 KB: a full disk, as far as a program can tell.
        limit = ("prlimit", "--fsize=8192") if why == "full" else ()
        with anyio.fail_after(START_SECONDS):
            async with start_server(env, wrapper=limit) as pipes:
                await pipes.initialize()
                params = {"name": "generate_video", "arguments": ARGUMENTS}
                result = (await pipes.request(1, "tools/call", params))["result"]
        assert result["isError"] is True
        line = result["content"][0]["text"]
        assert line.startswith(f"The ledger {'in ' if why != 'full' else ''}{state}")
        assert line.endswith(" Nothing was charged.")
        assert (simulator.accepted, simulator.requests) == ([], [])
