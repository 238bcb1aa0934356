"""A process that saves clips, to be killed and measured: URL, FOLDER, COUNT, and what befalls it.

It prints a line for every report, and for every clip its name or why there is none. What befalls it
is told by events of the interpreter (`sys.audit`), which come just before a step on files is taken:
`fail:EVENT:ERRNO` lets every such step fail, and `die:EVENT,EVENT` kills the process at the last of
them, once the others have come.
"""

import errno
import os
import sys
from pathlib import Path

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed
from seedance_mcp.jobs.status import Output
from seedance_mcp.outputs.download import Downloader

from .download_scene import JOB


def say(*words: object) -> None:
    """Print a line at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def memory(name: str) -> int:
    """Read one of the process's own figures, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def befall(what: str) -> None:
    """Let something befall this process."""
    kind, events, *code = what.split(":")
    left = events.split(",")

    def heard(event: str, _: object) -> None:
        if left and event == left[0]:
            if kind == "fail":
                raise OSError(getattr(errno, code[0]), os.strerror(getattr(errno, code[0])))
            left.pop(0)
            if not left:
                os._exit(9)

    sys.addaudithook(heard)


async def main(url: str, folder: Path, count: int) -> None:
    """Save the clip so many times at once."""
    clock = Clock()
    downloads = Downloader(folder, base_url=url, transport=None, clock=clock)

    async def report(size: int, total: int | None) -> None:
        if count == 1:
            say("report", size, total)

    async def recorded(_: Path) -> bool:
        return True

    async def save(number: int) -> None:
        try:
            saved = await downloads.download(
                JOB,
                Output(kind="video", number=number, url=f"{url}/a.mp4"),
                on_bytes=report,
                on_saved=recorded,
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
    for fate in sys.argv[4:]:
        befall(fate)
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
