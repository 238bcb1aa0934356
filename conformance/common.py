"""What both checks share: paths, and servers that cannot spend money and are always stopped.

The Makefile installs the clients into `.conformance`, in the versions of `package.json`.
"""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / ".conformance"
LOGS = INSTALLED / "logs"
NODE = str(INSTALLED / "node_modules" / ".bin" / "node")
PACKAGES = INSTALLED / "node_modules" / "@modelcontextprotocol"
SEEDANCE_MCP = str(Path(sys.executable).parent / "seedance-mcp")

ANNOUNCED = re.compile(r"(http://(?:127\.0\.0\.1|localhost):\d+\S*)\s")
START_SECONDS = 60.0
STOP_SECONDS = 5.0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def settings(folder: str, base_url: str) -> dict[str, str]:
    """Return variables that keep a server away from RunComfy and from the user's own files."""
    return {
        "RUNCOMFY_API_BASE_URL": base_url,
        "RUNCOMFY_CONFIG_DIR": folder,
        "SEEDANCE_STATE_DIR": folder,
        "SEEDANCE_OUTPUT_DIR": folder,
    }


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the user's own settings for this server."""
    ours = ("RUNCOMFY_", "SEEDANCE_")
    return {name: value for name, value in environ.items() if not name.startswith(ours)}


def exit_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit, so that the servers are stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))


@contextmanager
def refusing_url() -> Generator[str]:
    """Yield the URL of a local port that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def started(command: Sequence[str], *, env: Mapping[str, str], log: Path) -> Generator[str]:
    """Run a server while the context lasts.

    Args:
        command: The command, which prints its URL once it listens.
        env: The environment of the server.
        log: The file for its output.

    Yields:
        The URL.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield _announced_url(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _announced_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if announced := re.search(
            r"(http://(127\.0\.0\.1|localhost):\d+\S*)\s", log.read_text("utf-8")
        ):
            return announced[1]
        time.sleep(0.05)
    sys.exit(f"The server did not start: {process.args!r}\n{log.read_text('utf-8')}")
