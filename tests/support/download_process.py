"""A process that downloads clips, to be killed and measured. Arguments: URL FOLDER COUNT FAULT...

It prints a line for each progress report, and for each clip its name or its error. Faults happen at
audit events of the interpreter (`sys.audit`), which come just before a file operation:
`fail:EVENT:ERRNO` makes every such operation fail, and `die:EVENT,EVENT` kills the process at the
last event, once the others have come in this order.
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
    """Print a line without buffering."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def memory(name: str) -> int:
    """Return a figure of this process's memory in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def inject(fault: str) -> None:
    """Make a fault happen in this process."""
    kind, events, *code = fault.split(":")
    left = events.split(",")

    def on_event(event: str, _: object) -> None:
        if left and event == left[0]:
            if kind == "fail":
                raise OSError(getattr(errno, code[0]), os.strerror(getattr(errno, code[0])))
            left.pop(0)
            if not left:
                os._exit(9)

    sys.addaudithook(on_event)


async def main(url: str, folder: Path, count: int) -> None:
    """Download the clip `count` times at once."""
    downloader = Downloader(folder, base_url=url, transport=None, clock=Clock())

    async def report(size: int, total: int | None) -> None:
        if count == 1:
            say("report", size, total)

    async def record(_: Path) -> bool:
        return True

    async def download(number: int) -> None:
        try:
            path = await downloader.download(
                JOB,
                Output(kind="video", number=number, url=f"{url}/a.mp4"),
                on_bytes=report,
                on_saved=record,
            )
        except DownloadFailed as error:
            say(error.line)
        else:
            say("downloaded", path.name)

    before = memory("VmRSS")
    async with anyio.create_task_group() as tasks:
        for number in range(1, count + 1):
            tasks.start_soon(download, number)
    say("grown", memory("VmHWM") - before)


if __name__ == "__main__":
    for fault in sys.argv[4:]:
        inject(fault)
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
