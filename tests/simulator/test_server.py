import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running, serve
from tests.support.simulator_caller import ManualClock, data_uri, image, open_caller
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::1", "localhost", "192.168.0.2"])
async def test_only_the_loopback_address_is_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match=r"listens on 127\.0\.0\.1 only"):
        async with running(host=host):
            pass


async def test_a_port_in_use_is_an_os_error() -> None:
    async with open_caller() as caller:
        port = int(caller.simulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with running(port=port):
                pass


async def test_it_stops_at_once_during_answers_and_rendering() -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            anyio.create_task_group() as tasks,
        ):
            async with running(Behaviour(), clock=ManualClock()) as simulator:
                headers = {"authorization": f"Bearer {simulator.token}"}
                model = "bytedance/seedance-1-0/lite/image-to-video"
                answer = await http.post(
                    f"{simulator.url}/v1/models/{model}",
                    headers=headers,
                    json={
                        "prompt": "A lake",
                        "first_frame_image_url": data_uri(image(1500, 700)),
                        "resolution": "1080p",
                        "duration": 10,
                    },
                )
                output = f"{simulator.url}/outputs/{answer.json()['request_id']}.mp4"
                tasks.start_soon(_get_and_lose, http, output)
                while simulator.requests[-1].route != "output":
                    await anyio.lowlevel.checkpoint()
                (job,) = simulator.accepted
                while not job.rendering:
                    await anyio.lowlevel.checkpoint()
                leaving = time.monotonic()
            assert time.monotonic() - leaving < PROMPT_SECONDS
            assert not job.rendered.is_set()


async def _get_and_lose(http: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        await http.get(url, timeout=TIMEOUT_SECONDS)


async def test_an_error_in_the_body_is_raised_unchanged() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with running():
            raise LookupError("mine")


async def test_connections_are_refused_after_the_end() -> None:
    async with running() as simulator:
        pass
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{simulator.url}/v1/models")


async def test_two_simulators_are_independent() -> None:
    async with open_caller() as one, open_caller() as other:
        await one.job()
        assert len(one.simulator.accepted) == 1
        assert other.simulator.accepted == []


async def test_only_published_files_are_served_and_under_any_name(tmp_path: Path) -> None:
    odd, secret = tmp_path / "mein Bild #1 ü?.png", tmp_path / "secret.png"
    odd.write_bytes(image())
    secret.write_bytes(image())
    async with open_caller() as caller, httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as stranger:
        url = caller.simulator.publish(odd)
        answer = await stranger.get(url)
        assert answer.content == image()
        assert answer.headers["content-type"] == "image/png"
        for name in ("secret.png", "..%2fsecret.png", "1-secret.png"):
            lost = await stranger.get(f"{caller.simulator.url}/files/{name}")
            assert lost.status_code == 404
        with pytest.raises(FileNotFoundError):
            caller.simulator.publish(tmp_path / "nothing.png")


async def test_the_command_serves_until_it_is_cancelled_and_announces_itself() -> None:
    announced: list[Simulator] = []
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            anyio.create_task_group() as tasks,
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
        ):

            async def serving() -> None:
                await serve(port=0, workers=2, run_seconds=60, token="t", announce=announced.append)

            tasks.start_soon(serving)
            while not announced:
                await anyio.lowlevel.checkpoint()
            (simulator,) = announced
            answer = await http.get(
                f"{simulator.url}/prod/v2/balance", headers={"authorization": "Bearer t"}
            )
            assert answer.status_code == 200
            assert simulator.behaviour.render == "eager"
            assert (simulator.behaviour.workers, simulator.behaviour.run_seconds) == (2, 60)
            tasks.cancel_scope.cancel()


def test_importing_the_simulator_imports_no_rendering_library() -> None:
    program = "import sys, seedance_mcp.simulator; print({'av', 'PIL', 'mcp'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout.strip() == "set()"
