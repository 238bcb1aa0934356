"""Runs a client's own command, which is another program: bounded, and without a terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

from seedance_mcp.errors import SeedanceError
from seedance_mcp.text import quoted

from .machine import Machine

RUN_SECONDS = 30.0
"""How long a command may run; those of the clients that are known take 1 to 5 s."""

DRAIN_SECONDS = 2.0
"""How long output is awaited that a child of the command may still hold open."""

MAX_OUTPUT_BYTES = 1_000_000

_SHIMS = {".cmd", ".bat", ".ps1"}


class OwnCommandFailed(SeedanceError):
    """A client's own command did not start, did not end in time or failed."""


def find_program(name: str, machine: Machine) -> Path | None:
    """Return where a client's command is, None if it is not here or cannot be run safely.

    npm installs scripts of cmd.exe on Windows, which take quotes and % in arguments for their own.
    """
    found = machine.which(name)
    if found is None or (machine.system == "win32" and found.suffix.lower() in _SHIMS):
        return None
    return found


def run_program(
    program: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
    seconds: float = RUN_SECONDS,
) -> str:
    """Run a command to its end, and return the beginning of what it wrote to stdout.

    Args:
        program: Its absolute path.
        arguments: Its arguments, which every user of this machine can read: no secrets.
        environment: Its environment.
        folder: Its working directory.
        seconds: When it is stopped, with all that it started.

    Raises:
        OwnCommandFailed: It did not start, ran too long or failed; the message quotes a line.
    """
    with _start(program, arguments, environment, folder) as process:
        streams = [stream for stream in (process.stdout, process.stderr) if stream]
        read = [_Beginning(stream) for stream in streams]
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise OwnCommandFailed(
                f"{quoted(program.name)} did not end within {seconds:g} s."
            ) from None
        finally:
            _stop(process)
            texts = [each.text() for each in read]
    if code:
        raise OwnCommandFailed(f"{quoted(program.name)} failed{_reason(code, texts)}.")
    return texts[0]


def _start(
    program: Path, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the program that the user has under this name
            [str(program), *arguments],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise OwnCommandFailed(f"{quoted(program.name)} could not be started.") from error


class _Beginning:
    """The beginning of a stream, which is read to its end so that its writer can go on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = bytearray()
        self._thread = Thread(target=self._read, args=[stream], daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Return what was read, once the stream ends or has had time to."""
        self._thread.join(DRAIN_SECONDS)
        return bytes(self._kept).decode(errors="replace")

    def _read(self, stream: IO[bytes]) -> None:
        # It is closed meanwhile if something that the command started keeps it open.
        with suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 65_536):
                self._kept += data[: MAX_OUTPUT_BYTES - len(self._kept)]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and what it started, as far as that runs."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _reason(code: int, texts: Sequence[str]) -> str:
    """Return its last line of stderr, else of stdout, quoted, or its exit code."""
    said = next((text.strip() for text in reversed(texts) if text.strip()), "")
    if not said:
        return f" with exit code {code}"
    return f": {quoted(said.splitlines()[-1], 200)}"
