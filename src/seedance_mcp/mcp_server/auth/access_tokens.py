"""The file of access tokens: a line `name:sha256` for each caller, deleted to revoke its token.

A comment begins with `#`. The file holds no token: who reads it cannot call.
"""

import errno
import hashlib
import hmac
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.file_locks import LOOK_AGAIN_SECONDS, LockFile

VARIABLE = "SEEDANCE_ACCESS_TOKENS"

TOKEN_PREFIX = "sdmcp_"  # noqa: S105 - what scanners for leaked secrets can look for
"""What every access token begins with, and no other token."""

TOKEN_BYTES = 32
"""How much of a token is random: so much that a hash of it needs no salt."""

NAME_FORM = "of 1 to 64 letters, digits, - . or _"

MAX_FILE_BYTES = 1 << 20
"""How long the file may be: more lines than a server has callers."""

WRITE_SECONDS = 5.0
"""How long another `token new` is waited for, which takes milliseconds."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LINE = re.compile(rf"({_NAME.pattern}):([0-9a-f]{{64}})", re.ASCII)


class BadTokens(ConfigurationError):
    """The file of access tokens cannot be read, or has lines that are wrong."""


def hash_token(token: str) -> str:
    """Return what the file holds of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def parse_lines(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the names of the callers by the hashes of their tokens, and what is wrong.

    A name that two lines have is not among them, since either may be the one that was replaced.
    """
    named: dict[str, tuple[int, str]] = {}
    twice: set[str] = set()
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            problems.append(f"line {number} is not a name, a colon and a SHA-256")
            continue
        name, digest = match.groups()
        for other, (first, known) in named.items():
            if name == other or digest == known:
                same = "name" if name == other else "token"
                problems.append(f"line {number} has the same {same} as line {first}")
                twice |= {name, other}
        named.setdefault(name, (number, digest))
    return {digest: name for name, (_, digest) in named.items() if name not in twice}, problems


def read_tokens(path: Path) -> bytes:
    """Return the contents of the file, which may be a symbolic link, as in mounted secrets.

    Raises:
        BadTokens: It cannot be read, is not a file, or others than its owner may write it.
    """
    try:
        # Not blocking: opening a pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check(path, os.fstat(file.fileno()))
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise BadTokens(
            f"{VARIABLE} names {path}, which does not exist: seedance-mcp token new NAME makes it."
        ) from None
    except OSError as error:
        raise BadTokens(f"Cannot read {path}: {(error.strerror or 'it failed').lower()}.") from None


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadTokens(f"{VARIABLE} must name a file, and {path} is something else.")
    if status.st_size > MAX_FILE_BYTES:
        raise BadTokens(f"{path} is longer than {MAX_FILE_BYTES} bytes.")
    if sys.platform != "win32" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadTokens(f"{path} can be written by others, who could let themselves in: chmod 600.")


def decode(path: Path, contents: bytes) -> tuple[dict[str, str], list[str]]:
    """Return the names by the hashes, and what is wrong, each beginning with the file's path."""
    callers, problems = parse_lines(contents.decode("utf-8-sig", "replace"))
    return callers, [f"{path}, {problem}." for problem in problems]


def check_file(path: Path) -> None:
    """Check the file at the start, when somebody looks.

    Raises:
        BadTokens: It cannot be used, or a line is wrong; the message has its number.
    """
    for problem in decode(path, read_tokens(path))[1]:
        raise BadTokens(problem)


def add_token(path: Path, name: str, *, clock: Callable[[], float] = monotonic) -> str:
    """Return a new token, after writing its line; makes the file, for its owner alone.

    The line is appended, so that the file keeps its owner and can be mounted by itself.

    Raises:
        BadTokens: The name is in use or not allowed, or the file cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise BadTokens(f"The name of an access token must be {NAME_FORM}.")
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(_locked(path, clock)) as lock:
            _append(lock, name, f"{name}:{hash_token(token)}\n")
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror or "it failed"
        raise BadTokens(f"Cannot write {path}: {why.lower()}.") from None
    return token


def _locked(path: Path, clock: Callable[[], float]) -> LockFile:
    until = clock() + WRITE_SECONDS
    while (lock := LockFile.try_lock(path)) is None:
        if clock() >= until:
            raise BadTokens(f"Cannot write {path}: another program has locked it.")
        sleep(LOOK_AGAIN_SECONDS)
    return lock


def _append(lock: LockFile, name: str, line: str) -> None:
    """Append a line whole or not at all."""
    status = os.fstat(lock.file.fileno())
    _check(lock.path, status)
    lock.file.seek(0)
    before = lock.file.read(MAX_FILE_BYTES)
    callers, problems = decode(lock.path, before)
    if problems:
        raise BadTokens(problems[0])
    if name in callers.values():
        raise BadTokens(f"The name {name} is in use: delete its line in {lock.path} to revoke it.")
    added = ("" if before.endswith(b"\n") or not before else "\n") + line
    try:
        # On a full disk, a part of it may be written.
        whole = lock.file.write(added.encode()) == len(added)
        os.fsync(lock.file.fileno())
    except OSError:
        lock.file.truncate(status.st_size)
        raise
    if not whole:
        lock.file.truncate(status.st_size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class AccessTokens:
    """The callers that the file names now; it is read at most once a second.

    A file that breaks while the server runs lets in whom its good lines name. One that cannot be
    read lets in none, as it may have been taken away to revoke all.

    Args:
        path: The file.
        clock: Returns the time in seconds.
        report: Called with a sentence for each problem, once until the file changes.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float], report: Callable[[str], None]
    ) -> None:
        self._path = path
        self._clock = clock
        self._report = report
        self._read_at = -1.0
        self._seen: bytes | str | None = None
        self._callers: dict[str, str] = {}

    def name_of(self, token: str) -> str | None:
        """Return the name of the caller that has a token, None for an unknown token."""
        self._read_again()
        digest, found = hash_token(token), None
        # All lines are compared, so that the time says nothing of any.
        for known, name in self._callers.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _read_again(self) -> None:
        now = self._clock()
        if self._seen is not None and now < self._read_at + 1:
            return
        self._read_at = now
        try:
            seen: bytes | str = read_tokens(self._path)
        except BadTokens as error:
            seen = error.message
        if seen != self._seen:
            self._seen = seen
            self._take(seen)

    def _take(self, seen: bytes | str) -> None:
        problems: Iterable[str]
        if isinstance(seen, str):
            self._callers, problems = {}, [f"{seen} No access token is accepted."]
        else:
            self._callers, problems = decode(self._path, seen)
        for problem in problems:
            self._report(problem)
