"""compose.yaml: what it must have, and its replicas behind the real Caddy, run on this machine.

Changed are paths, ports, the names of hosts and the address of RunComfy. PostgreSQL is that of the
other tests, since its image is not ours.
"""

import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from seedance_mcp.settings import variables as known_variables
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support import proxies
from tests.support.client import ARGUMENTS
from tests.support.compose import Service, services
from tests.support.container import ROOT, Image
from tests.support.hosting_page import set_up, variables
from tests.support.issuer import Issuer, run_issuer
from tests.support.postgres import PostgresServer
from tests.support.proxies import SITE, Proxy, free_port
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = [
    *(pytest.mark.anyio, pytest.mark.repository, pytest.mark.hosting),
    # The image is built once.
    pytest.mark.xdist_group("image"),
]

ENV = {"SITE": SITE, "DATABASE_PASSWORD": "0123abcd", "SEEDANCE_STATE_KEY": "k" * 64}
REPLICAS = ("replica-1", "replica-2")


def test_every_service_is_hardened_and_only_caddy_can_be_reached() -> None:
    for name, service in services(ENV).items():
        given = service.given
        assert (name, given["read_only"], given["cap_drop"]) == (name, True, ["ALL"])
        assert given["security_opt"] == ["no-new-privileges:true"]
        assert ("ports" in given) == (name == "caddy")
        assert ("outside" in given["networks"]) == (name != "database")
    passed_on = services(ENV)["replica-1"].given["environment"]
    assert set(passed_on) <= set(known_variables())


@pytest.mark.parametrize("missing", ["SITE", "DATABASE_PASSWORD", "SEEDANCE_STATE_KEY"])
def test_compose_does_not_start_without_a_secret_or_a_name(missing: str) -> None:
    with pytest.raises(AssertionError, match=f"^{missing} is required: "):
        services({name: value for name, value in ENV.items() if name != missing})


def test_the_replicas_are_given_the_database_as_it_is_made() -> None:
    composed = services(ENV)
    made = composed["database"].environment
    for name in REPLICAS:
        url = urlsplit(composed[name].environment["SEEDANCE_DATABASE_URL"])
        assert (url.hostname, url.port) == ("database", 5432)
        assert (url.username, url.password, url.path[1:]) == (
            made["POSTGRES_USER"],
            made["POSTGRES_PASSWORD"],
            made["POSTGRES_DB"],
        )


@dataclass
class Composition:
    """The services of compose.yaml on this machine.

    Attributes:
        image: What the replicas run.
        folder: A folder for logs.
        services: All services.
        here: The variables that are others here.
        ports: Where the replicas listen.
        processes: The replicas that run.
    """

    image: Image
    folder: Path
    services: Mapping[str, Service]
    here: Mapping[str, str]
    ports: dict[str, int]
    processes: "dict[str, subprocess.Popen[bytes]]"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Proxy, None]:
        """Run the replicas, and Caddy in front."""
        caddyfile = (ROOT / "hosting" / "Caddyfile").read_text("utf-8")
        with ExitStack() as stack:
            for name, port in self.ports.items():
                caddyfile = caddyfile.replace(f"{name}:8000", f"127.0.0.1:{port}")
                service = self.services[name]
                words = [word.replace("=8000", f"={port}") for word in service.command]
                words = [word.replace("=0.0.0.0", "=127.0.0.1") for word in words]
                environment = {**service.environment, **self.here}
                replica = self.image.running(words, environment, self.folder / name)
                self.processes[name] = stack.enter_context(replica)
            front = self.services["caddy"].environment
            async with proxies.caddy(caddyfile, self.folder / "caddy", front) as proxy:
                await proxy.wait_for("/readyz", 200)
                yield proxy


def write_env(folder: Path, issuer: Issuer, simulator: Simulator) -> dict[str, str]:
    """Do what the page says up to the start of the containers, and return what is in .env."""
    page = set_up("Replicas on PostgreSQL, with OAuth")
    *prepare, up = page.commands
    assert up == "docker compose up --build --detach --wait"
    written = page.files[".env"].replace("your-runcomfy-token", simulator.token)
    assert "https://login.example.com" in written
    (folder / ".env").write_text(written.replace("https://login.example.com", issuer.url))
    for command in prepare:
        subprocess.run(["/bin/sh", "-euc", command], cwd=folder, check=True)
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    return variables((folder / ".env").read_text())


@pytest.fixture
def reachable(postgres_server: PostgresServer, database_url: str) -> str:
    """Return the URL of a new database, which the user of the image can reach."""
    postgres_server.folder.chmod(0o711)
    return database_url


async def listed(proxy: Proxy, token: str) -> list[str]:
    """Return the ids of a caller's jobs."""
    async with proxy.client(token, "auto") as client:
        seen = await client.call_tool("list_jobs", {})
    return [job["request_id"] for job in seen.structured_content["jobs"]]


async def test_the_replicas_answer_for_each_other_behind_caddy_each_caller_its_own(
    image: Image, reachable: str, tmp_path: Path
) -> None:
    proxies.needed("caddy")
    async with running(Behaviour(images="never")) as simulator, run_issuer() as issuer:
        here = {
            "SEEDANCE_DATABASE_URL": reachable,
            "RUNCOMFY_API_BASE_URL": simulator.url,
            "SEEDANCE_CHECK_IMAGES": "false",
        }
        env = write_env(tmp_path, issuer, simulator)
        issuer.audience = env["SEEDANCE_AUTH_AUDIENCE"]
        ports = {name: free_port() for name in REPLICAS}
        composition = Composition(image, tmp_path, services(env), here, ports, {})
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with composition.running() as proxy:
                alice, bob = issuer.token(sub="alice"), issuer.token(sub="bob")
                async with proxy.client(alice, "auto") as client:
                    made = await client.call_tool("generate_video", ARGUMENTS)
                assert made.structured_content["status"] == "completed"
                for name in REPLICAS:
                    composition.processes[name].terminate()
                    composition.processes[name].wait(TIMEOUT_SECONDS)
                    if name == REPLICAS[0]:
                        assert await listed(proxy, alice) == [made.structured_content["request_id"]]
                        assert await listed(proxy, bob) == []
                assert [process.returncode for process in composition.processes.values()] == [0, 0]
        assert len(simulator.accepted) == 1
