"""Serving without the extra `video`: everything works but what decodes clips, which says so."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import FreshServers, Pipes, account, environment
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

HOW_TO_INSTALL = "pip install 'seedance-mcp[video]'"


@pytest.fixture
def without_pyav(tmp_path: Path) -> str:
    """Return a PYTHONPATH with which PyAV is as if it were not installed."""
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['av'] = None\n")
    return str(folder)


async def call(pipes: Pipes, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    result: dict[str, Any] = (await pipes.request(number, "tools/call", params))["result"]
    return result


async def test_a_clip_is_bought_waited_for_and_downloaded_without_pyav(
    tmp_path: Path, without_pyav: str
) -> None:
    behaviour = Behaviour(images="never", outputs=("video",), run_seconds=0, queue_seconds=0)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(behaviour, render=render_small_clip) as simulator:
            env = account(
                simulator,
                tmp_path,
                PYTHONPATH=without_pyav,
                SEEDANCE_ATTACHMENTS="preview,link",
            )
            async with FreshServers().stdio(env) as pipes:
                await pipes.initialize()
                made = await call(pipes, 1, "generate_video", **ARGUMENTS)
                job = made["structuredContent"]
                got = await call(
                    pipes, 2, "get_result", request_id=job["request_id"], download=True
                )
                frame = f"seedance://jobs/{job['request_id']}/last-frame"
                arguments = ARGUMENTS | {"first_frame_image_url": frame}
                refused = await call(pipes, 3, "generate_video", **arguments)
                unjoined = await call(pipes, 4, "join_clips", request_ids=[job["request_id"]] * 2)
                listed = await call(pipes, 5, "list_jobs")
    assert job["status"] == "completed"
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]
    # No preview; the rest of the answer is there.
    assert [block["type"] for block in got["content"]] == ["text", "resource_link"]
    for answer, purpose in (
        (refused, "Continuing a clip"),
        (unjoined, "Joining clips"),
    ):
        assert answer["isError"] is True
        assert answer["content"][0]["text"] == (
            f"{purpose} needs PyAV, which is not installed: {HOW_TO_INSTALL} (with uvx: --from"
            " 'seedance-mcp[video]' seedance-mcp), then restart the server. Nothing was charged."
        )
    assert len(listed["structuredContent"]["jobs"]) == 1
    assert [request.path for request in simulator.requests if request.method == "POST"] == [
        "/v1/models/bytedance/seedance-1-0/lite/image-to-video"
    ]


@pytest.mark.parametrize("command", ["demo", "simulate"])
async def test_a_command_that_needs_pyav_says_how_to_install_it(
    tmp_path: Path, without_pyav: str, command: str
) -> None:
    env = environment(tmp_path, PYTHONPATH=without_pyav)
    with anyio.fail_after(TIMEOUT_SECONDS):
        done = await FreshServers().command([command], env, cwd=tmp_path)
    assert done.returncode != 0
    assert HOW_TO_INSTALL in done.stderr.decode()
    assert b"Traceback" not in done.stderr
