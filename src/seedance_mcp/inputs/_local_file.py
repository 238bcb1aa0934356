"""Reads regular files of this machine, and nothing else that a path can name."""

import os
import re
import stat
from pathlib import Path
from urllib.request import url2pathname

from seedance_mcp.text import one_line

from ._errors import MissingFile, UnusableImage

MAX_FILE_BYTES = 100 * 1024 * 1024
"""The largest file that is read."""

_FILE_URL = re.compile(r"file:(?://([^/]*))?", re.IGNORECASE)


def _path(value: str) -> Path:
    for name in _names(value):
        try:
            # strict: a missing file, or a loop of links, raises here.
            return Path(name).expanduser().resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
    raise MissingFile(f"{one_line(value, 200)} does not exist")


def _names(value: str) -> tuple[str, ...]:
    # A file: URL is often a path that was not escaped, so its text is tried too.
    url = _FILE_URL.match(value)
    if url is None:
        return (value,)
    if url[1] and url[1].lower() != "localhost":
        raise UnusableImage("it is a file on another machine")
    rest = value[url.end() :]
    return url2pathname(rest.partition("?")[0].partition("#")[0]), rest


def absolute_path(value: str) -> str:
    """Return the absolute path of a path or file: URL, whether or not a file is there.

    Raises:
        UnusableImage: It is on another machine, or cannot be a path.
    """
    try:
        return os.path.abspath(Path(_names(value)[0]).expanduser())  # noqa: PTH100 - keeps links
    except (RuntimeError, ValueError):
        raise UnusableImage(f"{one_line(value, 200)} does not exist") from None


def read_regular_file(value: str) -> bytes:
    """Read the regular file of a path or file: URL; opening a device could start something.

    Raises:
        MissingFile: It is missing, not a regular file, or unreadable.
        UnusableImage: It is over `MAX_FILE_BYTES`, or on another machine.
    """
    path, name = _path(value), one_line(value, 200)
    flags = os.O_RDONLY
    for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        _check_regular(path.lstat(), name)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor, not a path
            # Checked again after opening: the path may have been replaced in between.
            _check_regular(os.fstat(file.fileno()), name)
            # None where nothing can be read without waiting, as from /proc/kmsg.
            data = file.read(MAX_FILE_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise MissingFile(f"{name} cannot be read ({reason or type(error).__name__})") from None
    if len(data) > MAX_FILE_BYTES:
        raise UnusableImage(f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB")
    return data


def _check_regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MissingFile(f"{name} is not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnusableImage(f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB")
