"""Arguments that a client sends as one string of JSON."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import MODERN_META, Servers, account
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

DEEP = "[" * 100_000
OTHERS: list[Any] = ["[]", "null", "", "{", DEEP, json.dumps("{}"), [], 7, True]


@pytest.mark.parametrize("meta", [{}, {"_meta": MODERN_META}], ids=["legacy", "modern"])
async def test_arguments_that_are_one_string_are_parsed_or_refused_in_a_line(
    servers: Servers, meta: dict[str, Any], tmp_path: Path
) -> None:
    async with running(Behaviour(images="never", run_seconds=0, queue_seconds=0)) as simulator:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(account(simulator, tmp_path)) as pipes:
                if not meta:
                    await pipes.initialize()
                sent = json.dumps(ARGUMENTS)
                buy = {"name": "generate_video", "arguments": sent, **meta}
                bought = (await pipes.request(1, "tools/call", buy))["result"]
                for other in OTHERS:
                    call: dict[str, Any] = {"name": "list_jobs", "arguments": other, **meta}
                    answer = await pipes.request(2, "tools/call", call)
                    message = "The arguments must be a JSON object. Nothing was done or charged."
                    assert answer["error"] == {"code": -32602, "message": message}
    assert bought["structuredContent"]["status"] == "completed"
    assert [job.arguments["prompt"] for job in simulator.accepted] == [ARGUMENTS["prompt"]]
