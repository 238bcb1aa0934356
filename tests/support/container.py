"""The Dockerfile, done on this machine: its paths become folders below a root of the test's own.

No container engine is needed. What it cannot show is what an engine adds: the base image, layers,
a file system that is read-only. The user is that of the image, who owns nothing but the volume.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PATHS = ("/src", "/opt/seedance-mcp", "/data")
"""The paths of the image that the Dockerfile makes."""

AS_USER = (
    *("/usr/bin/setpriv", "--reuid={user}", "--regid={user}", "--clear-groups"),
    # This Python may be in a folder of root's, and the base image's is not here.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
"""Runs a command as a user who may read everything, but write only what is their own."""


@dataclass
class Image:
    """What the Dockerfile makes.

    Attributes:
        root: The folder that has the paths of the image.
        environment: The variables of the image.
        user: The number of the user that the commands run as; None as long as it is root.
        folder: The working directory.
        entrypoint: What every command begins with.
        command: The arguments where no others are given.
        health: The command that says whether the server is well.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    user: int | None = None
    folder: Path = Path("/")
    entrypoint: list[str] = field(default_factory=list[str])
    command: list[str] = field(default_factory=list[str])
    health: list[str] = field(default_factory=list[str])

    def mapped(self, text: str) -> str:
        """Return a text with the paths of the image below the root."""
        names = "|".join(map(re.escape, PATHS))
        return re.sub(
            rf"(?<![\w./-])(?:{names})(?![\w-])", lambda path: f"{self.root}{path[0]}", text
        )

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """Start a command as the image's user, without the variables of this machine."""
        variables = {**self.environment, **environment}
        program = shutil.which(command[0], path=variables["PATH"])
        assert program, command
        return subprocess.Popen(
            [*(word.format(user=self.user) for word in AS_USER), program, *command[1:]],
            cwd=self.folder,
            env={name: self.mapped(value) for name, value in variables.items()},
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )

    @contextmanager
    def running(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Generator["subprocess.Popen[bytes]", None, None]:
        """Run the entrypoint as long as the context lasts."""
        with (
            log.open("wb") as output,
            self.start([*self.entrypoint, *arguments], environment, output) as process,
        ):
            try:
                yield process
            finally:
                process.kill()


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and what follows it; the lines that it goes on in are one."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        yield word, " ".join(rest.split())


def build(root: Path, environment: Mapping[str, str]) -> Image:
    """Do what the Dockerfile says, with the variables of this machine for what it runs."""
    image = Image(root)
    arguments: dict[str, str] = {}
    for word, rest in instructions((ROOT / "Dockerfile").read_text("utf-8")):
        match word:
            case "FROM":
                image.environment = {"PATH": os.defpath}
            case "ARG":
                name, _, value = rest.partition("=")
                arguments[name] = value
            case "ENV":
                image.environment |= _variables(image.mapped(rest), image.environment)
            case "WORKDIR":
                image.folder = Path(image.mapped(rest))
                image.folder.mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(image, rest)
            case "RUN":
                (root / "opt").mkdir(exist_ok=True)
                command = ["sh", "-euc", image.mapped(rest)]
                subprocess.run(
                    command, cwd=image.folder, env={**environment, **arguments}, check=True
                )
            case _:
                _describe(image, word, rest)
    return image


def _describe(image: Image, word: str, rest: str) -> None:
    match word:
        case "USER":
            image.user = int(rest.partition(":")[0])
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "CMD":
            image.command = json.loads(rest)
        case "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD ")[2])
        case "VOLUME" | "EXPOSE":
            pass
        case _:
            raise AssertionError(f"The test does not know {word}.")


def _variables(text: str, known: Mapping[str, str]) -> dict[str, str]:
    pairs = (pair.split("=", 1) for pair in text.split())
    return {name: value.replace("$PATH", known["PATH"]) for name, value in pairs}


def _copy(image: Image, rest: str) -> None:
    """Copy from the checkout; what another stage made is at the same path already."""
    *sources, target = rest.split()
    if sources[0].startswith("--from="):
        return
    for source in sources:
        path, into = ROOT / source, image.folder / target
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, into, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(path, into)
