"""How long a client waits for `initialize`, and the memory it takes, beside an empty server.

Both servers run as subprocesses over stdio and are started alternately, so that whatever else the
machine does slows both. An empty server is the SDK's own, without a tool.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, cast

STARTS = 15
MOST_TIMES = 1.10
"""How much longer than an empty server ours may take."""
MOST_MORE_MB = 8.5
"""How much more memory it may take when `initialize` is answered."""

EMPTY = "from mcp.server import MCPServer; MCPServer('empty').run('stdio')"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start: seconds until `initialize` was answered, and resident memory in MB then."""

    seconds: float
    megabytes: float


def start(command: list[str], state: Path) -> Start:
    """Start a server, initialize it, and stop it."""
    env = {"PATH": "/usr/bin:/bin", "SEEDANCE_STATE_DIR": str(state), "HOME": str(state)}
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    ) as process:
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        seconds = time.perf_counter() - began
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
        process.kill()
    if "serverInfo" not in answer["result"]:
        raise RuntimeError(f"no answer to initialize: {answer}")
    return Start(seconds=seconds, megabytes=pages * 4096 / 1e6)


def main() -> None:
    """Print the medians, and exit with 1 if ours is too slow or too large."""
    commands = {
        "empty": [sys.executable, "-c", EMPTY],
        "seedance-mcp": [sys.executable, "-m", "seedance_mcp"],
    }
    starts: dict[str, list[Start]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(STARTS + 1):
            for name, command in commands.items():
                starts[name].append(start(command, Path(folder)))
    # The first start of each only fills the disk's cache.
    seconds = {name: median(s.seconds for s in all_[1:]) for name, all_ in starts.items()}
    memory = {name: median(s.megabytes for s in all_[1:]) for name, all_ in starts.items()}
    for name in commands:
        print(f"{name:<14} {1000 * seconds[name]:6.0f} ms  {memory[name]:6.1f} MB")
    times = seconds["seedance-mcp"] / seconds["empty"]
    more = memory["seedance-mcp"] - memory["empty"]
    print(f"times {times:.2f} (at most {MOST_TIMES}), {more:+.1f} MB (at most {MOST_MORE_MB})")
    sys.exit(times > MOST_TIMES or more > MOST_MORE_MB)


if __name__ == "__main__":
    main()
