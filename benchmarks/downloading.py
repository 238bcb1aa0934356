"""How fast a clip is downloaded, compared with curl.

Both download the same file in turn, over loopback from a process that sends it with `sendfile`, to
the same disk, and both wait until it is safe there: our download does so before it gives the file
its name, and curl's is followed by the same `fsync`. The start of curl's process is part of its
time. It needs the command curl: apt-get install curl.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.status import Output
from seedance_mcp.outputs.download import Downloader
from tests.support.download_scene import JOB

from .figures import Figure, as_table
from .processes import served

RUNS = 9
MEGABYTES = 256
LEAST_SHARE = 0.9


async def download(url: str, folder: Path) -> float:
    """Download as the server does, and return the seconds."""

    async def ignore(_: int, __: int | None) -> None:
        """Ignore a report."""

    async def recorded(_: Path) -> bool:
        return True

    downloader = Downloader(folder, base_url=url, transport=None, clock=Clock())
    output = Output(kind="video", number=1, url=f"{url}/clip.mp4")
    began = time.perf_counter()
    path = await downloader.download(JOB, output, on_bytes=ignore, on_saved=recorded)
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


def fetch(curl: str, url: str, path: Path) -> float:
    """Download with curl, and return the seconds."""
    began = time.perf_counter()
    subprocess.run([curl, "--silent", "--fail", "-o", str(path), f"{url}/clip.mp4"], check=True)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


async def measured(curl: str, folder: Path) -> list[tuple[float, float]]:
    """Return the seconds of our downloads and of curl's, in pairs."""
    clip = folder / "clip.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypmp42" + os.urandom(2**20) * MEGABYTES)
    with served(clip) as url:
        pairs = [
            (await download(url, folder / "ours"), fetch(curl, url, folder / "theirs"))
            for _ in range(RUNS + 1)
        ]
    # The first pair only warms up.
    return pairs[1:]


def figures() -> list[Figure]:
    """Measure in a folder that is removed afterwards."""
    curl = shutil.which("curl")
    if curl is None:
        sys.exit("curl is missing: apt-get install curl")
    with tempfile.TemporaryDirectory() as folder:
        pairs = anyio.run(measured, curl, Path(folder))
    ours, theirs = (MEGABYTES / median(side) for side in zip(*pairs, strict=True))
    share = Figure(
        name=f"download of {MEGABYTES} MiB, its speed to curl's",
        value=median(other / one for one, other in pairs),
        aim=LEAST_SHARE,
        unit="x",
        least=True,
        details=f"{ours:.0f} and {theirs:.0f} MiB/s, with fsync",
    )
    return [share]


def main() -> None:
    """Print the figures, and exit with 1 if ours is too slow."""
    found = figures()
    print(as_table(found))
    sys.exit(not all(figure.met for figure in found))


if __name__ == "__main__":
    main()
