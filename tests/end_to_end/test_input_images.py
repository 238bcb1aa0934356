"""A call's images: a bad one buys nothing, a local one works over stdio."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from PIL import Image

from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import structured, text
from tests.support.server_process import FreshServers, Servers, account
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until
from tests.support.wording import LOCAL_FILES_OFF, NOT_AN_IMAGE_URL

pytestmark = pytest.mark.anyio


def image(folder: Path, width: int, height: int) -> Path:
    """Draw an image."""
    path = folder / f"{width}x{height}.png"
    Image.new("RGB", (width, height), "teal").save(path)
    return path


def checking_server(simulator: Simulator, folder: Path, *, local_files: bool = False) -> Client:
    """Open a server that checks images, also those at private URLs, with a client at it."""
    settings: dict[str, Any] = {
        "token": simulator.token,
        "base_url": simulator.url,
        "state_dir": folder / "state",
        "allow_private_urls": True,
    }
    return Client(build_server(Settings(**settings), local_files=local_files), mode="legacy")


async def test_an_image_that_breaks_a_rule_buys_nothing_and_quotes_runcomfys_rule(
    tmp_path: Path,
) -> None:
    small = image(tmp_path, 300, 400)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running() as simulator, checking_server(simulator, tmp_path) as client:
            arguments = {"prompt": "Mist.", "first_frame_image_url": simulator.publish(small)}
            result = await client.call_tool("generate_video", arguments)
            assert result.is_error
            line = text(result)
            assert line.startswith("first_frame_image_url")
            assert "The uploaded image width and height must not be less than 300 pixels." in line
            assert "300" in line
            assert line.endswith(" Nothing was charged.")
            assert (len(line.splitlines()), simulator.accepted) == (1, [])


async def test_a_cancelled_call_gets_its_job_back_after_its_image_is_gone(
    tmp_path: Path,
) -> None:
    good = image(tmp_path, 400, 400)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(Behaviour(run_seconds=60)) as simulator:
            arguments = {"prompt": "Mist.", "first_frame_image_url": simulator.publish(good)}
            async with (
                checking_server(simulator, tmp_path) as client,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(client.call_tool, "generate_video", arguments)
                await wait_until(lambda: bool(simulator.accepted))
                tasks.cancel_scope.cancel()
            simulator.files.clear()
            async with checking_server(simulator, tmp_path) as client:
                again = await client.call_tool("generate_video", arguments | {"wait_seconds": 0})
        bought = [job.request_id for job in simulator.accepted]
        assert (bought, structured(again)["reused"]) == ([structured(again)["request_id"]], True)


async def test_a_valid_image_passes_and_advice_comes_with_the_answer(tmp_path: Path) -> None:
    good = image(tmp_path, 400, 400)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running() as simulator, checking_server(simulator, tmp_path) as client:
            url = simulator.publish(good)
            arguments = {
                "prompt": "Mist.",
                "first_frame_image_url": url,
                "last_frame_image_url": url,
                "resolution": "1080p",
                "wait_seconds": 0,
            }
            result = await client.call_tool("generate_video", arguments)
            (warning,) = structured(result)["warnings"]
            assert "last_frame_image_url" in warning
            assert "1080" in warning
            assert f"warnings: {warning}" in text(result)
            assert simulator.accepted[0].arguments["first_frame_image_url"] == url


async def test_a_local_image_is_sent_in_the_request_and_recorded_as_a_hash(
    tmp_path: Path,
    image_folder: Path,
) -> None:
    good = image(image_folder, 640, 480)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running() as simulator,
            checking_server(simulator, tmp_path, local_files=True) as client,
        ):
            arguments = {"prompt": "Mist.", "first_frame_image_url": str(good), "wait_seconds": 0}
            result = await client.call_tool("generate_video", arguments)
            sent = simulator.accepted[0].arguments["first_frame_image_url"]
            assert sent.startswith("data:image/png;base64,")
            assert any("URL" in warning for warning in structured(result)["warnings"])
            assert sent[:2000].encode() not in (tmp_path / "state" / "ledger.db").read_bytes()


async def test_a_local_file_is_rejected_if_local_files_are_off(tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running() as simulator, checking_server(simulator, tmp_path) as client:
            for value in ("/etc/hostname", "file:///etc/hostname", "data:image/png;base64,AAAA"):
                arguments = {"prompt": "Mist.", "first_frame_image_url": value}
                result = await client.call_tool("generate_video", arguments)
                assert result.is_error
                why = f"first_frame_image_url {NOT_AN_IMAGE_URL}{LOCAL_FILES_OFF}"
                assert text(result) == f"{why} Nothing was charged."
            assert {seen.route for seen in simulator.requests} <= {"catalogue"}


async def test_a_file_that_is_not_an_image_never_leaves_this_machine(
    servers: Servers, tmp_path: Path, image_folder: Path
) -> None:
    secret = image_folder / "secret.png"
    secret.write_text("not an image, but a secret")
    async with running() as simulator:
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                arguments = {"prompt": "Mist.", "first_frame_image_url": str(secret)}
                params = {"name": "generate_video", "arguments": arguments}
                result = (await pipes.request(1, "tools/call", params))["result"]
        assert result["isError"] is True
        assert result["content"][0]["text"].startswith("first_frame_image_url")
        assert result["content"][0]["text"].endswith(" Nothing was charged.")
        assert {seen.route for seen in simulator.requests} <= {"catalogue"}


def imported(log: Path) -> set[str]:
    """Return which of the two heavy packages a server imported, according to its log."""
    lines = (line for line in log.read_text("utf-8").splitlines() if line.startswith("import time"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines} & {"PIL", "av"}


async def test_a_server_imports_pillow_only_to_open_a_local_image_and_pyav_never(
    tmp_path: Path, image_folder: Path
) -> None:
    good, log = image(image_folder, 640, 480), tmp_path / "log"
    async with running() as simulator:
        env = account(
            simulator,
            tmp_path,
            SEEDANCE_CHECK_IMAGES="true",
            SEEDANCE_ALLOW_PRIVATE_URLS="true",
            PYTHONPROFILEIMPORTTIME="1",
        )
        urls = {"a URL": simulator.publish(good), "a path": str(good)}
        seen: dict[str, set[str]] = {}
        with log.open("wb") as stderr, anyio.fail_after(TIMEOUT_SECONDS):
            async with FreshServers().stdio(env, stderr=stderr) as pipes:
                await pipes.initialize()
                await pipes.request(1, "tools/list")
                seen["the start"] = imported(log)
                for number, (name, url) in enumerate(urls.items(), 2):
                    arguments = {"prompt": name, "first_frame_image_url": url, "wait_seconds": 0}
                    params = {"name": "generate_video", "arguments": arguments}
                    answer = await pipes.request(number, "tools/call", params)
                    assert answer["result"]["isError"] is False
                    seen[name] = imported(log)
    assert seen == {"the start": set(), "a URL": set(), "a path": {"PIL"}}
