"""The token appears in no file, log or answer, even at the debug log level."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


def contents(folder: Path) -> list[bytes]:
    """Read every file of a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_the_token_is_in_no_file_no_log_and_no_answer(
    servers: Servers, tmp_path: Path
) -> None:
    token = "rc-token-5f2c9e7d1b8a4c63"
    async with running(Behaviour(images="never"), token=token) as simulator:
        env = environment(
            tmp_path,
            RUNCOMFY_API_TOKEN=token,
            RUNCOMFY_API_BASE_URL=simulator.url,
            SEEDANCE_LOG_LEVEL="debug",
        )
        echo = f'{{"message": "bad token {token}"}}'.encode()
        simulator.faults.append(Fault.answer("cancel", 401, body=echo))
        log = tmp_path / "log"
        calls: list[tuple[str, dict[str, Any]]] = [
            ("generate_video", ARGUMENTS),
            ("generate_video", {"promt": token[:4]}),
            ("list_jobs", {}),
        ]
        with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
            async with servers.stdio(env, stderr=stderr) as pipes:
                await pipes.initialize()
                for number, (name, arguments) in enumerate(calls, 1):
                    params = {"name": name, "arguments": arguments}
                    await pipes.request(number, "tools/call", params)
                known = {"request_id": simulator.accepted[0].request_id}
                for number, name in enumerate(["check_status", "get_result"], 10):
                    params = {"name": name, "arguments": known}
                    await pipes.request(number, "tools/call", params)
                params = {"name": "cancel_job", "arguments": {"request_id": "other"}}
                refused = await pipes.request(20, "tools/call", params)
                assert '401: "bad token [token]"' in refused["result"]["content"][0]["text"]
                await pipes.stdin.aclose()
                await pipes.process.wait()
        assert b"HTTP Request: POST" in log.read_bytes()
        said = [log.read_bytes(), *pipes.lines]
        kept = contents(tmp_path)
        assert [text for text in said + kept if token.encode() in text] == []
