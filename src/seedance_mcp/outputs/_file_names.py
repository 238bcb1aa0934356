"""The names of saved files: made from the job, never from a URL, and only where they are free."""

import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from seedance_mcp.file_locks import folder_lock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output

NAME_LETTERS = 48  # of the prompt


def file_name(job: Job, output: Output) -> str:
    """Make an output's name, without its extension, of letters, digits and hyphens alone.

    It begins with the date, so that it is no name that Windows reserves.
    """
    prompt = job.arguments.get("prompt")
    signs = unicodedata.normalize("NFKD", prompt) if isinstance(prompt, str) else ""
    letters = "".join(sign for sign in signs.lower() if not unicodedata.combining(sign))
    words = "-".join(re.findall(r"[a-z0-9]+", letters))
    if len(words) > NAME_LETTERS:
        words = words[: NAME_LETTERS + 1].rpartition("-")[0] or words[:NAME_LETTERS]
    request = "".join(re.findall(r"[a-z0-9]+", (job.request_id or job.id).lower()))[:8]
    which = "" if output.kind == "video" else "image"
    if output.number > 1:
        which = f"{which or 'v'}{output.number}"
    return "-".join(filter(None, [job.created_at.date().isoformat(), words, request, which]))


def numbered(folder: Path, name: str, extension: str) -> Iterator[Path]:
    """Give a name in a folder, and then others that are like it, without end."""
    yield folder / f"{name}{extension}"
    yield from (folder / f"{name}-{number}{extension}" for number in count(2))


def renamed(path: Path, new: Path) -> bool:
    """Give a file a new name unless that is taken, and tell whether it was free.

    Killed at any instant, it leaves the file under one name or both, whole.
    """
    try:
        os.link(path, new)
    except FileExistsError:
        return False
    except OSError:
        return _renamed_without_links(path, new)
    path.unlink()
    return True


def _renamed_without_links(path: Path, new: Path) -> bool:
    # On exFAT and others a name cannot be taken and filled in one step, and POSIX replaces what has
    # it already. So those who take names here look and rename one by one; Windows replaces nothing.
    with folder_lock(new.parent):
        if os.path.lexists(new):
            return False
        with suppress(FileExistsError):
            path.rename(new)
            return True
    return False


def synced(folder: Path) -> None:
    """See to it that a folder's names outlive a loss of power."""
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
