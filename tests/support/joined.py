"""Clips to join, and what a joined one shows."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av

from .client import ToolClient, structured
from .film import FRAMES, run_film
from .restarting_server import open_server

RATE = 24
"""Frames a second of the simulator's clips."""

SHOT_SECONDS = FRAMES / RATE


@asynccontextmanager
async def open_film(
    folder: Path, *, attachments: str = "preview", **switches: Any
) -> AsyncGenerator[ToolClient, None]:
    """Run a server in virtual time, whose clips are shots of a film, with its folders in a folder.

    Args:
        folder: It gets the folders `state` and `videos`.
        attachments: As in the settings.
        switches: The simulator's.
    """
    settings: dict[str, Any] = {"output_dir": folder / "videos", "attachments": attachments}
    async with (
        run_film(**switches) as (simulator, _),
        open_server(simulator, folder / "state", **settings) as client,
    ):
        yield ToolClient(client, simulator)


async def make_clips(client: ToolClient, *prompts: str, **arguments: Any) -> list[str]:
    """Make a clip for each prompt, and return the request_ids."""
    made = [await client.generate(prompt=each, wait_seconds=60, **arguments) for each in prompts]
    return [structured(result)["request_id"] for result in made]


def frames(path: str | Path) -> int:
    """Return how many frames a file shows; all of it is read."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def shown_at(path: Path) -> list[float]:
    """Return when each frame of a file is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder, in order."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def joined_names(folder: Path) -> Sequence[str]:
    """Return the names of joined and unfinished files in a folder."""
    return [name for name in names(folder) if "joined" in name or "joining" in name]


def changed_at(path: Path) -> int:
    """Return when a file was last changed."""
    return path.stat().st_mtime_ns


def damage(path: Path) -> None:
    """Overwrite a clip with what only begins as one."""
    path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(1000))
