"""The bytes of a regular file of this machine, and of nothing else that a path can name."""

import os
import re
import stat
from pathlib import Path
from urllib.request import url2pathname

from seedance_mcp.text import one_line

from ._errors import UnusableImage

READ_LIMIT = 100 * 1024 * 1024
"""The largest file that is read at all."""

_FILE_URL = re.compile(r"file:(?://([^/]*))?", re.IGNORECASE)


def _path(value: str) -> Path:
    for name in _names(value):
        try:
            # strict: a path that leads nowhere, or in a circle, ends here.
            return Path(name).expanduser().resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
    raise UnusableImage(f"there is no file {one_line(value, 200)}")


def _names(value: str) -> tuple[str, ...]:
    """Give what a value may name: a file: URL is often a path that nobody escaped."""
    url = _FILE_URL.match(value)
    if url is None:
        return (value,)
    if url[1] and url[1].lower() != "localhost":
        raise UnusableImage("it is a file of another machine")
    rest = value[url.end() :]
    return url2pathname(rest.partition("?")[0].partition("#")[0]), rest


def read_regular_file(value: str) -> bytes:
    """Read a regular file; opening anything else may block, or set something in motion.

    Args:
        value: A path, or a file: URL.

    Raises:
        UnusableImage: It cannot be read, or is no such file, or larger than `READ_LIMIT`.
    """
    path, name = _path(value), one_line(value, 200)
    flags = os.O_RDONLY
    for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        _must_be_regular(path.lstat(), name)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor, no path
            # Again, of what was opened: a path may have come to mean something else.
            _must_be_regular(os.fstat(file.fileno()), name)
            data = file.read(READ_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnusableImage(f"{name} cannot be read ({reason or type(error).__name__})") from None
    if len(data) > READ_LIMIT:
        raise UnusableImage(f"{name} is larger than {READ_LIMIT // 1024**2} MB")
    return data


def _must_be_regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableImage(f"{name} is no regular file")
    if status.st_size > READ_LIMIT:
        raise UnusableImage(f"{name} is larger than {READ_LIMIT // 1024**2} MB")
