"""How long a client waits for a new server, and the memory it takes, beside an empty server.

Both servers run as subprocesses over stdio and are started alternately, so that whatever else the
machine does slows both. The empty server is the SDK's own, with a tool that does nothing.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.server_process import environment

from .figures import Figure, as_table
from .pipe import EMPTY_SERVER, OURS, started

STARTS = 15
MOST_TIMES = 1.10
"""How much longer than an empty server ours may take until `initialize` is answered."""
MOST_TIMES_LISTED = 1.10
"""How much longer it may take until `tools/list` is answered too."""
MOST_MORE_MB = 8.5
"""How much more memory it may take then."""
MOST_BYTES = 8192
"""How long the list of tools may be: models read it at every turn."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start: seconds until each answer, the resident memory in MB then, and the list's size."""

    initialized: float
    listed: float
    megabytes: float
    list_bytes: int


def start(command: Sequence[str], folder: Path) -> Start:
    """Start a server, initialize it, list its tools, and stop it."""
    began = time.perf_counter()
    with started(command, environment(folder)) as pipe:
        pipe.initialize()
        initialized = time.perf_counter() - began
        tools = pipe.request("tools/list", {})["tools"]
        listed = time.perf_counter() - began
        compact = json.dumps(tools, separators=(",", ":"), ensure_ascii=False)
        return Start(
            initialized=initialized,
            listed=listed,
            megabytes=pipe.megabytes,
            list_bytes=len(compact.encode()),
        )


def figures() -> list[Figure]:
    """Measure both servers in turn."""
    ours: list[Start] = []
    empty: list[Start] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(STARTS + 1):
            empty.append(start(EMPTY_SERVER, Path(folder)))
            ours.append(start(OURS, Path(folder)))
    # The first start of each only fills the disk's cache.
    del ours[0], empty[0]
    pairs = list(zip(ours, empty, strict=True))
    initialized = [(one.initialized, other.initialized) for one, other in pairs]
    listed = [(one.listed, other.listed) for one, other in pairs]
    memory = [median(each.megabytes for each in starts) for starts in (ours, empty)]
    return [
        _ratio("start to initialize, to an empty server", initialized, MOST_TIMES),
        _ratio("start to tools/list, to an empty server", listed, MOST_TIMES_LISTED),
        Figure(
            name="memory, more than an empty server",
            value=memory[0] - memory[1],
            aim=MOST_MORE_MB,
            unit="MB",
            details=f"{memory[0]:.1f} and {memory[1]:.1f} MB",
        ),
        Figure(name="tools/list", value=ours[0].list_bytes, aim=MOST_BYTES, unit="bytes"),
    ]


def _ratio(name: str, pairs: Sequence[tuple[float, float]], aim: float) -> Figure:
    """Return the median of the ratios of two starts that followed each other."""
    ours, theirs = (1000 * median(side) for side in zip(*pairs, strict=True))
    return Figure(
        name=name,
        value=median(one / other for one, other in pairs),
        aim=aim,
        unit="x",
        details=f"{ours:.0f} and {theirs:.0f} ms",
    )


def main() -> None:
    """Print the medians, and exit with 1 if ours is too slow or too large."""
    measured = figures()
    print(as_table(measured))
    sys.exit(not all(figure.met for figure in measured))


if __name__ == "__main__":
    main()
