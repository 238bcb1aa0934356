"""The names of downloaded files: made from the job, never from a URL, and never of another file."""

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

MAX_PROMPT_LETTERS = 48


def file_name(job: Job, output: Output) -> str:
    """Return an output's name without its extension, of letters, digits and hyphens alone.

    It begins with the date, so that it is never a name that Windows reserves.
    """
    prompt = job.arguments.get("prompt")
    letters = unicodedata.normalize("NFKD", prompt) if isinstance(prompt, str) else ""
    plain = "".join(letter for letter in letters.lower() if not unicodedata.combining(letter))
    words = "-".join(re.findall(r"[a-z0-9]+", plain))
    if len(words) > MAX_PROMPT_LETTERS:
        # At the end of a word, if there is one.
        words = words[: MAX_PROMPT_LETTERS + 1].rpartition("-")[0] or words[:MAX_PROMPT_LETTERS]
    request = "".join(re.findall(r"[a-z0-9]+", (job.request_id or job.id).lower()))[:8]
    which = "" if output.kind == "video" else "image"
    if output.number > 1:
        which = f"{which or 'v'}{output.number}"
    return "-".join(filter(None, [job.created_at.date().isoformat(), words, request, which]))


def numbered(folder: Path, name: str, extension: str) -> Iterator[Path]:
    """Yield NAME, NAME-2, NAME-3 and so on in a folder, without end."""
    yield folder / f"{name}{extension}"
    yield from (folder / f"{name}-{number}{extension}" for number in count(2))


def rename_to_free(path: Path, new: Path) -> bool:
    """Rename a file unless the new name is taken, and return whether it was free.

    A crash leaves the whole file under one of the names or both.
    """
    try:
        os.link(path, new)
    except FileExistsError:
        return False
    except OSError:
        return _rename_without_links(path, new)
    path.unlink()
    return True


def _rename_without_links(path: Path, new: Path) -> bool:
    # exFAT and others cannot link, and a POSIX rename replaces what has the name. So we look and
    # rename under a lock that all our processes take. Windows replaces nothing and has no lock.
    with folder_lock(new.parent):
        if os.path.lexists(new):
            return False
        with suppress(FileExistsError):
            path.rename(new)
            return True
    return False


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
