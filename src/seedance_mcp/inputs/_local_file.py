"""Reads regular files of this machine, and nothing else that a path can name."""

import os
import re
import stat
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from urllib.request import url2pathname

from seedance_mcp.text import one_line, plain_spelling

from ._errors import MissingFile, UnusableFile
from ._spelling import base64_type, path_spellings

MAX_FILE_BYTES = 100 * 1024 * 1024
"""The largest file that is read."""

MAX_PATH_CHARACTERS = 32_767
"""The longest path of any system: walking along a longer value could take hours."""

MAX_COMPARED_FILES = 100_000
"""In how large a folder a file is looked for whose name only looks like the given one."""

_FILE_URL = re.compile(r"file:(?://([^/]*))?", re.IGNORECASE)


def _path(value: str) -> Path:
    """Return the file that is meant: at the exact path, at a cleaned one, or one that looks alike.

    Raises:
        MissingFile: There is none.
        UnusableFile: There are several that look alike, or the value is not a path.
    """
    if len(value) > MAX_PATH_CHARACTERS:
        raise UnusableFile(
            _base64_problem(value) or f"it has {len(value):,} characters, too many for a path"
        )
    for name in chain.from_iterable(map(_names, path_spellings(value))):
        with suppress(OSError, RuntimeError, ValueError):
            # strict: a missing file, or a loop of links, raises here.
            return Path(name).expanduser().resolve(strict=True)
    if reason := _base64_problem(value):
        raise UnusableFile(reason)
    path = _absolute(value)
    with suppress(OSError, RuntimeError, ValueError):
        if found := _look_alike(path):
            return found.resolve(strict=True)
    raise MissingFile(f"{one_line(str(path), 200)} does not exist{_relative_hint(value)}")


def _base64_problem(value: str) -> str | None:
    media_type = base64_type(value)
    return media_type and (
        f"it is base64 alone; put data:{media_type};base64, in front of it, or pass the absolute"
        " path of a file"
    )


def _look_alike(path: Path) -> Path | None:
    """Return the only file of a folder whose name differs in typography alone.

    macOS puts a narrow space into the names of screenshots, which models copy as a plain one.
    """
    wanted = plain_spelling(path.name)
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in islice(entries, MAX_COMPARED_FILES)]
    found = sorted(name for name in names if plain_spelling(name) == wanted)
    if len(found) > 1:
        raise UnusableFile(
            f"{one_line(str(path), 200)} does not exist, and may mean any of"
            f" {', '.join(map(ascii, found[:5]))}; pass the exact name, or rename the file"
        )
    # In a folder that was not read to its end, another may look alike too.
    return path.with_name(found[0]) if found and len(names) < MAX_COMPARED_FILES else None


def _names(value: str) -> tuple[str, ...]:
    # A file: URL is often a path that was not escaped, so its text is tried too.
    url = _FILE_URL.match(value)
    if url is None:
        return (value,)
    if url[1] and url[1].lower() != "localhost":
        raise UnusableFile("it is a file on another machine")
    rest = value[url.end() :]
    return url2pathname(rest.partition("?")[0].partition("#")[0]), rest


def absolute_path(value: str) -> str:
    """Return the absolute path of a path or file: URL, whether or not a file is there.

    It depends on the value alone, so that one value has one path before and after the file is gone.

    Raises:
        UnusableFile: It is on another machine, or cannot be a path.
    """
    return str(_absolute(value))


def _absolute(value: str) -> Path:
    try:
        return Path(os.path.abspath(_cleaned(value)))  # noqa: PTH100 - keeps links
    except (RuntimeError, ValueError):
        raise UnusableFile(f"{one_line(value, 200)} does not exist") from None


def _cleaned(value: str) -> Path:
    return Path(_names(path_spellings(value)[-1])[0]).expanduser()


def _relative_hint(value: str) -> str:
    if _cleaned(value).is_absolute():
        return ""
    return (
        "; a relative path begins at the server's folder, so pass an absolute one, or a URL that"
        " begins with https://"
    )


def read_regular_file(value: str) -> bytes:
    """Read the regular file of a path or file: URL; opening a device could start something.

    Raises:
        MissingFile: It is missing, not a regular file, or unreadable.
        UnusableFile: It is over `MAX_FILE_BYTES`, or on another machine.
    """
    path, name = _path(value), one_line(absolute_path(value), 200)
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
        raise UnusableFile(f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB")
    return data


def _check_regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MissingFile(f"{name} is not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnusableFile(f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB")
