"""An example as a real process, whose server takes a simulator for RunComfy."""

import shlex
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess
from threading import Lock
from typing import Any

import anyio
from anyio.abc import Process

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .sample_images import make_image
from .server_process import COMMAND, account, read_all
from .small_clip import render_small_clip
from .timeouts import TIMEOUT_SECONDS, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(kw_only=True)
class ExampleRun:
    """A folder with an image, in which examples run.

    Attributes:
        env: The environment of the examples and their servers.
        server_ids: A file with the process id of every server so far, one a line.
    """

    folder: Path
    simulator: Simulator
    env: dict[str, str]
    server_ids: Path

    @property
    def server(self) -> str:
        """Return a command that starts the server, and notes its process id."""
        note = 'echo $$ >> "$0"; exec "$@"'
        return shlex.join(["sh", "-c", note, str(self.server_ids), *COMMAND])

    @asynccontextmanager
    async def start(self, name: str, *arguments: str) -> AsyncGenerator[Process]:
        """Start an example, and kill it at the end."""
        command = [sys.executable, str(EXAMPLES / name), "--server", self.server, *arguments]
        async with await anyio.open_process(
            command, env=self.env, cwd=self.folder, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        ) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    async def finish(self, process: Process) -> CompletedProcess[str]:
        """Return what a process printed, and its exit code."""
        printed = {PIPE: "", DEVNULL: ""}

        async def read(key: int, stream: Any) -> None:
            printed[key] = (await read_all(stream)).decode()

        with anyio.fail_after(TIMEOUT_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, PIPE, process.stdout)
                tasks.start_soon(read, DEVNULL, process.stderr)
            code = await process.wait()
        return CompletedProcess([], code, printed[PIPE], printed[DEVNULL])

    async def run(self, name: str, *arguments: str) -> CompletedProcess[str]:
        """Run an example to its end."""
        async with self.start(name, *arguments) as process:
            return await self.finish(process)

    def write_table(self, prompts: Sequence[str], image: str = "lake.jpg") -> None:
        """Write the CSV of a pipeline, with a row for each prompt, from line 2 on."""
        rows = [f"{image},{prompt}\n" for prompt in prompts]
        (self.folder / "prompts.csv").write_text("".join(["image,prompt\n", *rows]), "utf-8")

    async def pipeline(self, *arguments: str) -> CompletedProcess[str]:
        """Run the pipeline on the folder and its CSV."""
        return await self.run("pipeline.py", ".", "prompts.csv", *arguments)

    async def until_accepted(self, number: int) -> None:
        """Wait until so many jobs are accepted, and so paid."""
        await wait_until(lambda: len(self.simulator.accepted) >= number)

    def prompts(self) -> list[str]:
        """Return the prompt of each accepted, and so paid, job."""
        return [job.arguments["prompt"] for job in self.simulator.accepted]

    def clips(self) -> list[Path]:
        """Return the saved clips; all are MP4s by their first bytes.

        A server that is killed may leave a note of a download beside them.
        """
        files = sorted((self.folder / "clips").glob("*.mp4"))
        assert all(file.read_bytes()[4:8] == b"ftyp" for file in files)
        return files


class Renderer:
    """Renders one small clip, and copies it for all other jobs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clip = b""

    def __call__(self, path: Path, *images: Any, **options: Any) -> None:
        """Write a clip."""
        with self._lock:
            if not self._clip:
                render_small_clip(path, *images, **options)
                self._clip = path.read_bytes()
            path.write_bytes(self._clip)


@asynccontextmanager
async def example_run(folder: Path, **switches: Any) -> AsyncGenerator[ExampleRun]:
    """Run a simulator, and yield a folder for examples."""
    quick: dict[str, Any] = {"images": "never", "workers": 8, "run_seconds": 0.2}
    behaviour = Behaviour(**(quick | switches))
    (folder / "lake.jpg").write_bytes(make_image("JPEG"))
    async with running(behaviour, render=Renderer()) as simulator:
        # Reading the authorities' certificates is half of a start, and nothing is encrypted here.
        env = account(simulator, folder, SSL_CERT_DIR=str(folder))
        ids = folder / "servers"
        yield ExampleRun(folder=folder, simulator=simulator, env=env, server_ids=ids)
