"""Folders whose names are not UTF-8: every answer can be sent, and what is saved is found again."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import MODERN_META, Pipes, Servers, account
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names"),
]

ODD = os.fsdecode(b"caf\xe9 \"\xff' \xf0\x9f\x98\x80")
SHOWN = "caf\ufffd \"\ufffd' 😀"


async def structure(pipes: Pipes, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its structure."""
    call = {"name": tool, "arguments": arguments}
    return (await pipes.request(1, "tools/call", call))["result"]["structuredContent"]


async def test_a_clip_is_saved_in_and_listed_from_folders_that_are_not_utf_8(
    servers: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / ODD
    behaviour = Behaviour(images="never", run_seconds=0, queue_seconds=0)
    async with running(behaviour, render=render_small_clip) as simulator:
        env = account(simulator, folder)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                made = await structure(pipes, "generate_video", **ARGUMENTS)
                asked = {"request_id": made["request_id"], "download": True}
                saved = (await structure(pipes, "get_result", **asked))["saved_to"]
            (file,) = (folder / "videos").glob("*.mp4")
            assert saved == f"{tmp_path}/{SHOWN}/videos/{file.name}"
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                (job,) = (await structure(pipes, "list_jobs"))["jobs"]
                again = await structure(pipes, "get_result", **asked)
                uri = f"seedance://jobs/{made['request_id']}"
                read = (await pipes.request(1, "resources/read", {"uri": uri}))["result"]
    text = json.loads(read["contents"][0]["text"])
    assert (job["saved_to"], again["saved_to"], text["saved_to"]) == (saved, saved, saved)


@pytest.mark.parametrize("variable", ["SEEDANCE_STATE_DIR", "SEEDANCE_OUTPUT_DIR"])
async def test_an_error_about_a_folder_that_is_not_utf_8_is_answered(
    servers: Servers, variable: str, tmp_path: Path
) -> None:
    (tmp_path / ODD).touch()
    behaviour = Behaviour(images="never", run_seconds=0, queue_seconds=0)
    async with running(behaviour, render=render_small_clip) as simulator:
        env = account(simulator, tmp_path, **{variable: str(tmp_path / ODD)})
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS}
                result = (await pipes.request(1, "tools/call", call))["result"]
                if variable == "SEEDANCE_OUTPUT_DIR":
                    request_id = result["structuredContent"]["request_id"]
                    arguments = {"request_id": request_id, "download": True}
                    call = {"name": "get_result", "arguments": arguments}
                    result = (await pipes.request(1, "tools/call", call))["result"]
                read = await pipes.request(2, "resources/read", {"uri": "seedance://jobs"})
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert "Not a directory" in text or "File exists" in text
    assert variable in text
    assert ("error" in read) is (variable == "SEEDANCE_STATE_DIR")


_SERVER = """
import anyio, mcp_types as types
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.transports.stdio import serve_stdio
from seedance_mcp.settings import Settings

async def broken(*_):
    return types.CallToolResult(content=[], structured_content={"a": "\\ud83d"})

async def main():
    server = build_server(Settings())
    server.add_request_handler("tools/call", types.CallToolRequestParams, broken)
    await serve_stdio(server)

anyio.run(main)
"""


async def test_an_answer_that_cannot_be_sent_is_an_error_and_the_server_goes_on(
    tmp_path: Path,
) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-c", _SERVER]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with await anyio.open_process(command, env=env, stderr=sys.stderr) as process:
            pipes, call = Pipes(process), {"name": "list_jobs", "_meta": MODERN_META}
            for id_ in (7, 8):
                answer = await pipes.request(id_, "tools/call", call)
                assert answer["error"] == {
                    "code": -32603,
                    "message": "The answer cannot be sent: it is not valid Unicode.",
                }
            await pipes.stdin.aclose()
            assert await process.wait() == 0
