"""A process that saves clips, to be killed and measured: URL, FOLDER, COUNT.

It prints a line for every report, and for every clip its name or why there is none.
"""

import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio

from seedance_mcp.download import Downloads
from seedance_mcp.errors import DownloadFailed
from seedance_mcp.jobs import Output
from seedance_mcp.surroundings import Surroundings

from .download_scene import JOB


def say(*words: object) -> None:
    """Print a line at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def memory(name: str) -> int:
    """Read one of the process's own figures, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


async def main(url: str, folder: Path, count: int) -> None:
    """Save the clip so many times at once."""
    surroundings = Surroundings(
        clock=lambda: datetime.now(UTC), sleep=anyio.sleep, random=random.random
    )
    downloads = Downloads(folder, base_url=url, transport=None, surroundings=surroundings)

    async def report(size: int, total: int | None) -> None:
        if count == 1:
            say("report", size, total)

    async def recorded(_: Path) -> bool:
        return True

    async def save(number: int) -> None:
        try:
            saved = await downloads.save(
                JOB,
                Output(kind="video", number=number, url=f"{url}/a.mp4"),
                report=report,
                record=recorded,
            )
        except DownloadFailed as error:
            say(error.line)
        else:
            say("saved", saved.name)

    before = memory("VmRSS")
    async with anyio.create_task_group() as tasks:
        for number in range(1, count + 1):
            tasks.start_soon(save, number)
    say("grown", memory("VmHWM") - before)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
