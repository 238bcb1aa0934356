"""The set-ups of docs/hosting.md, tried as they stand there, behind the real Caddy and nginx.

Changed are ports, paths, tokens and the address of RunComfy, for which the simulator stands in.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from mcp.client.client import ConnectMode

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support import proxies
from tests.support.client import ARGUMENTS
from tests.support.hosting_page import SetUp, set_up, variables
from tests.support.proxies import SITE, Proxy
from tests.support.timeouts import NEVER_SECONDS, TIMEOUT_SECONDS

pytestmark = [
    *(pytest.mark.anyio, pytest.mark.repository, pytest.mark.hosting),
    pytest.mark.usefixtures("programs"),
]

ERAS: list[ConnectMode] = ["legacy", "auto"]
PROGRAMS = str(Path(sys.executable).parent)
TOKEN = "your-runcomfy-token"
LARGE = bytes(10_000_000)


@pytest.fixture(scope="module")
def programs() -> None:
    proxies.needed("caddy")
    proxies.needed("nginx")


@asynccontextmanager
async def slow_simulator(progress_came: anyio.Event) -> AsyncGenerator[Simulator, None]:
    """Run a simulator whose clock goes on only when a caller has seen progress."""

    def clock() -> float:
        return NEVER_SECONDS if progress_came.is_set() else 0.0

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, clock=clock) as simulator:
        yield simulator


async def make_clip(proxy: Proxy, token: str, mode: ConnectMode, came: anyio.Event) -> str:
    """Make a clip through a proxy, and return its request_id."""

    async def see(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        # RunComfy has accepted the job by then.
        if message and not message.startswith("submitting"):
            came.set()

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with proxy.client(token, mode) as client:
            made = await client.call_tool("generate_video", ARGUMENTS, progress_callback=see)
    assert made.structured_content["status"] == "completed"
    return made.structured_content["request_id"]


def outside(simulator: Simulator, folder: Path) -> dict[str, str]:
    """Return what a server has here beside its set-up."""
    return {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "HOME": str(folder),
        "RUNCOMFY_API_BASE_URL": simulator.url,
        "SEEDANCE_CHECK_IMAGES": "false",
    }


def shell(command: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a command as the page has it, and return its stdout."""
    done = subprocess.run(
        ["/bin/sh", "-euc", command],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("mode", ERAS)
async def test_one_person_makes_a_clip_behind_caddy(mode: ConnectMode, tmp_path: Path) -> None:
    page = set_up("One person, behind Caddy")
    private, load, new_token, serve, run_caddy = page.commands
    port = str(proxies.free_port())
    came = anyio.Event()
    async with slow_simulator(came) as simulator:
        env = outside(simulator, tmp_path)
        written = page.files["seedance.env"].replace(TOKEN, simulator.token)
        (tmp_path / "seedance.env").write_text(written)
        token = shell(f"{private}; {load}; {new_token}", tmp_path, env)
        command = ["/bin/sh", "-euc", f"cd {tmp_path}; {load}; exec {serve.replace('8000', port)}"]
        assert run_caddy == "caddy run --config Caddyfile"
        caddyfile = page.files["Caddyfile"].replace("8000", port)
        with proxies.running(command, tmp_path / "server.log", env):
            async with proxies.caddy(caddyfile, tmp_path / "caddy", {}) as proxy:
                await proxy.wait_for("/readyz", 200)
                await make_clip(proxy, token, mode, came)
                await assert_kept_out(proxy, token)
        assert len(simulator.accepted) == 1
    assert (tmp_path / "seedance.env").stat().st_mode & 0o777 == 0o600


async def assert_kept_out(proxy: Proxy, token: str) -> None:
    """Check what no caller may have: a call without a token, the figures, a body of 10 MB."""
    async with proxy.http_client(None) as http:
        url = f"https://{SITE}/mcp"
        # None of the answers is lost, although they could come while the body is still sent.
        bodies = [{"x": "y" * 3000 * (size % 7)} for size in range(100)]
        statuses = [(await http.post(url, json=body)).status_code for body in bodies]
        assert set(statuses) == {401}
        assert (await http.get(f"https://{SITE}/metrics")).status_code in {401, 404}
    lines = ["POST /mcp HTTP/1.1", f"Host: {SITE}", f"Authorization: Bearer {token}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(LARGE)}", "", ""]
    with anyio.fail_after(TIMEOUT_SECONDS):
        assert await proxy.status_of("\r\n".join(lines).encode() + LARGE) == 413


@pytest.mark.parametrize("mode", ERAS)
async def test_a_team_makes_clips_behind_nginx_and_sees_only_its_own(
    mode: ConnectMode, tmp_path: Path
) -> None:
    page = set_up("A team with access tokens, behind nginx")
    came = anyio.Event()
    async with slow_simulator(came) as simulator:
        ports = {"8000": str(proxies.free_port()), "9464": str(proxies.free_port())}
        env = outside(simulator, tmp_path)
        written = mapped(page.files["/etc/seedance-mcp.env"], tmp_path)
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/seedance-mcp.env").write_text(written.replace(TOKEN, simulator.token))
        alice, bob = make_team(page, tmp_path, env)
        unit = mapped(page.files["/etc/systemd/system/seedance-mcp.service"], tmp_path)
        for old, new in ports.items():
            unit = unit.replace(old, new)
        site = page.files["/etc/nginx/sites-enabled/clips.example.com"]
        with proxies.running(exec_start(unit), tmp_path / "log", env | environment_of(unit)):
            nginx = proxies.nginx(site.replace("8000", ports["8000"]), tmp_path / "nginx")
            async with nginx as proxy:
                await proxy.wait_for("/readyz", 200)
                made = await make_clip(proxy, alice, mode, came)
                await assert_kept_out(proxy, alice)
                async with proxy.client(bob, mode) as client:
                    seen = await client.call_tool("list_jobs", {})
                    unknown = await client.call_tool("check_status", {"request_id": made})
                figures = await figures_of(ports["9464"])
    assert seen.structured_content["jobs"] == []
    assert unknown.is_error
    assert 'seedance_mcp_jobs{status="completed"} 1.0' in figures


async def figures_of(port: str) -> list[str]:
    """Return the lines of the figures for Prometheus."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
        return (await http.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()


def mapped(text: str, folder: Path) -> str:
    """Return a text whose paths of the system are in a folder, and the program is this one."""
    text = text.replace("/opt/seedance-mcp/bin", PROGRAMS)
    for path in ("/etc/", "/var/lib/"):
        text = text.replace(path, f"{folder}{path}")
    return text


def make_team(page: SetUp, folder: Path, env: Mapping[str, str]) -> list[str]:
    """Do the commands of the page that are not about the system, and return the tokens."""
    (folder / "var/lib/seedance-mcp").mkdir(parents=True)
    tokens: list[str] = []
    for command in page.commands:
        match command.split()[0]:
            case "useradd" | "python3" | "systemctl" | "/opt/seedance-mcp/bin/pip":
                continue
            case "setpriv":
                # There is no such user here.
                _, _, rest = command.partition("--clear-groups ")
                load = f"set -a; . {folder}/etc/seedance-mcp.env"
                tokens.append(shell(f"{load}; {mapped(rest, folder)}", folder, env))
            case _:
                shell(mapped(command, folder), folder, env)
    return tokens


def exec_start(unit: str) -> list[str]:
    """Return the command of a unit of systemd."""
    (line,) = [line for line in unit.replace("\\\n", "").splitlines() if line[:10] == "ExecStart="]
    return shlex.split(line.removeprefix("ExecStart="))


def environment_of(unit: str) -> dict[str, str]:
    """Return the variables of a unit's file, which systemd does not expand."""
    (line,) = [line for line in unit.splitlines() if line.startswith("EnvironmentFile=")]
    return variables(Path(line.removeprefix("EnvironmentFile=")).read_text())
