"""A real client of the older era goes on behind a proxy, at other servers and after restarts.

`make clients`: the TypeScript SDK initializes once, whatever it is answered later. Each of its
requests reaches the next of two servers, both of which are killed and started again meanwhile.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import anyio

from conformance.common import exit_on_signals, say
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.replicas import Replicas, open_replicas
from tests.support.server_process import FreshServers, Pipes, account

from .registry import CLIENTS, DRIVERS
from .scene import NODE

SECONDS = 120.0
KEY = "a-key-that-both-servers-share-0123456789"
RESTARTS = 2


class Unexpected(Exception):
    """The client, or RunComfy, was told something else than it should have been."""


def main() -> None:
    """Run the client; whatever it does not do as it should ends this with a traceback."""
    exit_on_signals()
    anyio.run(run)
    version = CLIENTS["typescript-sdk"].version()
    say(f"typescript-sdk {version} made a clip in one session over {2 * RESTARTS} restarts.")


async def run() -> None:
    """Run a simulator, two servers behind a proxy, and the client."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Behaviour(images="never", run_seconds=0.5)) as simulator:
            env = account(simulator, Path(folder), SEEDANCE_STATE_KEY=KEY)
            async with open_replicas(FreshServers(), {"first": env, "second": env}) as replicas:
                with anyio.fail_after(SECONDS):
                    await drive(replicas, simulator)


async def drive(replicas: Replicas, simulator: Simulator) -> None:
    """Have the client make a clip while the servers come and go."""
    task = json.dumps({"url": f"{replicas.proxy.url}/mcp", "clip": ARGUMENTS})
    # Its imports are looked for beside it.
    copy = str(shutil.copy(DRIVERS / "typescript_http.mjs", NODE.parent))
    local = NODE / ".bin" / "node"
    node = str(local) if local.exists() else "node"
    async with await anyio.open_process(
        [node, copy, task], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
    ) as process:
        pipes = Pipes(process)
        begun = await pipes.receive()
        for name in [*replicas.envs] * RESTARTS:
            await replicas.kill(name)
            await replicas.start(name)
            for _ in replicas.envs:
                expect(await ask(pipes, "list"), {"listed": [begun["request_id"]]})
        ended = await ask(pipes, "end")
        expect((ended["status"], ended["notified"] > 0), ("completed", True))
        expect(await process.wait(), 0)
    expect([job.request_id for job in simulator.accepted], [begun["request_id"]])


async def ask(pipes: Pipes, line: str) -> dict[str, Any]:
    """Tell the driver something, and return what it says then."""
    await pipes.send_raw(f"{line}\n".encode())
    return await pipes.receive()


def expect(said: object, expected: object) -> None:
    """Raise `Unexpected` if something else was said."""
    if said != expected:
        raise Unexpected(f"{said!r} in place of {expected!r}")


if __name__ == "__main__":
    main()
