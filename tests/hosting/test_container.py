"""The Dockerfile: what it must not have, and its very commands, run on this machine.

Changed are the paths and the port.
"""

import signal
import subprocess
from pathlib import Path
from typing import IO

import anyio
import pytest

from tests.support.container import ROOT, Image, instructions
from tests.support.proxies import free_port, needed
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = [
    *(pytest.mark.anyio, pytest.mark.repository, pytest.mark.hosting),
    # The image is built once.
    pytest.mark.xdist_group("image"),
]

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
USER = 10001
SECRETS = ("TOKEN", "KEY", "PASSWORD", "SECRET")


def test_hadolint_finds_nothing() -> None:
    subprocess.run([needed("hadolint"), str(ROOT / "Dockerfile")], check=True)


def test_the_image_has_no_secret_a_tag_for_each_base_and_a_user_who_is_not_root() -> None:
    said = list(instructions(DOCKERFILE))
    named = " ".join(rest for word, rest in said if word in {"ARG", "ENV"})
    assert [secret for secret in SECRETS if secret in named] == []
    assert {rest.split()[0] for word, rest in said if word == "FROM"} == {
        "python:3.13-slim-bookworm"
    }
    assert [rest for word, rest in said if word == "USER"] == [f"{USER}:{USER}"]
    # What is not named stays out, such as .env.
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1:6] == [
        *("*", "!LICENSE", "!README.md", "!pyproject.toml", "!src")
    ]


def run(image: Image, command: list[str], environment: dict[str, str], log: IO[bytes]) -> int:
    """Run a command of the image to its end, and return its exit code."""
    with image.start(command, environment, log) as process:
        return process.wait(TIMEOUT_SECONDS)


async def is_healthy(image: Image, port: int, log: Path) -> bool:
    """Return what the HEALTHCHECK says of a server on another port."""
    command = [word.replace("8000", str(port)) for word in image.health]
    none: dict[str, str] = {}
    with log.open("wb") as output:
        return not await anyio.to_thread.run_sync(run, image, command, none, output)


async def test_the_image_starts_says_how_it_is_and_ends_by_sigterm(
    image: Image, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with image.running(image.command, {}, log) as process:
        assert process.wait(TIMEOUT_SECONDS) == 1
    assert "SEEDANCE_ACCESS_TOKENS" in log.read_text()
    port, tokens = free_port(), {"SEEDANCE_ACCESS_TOKENS": "/data/access-tokens"}
    with log.open("wb") as output:
        assert run(image, [*image.entrypoint, "token", "new", "alice"], tokens, output) == 0
    arguments = [word.replace("8000", str(port)) for word in image.command]
    arguments = [word.replace("0.0.0.0", "127.0.0.1") for word in arguments]
    with image.running(arguments, tokens, log) as process:
        await wait_until(lambda: f":{port}/mcp" in log.read_text())
        assert await is_healthy(image, port, tmp_path / "health")
        process.send_signal(signal.SIGTERM)
        assert await anyio.to_thread.run_sync(process.wait, TIMEOUT_SECONDS) == 0
        assert not await is_healthy(image, port, tmp_path / "health")
    # A read-only file system takes nothing from it.
    own = {path for path in image.root.rglob("*") if path.stat().st_uid == USER}
    outside = {path for path in own if not path.is_relative_to(image.root / "data")}
    assert outside == set()
    assert image.root / "data" / "state" in own
