"""A real server that cannot write its ledger: it buys nothing."""

from pathlib import Path

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import FreshServers, account
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("why", ["full", "read-only"])
async def test_a_server_that_cannot_write_its_ledger_buys_nothing(why: str, tmp_path: Path) -> None:
    async with running(Behaviour(images="never")) as simulator:
        state = tmp_path / "state" if why == "full" else Path("/sys/seedance-test")
        env = account(simulator, tmp_path) | {
            "SEEDANCE_STATE_DIR": str(state),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # With files limited to 8 KB, writes fail as they do on a full disk.
        limit = ("prlimit", "--fsize=8192") if why == "full" else ()
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with FreshServers(limit).stdio(env) as pipes:
                await pipes.initialize()
                params = {"name": "generate_video", "arguments": ARGUMENTS}
                result = (await pipes.request(1, "tools/call", params))["result"]
        assert result["isError"] is True
        line = result["content"][0]["text"]
        assert line.startswith(f"The ledger {'in ' if why != 'full' else ''}{state}")
        assert line.endswith(" Nothing was charged.")
        assert simulator.accepted == []
        assert {seen.route for seen in simulator.requests} <= {"catalogue"}
