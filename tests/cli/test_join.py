"""The command `seedance-mcp join`: clips joined to one file, for a person at a terminal."""

import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import httpx
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.film import FRAMES, Film
from tests.support.joined import frames, names
from tests.support.server_process import Servers, account, environment, read_all
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio

LITE = "bytedance/seedance-1-0/lite/image-to-video"


@asynccontextmanager
async def two_clips(
    render: Callable[..., None],
) -> AsyncGenerator[tuple[Simulator, list[str]], None]:
    """Run a simulator that has made two clips, and yield their request_ids."""
    behaviour = Behaviour(images="never", outputs=("video",))
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(behaviour, render=render) as simulator:
            headers = {"Authorization": f"Bearer {simulator.token}"}
            made: list[str] = []
            async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
                for resolution in "480p", "720p":
                    body = ARGUMENTS | {"resolution": resolution}
                    answer = await http.post(f"{simulator.url}/v1/models/{LITE}", json=body)
                    made.append(answer.json()["request_id"])
            yield simulator, made


async def test_clips_are_joined_to_a_new_file_and_none_is_overwritten(
    servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    async with two_clips(Film().render) as (simulator, (one, other)):
        env = account(simulator, tmp_path)
        made = await servers.command(["join", one, other, "-o", str(file)], env)
        assert (made.returncode, made.stdout.decode()) == (0, f"{file}\n")
        lines = made.stderr.decode().splitlines()
        assert lines[-1] == f"joining, {2 * FRAMES} of {2 * FRAMES} frames"
        assert frames(file) == 2 * FRAMES
        # Both clips are here now, so a beginning of their ids is enough, and no token is needed.
        del env["RUNCOMFY_API_TOKEN"]
        arguments = ["join", other[:8], one[:8], other[:8], "-o", "other.MP4"]
        again = await servers.command(arguments, env, cwd=tmp_path)
        assert (again.returncode, again.stdout.decode()) == (0, f"{tmp_path / 'other.MP4'}\n")
        assert frames(tmp_path / "other.MP4") == 3 * FRAMES
        content = file.read_bytes()
        refused = await servers.command(["join", one, other, "-o", str(file)], env)
        assert (refused.returncode, refused.stdout, refused.stderr.decode()) == (
            1,
            b"",
            f"seedance-mcp: {file} exists already: choose another name.\n",
        )
        assert file.read_bytes() == content
    assert [name for name in names(tmp_path) if name not in {"state", "videos"}] == [
        "film.mp4",
        "other.MP4",
    ]


async def test_what_cannot_be_joined_ends_in_one_line(servers: Servers, tmp_path: Path) -> None:
    async with two_clips(Film().render) as (simulator, (one, other)):
        env = account(simulator, tmp_path)
        film = str(tmp_path / "film.mp4")
        for arguments, line in {
            (one, "-o", film): "join takes 2 to 50 ids; got 1.",
            (*51 * [one], "-o", film): "join takes 2 to 50 ids; got 51.",
            (one, other, "-o", "film.webm"): "film.webm must end with .mp4, which the joined clip"
            " will be.",
            (one, other, "-o", str(tmp_path / "no" / "film.mp4")): f"{tmp_path / 'no'} is not a"
            " folder.",
            (one, "short", "-o", film): 'No job in the ledger has the id "short": seedance-mcp jobs'
            " lists them.",
            (
                one,
                "no-such-job",
                "-o",
                film,
            ): "no-such-job has no clip: RunComfy has no such request"
            ' for this account (404001: "No such request: no-such-job"). Check the id, or leave it'
            " out.",
            (one, other, "-o", "/sys/film.mp4"): "Cannot write to /sys (Permission denied): set -o"
            " to a writable folder.",
        }.items():
            run = await servers.command(["join", *arguments], env)
            assert (run.returncode, run.stdout) == (1, b""), arguments
            assert run.stderr.decode().splitlines()[-1] == f"seedance-mcp: {line}"
        usage = await servers.command(["join", one, other], env)
        assert (usage.returncode, usage.stdout) == (2, b"")
        assert usage.stderr.decode().endswith("required: -o/--output\n")
    assert names(tmp_path) == ["state", "videos"]


async def test_an_interrupted_join_leaves_nothing(servers: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    # Of different sizes, so that joining takes a while.
    async with two_clips(render_small_clip) as (simulator, made):
        arguments = ["join", *25 * made, "-o", str(folder / "film.mp4")]
        env = account(simulator, tmp_path)
        async with servers.start(arguments, env, stderr=PIPE) as process:
            assert process.stderr
            await wait_until(lambda: bool(names(folder)))
            process.send_signal(signal.SIGINT)
            said = (await read_all(process.stderr)).decode()
            assert await process.wait() == 130
    assert "Traceback" not in said
    assert names(folder) == []


async def test_without_pyav_the_refusal_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['av'] = None; from seedance_mcp.cli.main import main;"
        " main(['join', 'one-1234', 'two-1234', '-o', 'film.mp4'])"
    )
    env = environment(tmp_path, RUNCOMFY_API_BASE_URL="http://127.0.0.1:1")
    run = await anyio.run_process([sys.executable, "-c", code], check=False, env=env, cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr.decode().splitlines()[-1]) == (
        1,
        b"",
        (
            "seedance-mcp: Joining clips needs PyAV, which is not installed: pip install"
            " 'seedance-mcp[video]' (with uvx: --from 'seedance-mcp[video]' seedance-mcp), then"
            " restart the server."
        ),
    )
