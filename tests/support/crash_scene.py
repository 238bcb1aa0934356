"""Crashes: a server on a ledger, and the moments at which it is killed."""

import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any, NamedTuple

import anyio

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator, running

from .client import IMAGE_URL
from .fork_server import ForkServer
from .forked_server import ForkedServer
from .served_ledger import ServedLedger
from .server_process import account
from .timeouts import NEVER_SECONDS, TIMEOUT_SECONDS, wait_until


class Death(NamedTuple):
    """How far a call had come when the process died.

    Attributes:
        row: The status of its row in the ledger, None without one.
        posted: Whether RunComfy received the paid request.
        accepted: Whether RunComfy accepted the job.
        answered: Whether the client received a request_id.
    """

    row: str | None
    posted: bool
    accepted: bool
    answered: bool


@dataclass(kw_only=True)
class Scene:
    """A ledger, the server that is killed on it, and the call of this round.

    Attributes:
        ledger: The ledger as it is beside its server.
        prompt: The prompt of this round's call, which is unique.
        call: The call's JSON-RPC id.
        posted: How many paid requests came before the call.
        until_dead: Contexts that end when the server is killed.
    """

    fork_server: ForkServer
    simulator: Simulator
    ledger: ServedLedger
    random: Random
    served: ForkedServer | None = None
    pid: int = 0
    prompt: str = ""
    call: int = 0
    posted: int = 0
    until_dead: ExitStack = field(default_factory=ExitStack)

    @property
    def server(self) -> ForkedServer:
        assert self.served
        return self.served

    def restart(self, url: str | None = None) -> None:
        if self.served:
            self.served.close()
            self.ledger.end_lease(self.pid)
        env = account(self.simulator, self.ledger.folder, **self.ledger.variables)
        env["RUNCOMFY_API_BASE_URL"] = url or self.simulator.url
        self.served = self.fork_server.fork(env)
        self.pid = self.served.pid

    def arguments(self, **more: Any) -> dict[str, Any]:
        return {
            "prompt": self.prompt,
            "first_frame_image_url": IMAGE_URL,
            "wait_seconds": 0,
            **more,
        }

    def begin(self, **more: Any) -> None:
        self.posted = self.posts()
        self.call = self.server.send_call("generate_video", **self.arguments(**more))

    async def pause(self, longest: float) -> None:
        await anyio.sleep(self.random.uniform(0, longest))

    def posts(self) -> int:
        return sum(request.route == "submit" for request in self.simulator.requests)

    def is_posted(self) -> bool:
        return self.posts() > self.posted

    def is_accepted(self) -> bool:
        return any(job.arguments["prompt"] == self.prompt for job in self.simulator.accepted)

    def row(self) -> str | None:
        return self.ledger.status(self.prompt)

    def stall(self, seconds: float) -> None:
        """Stall this process, simulator included, until the job is in the ledger and beyond."""
        for _ in range(int(1000 * TIMEOUT_SECONDS)):
            if self.row():
                break
            time.sleep(0.001)
        time.sleep(seconds)

    def lock(self) -> None:
        """Lock the ledger as another process would, until the server is killed."""
        self.until_dead.enter_context(self.ledger.lock())

    async def kill(self) -> Death:
        """Kill the server, and read what it left."""
        self.server.kill()
        self.until_dead.close()
        self.simulator.faults.clear()
        answered = request_id_of(self.server.received(self.call)) is not None
        row = self.ledger.status_left(self.prompt)
        return Death(row, self.is_posted(), self.is_accepted(), answered)


Point = Callable[[Scene], Awaitable[None]]


async def before_the_row(scene: Scene) -> None:
    scene.lock()
    scene.begin()
    await scene.pause(0.04)


async def between_row_and_post(scene: Scene) -> None:
    scene.restart(scene.until_dead.enter_context(_full_listener()))
    scene.begin()
    await wait_until(lambda: scene.row() == "submitting")
    await scene.pause(0.01)


async def during_the_post(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", NEVER_SECONDS))
    scene.begin()
    await wait_until(scene.is_posted)
    await scene.pause(0.01)


async def accepted_after_the_kill(scene: Scene) -> None:
    # The simulator reads the request only after its sender is dead.
    scene.begin()
    scene.stall(scene.random.uniform(0.01, 0.02))


async def accepted_but_not_answered(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
    scene.begin()
    await wait_until(scene.is_accepted)
    await scene.pause(0.01)


async def answered_but_not_stored(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", 0.01))
    scene.begin()
    await wait_until(scene.is_posted)
    scene.lock()
    await wait_until(scene.is_accepted)
    await scene.pause(0.03)


async def stored_but_not_answered(scene: Scene) -> None:
    await scene.server.fill_stdout()
    scene.begin()
    await wait_until(lambda: scene.row() == "in_queue")
    await scene.pause(0.02)


async def while_the_call_waits(scene: Scene) -> None:
    scene.begin(wait_seconds=60)
    await wait_until(lambda: scene.row() == "in_queue")
    await scene.pause(0.02)


async def after_the_client_was_answered(scene: Scene) -> None:
    scene.begin()
    await scene.server.answer(scene.call)
    await scene.pause(0.02)


async def right_after_the_call(scene: Scene) -> None:
    scene.begin()
    await scene.pause(0.004)


async def at_any_moment(scene: Scene) -> None:
    pause, after = scene.random.uniform(0, 0.03), scene.random.random() < 0.5
    scene.simulator.faults.append(Fault.delay("submit", pause, after=after))
    scene.begin()
    await scene.pause(0.06)


async def while_the_ledger_is_created(scene: Scene) -> None:
    scene.begin()
    await wait_until(scene.ledger.exists)
    await scene.pause(0.012)


POINTS: dict[Point, Death | None] = {
    before_the_row: Death(None, posted=False, accepted=False, answered=False),
    between_row_and_post: Death("submitting", posted=False, accepted=False, answered=False),
    during_the_post: Death("submitting", posted=True, accepted=False, answered=False),
    accepted_after_the_kill: Death("submitting", posted=False, accepted=False, answered=False),
    accepted_but_not_answered: Death("submitting", posted=True, accepted=True, answered=False),
    answered_but_not_stored: Death("submitting", posted=True, accepted=True, answered=False),
    stored_but_not_answered: Death("in_queue", posted=True, accepted=True, answered=False),
    while_the_call_waits: Death("in_queue", posted=True, accepted=True, answered=False),
    after_the_client_was_answered: Death("in_queue", posted=True, accepted=True, answered=True),
    right_after_the_call: None,
    at_any_moment: None,
}
"""The moments to kill at, and how far the call is by then; None where that is left to chance."""


@asynccontextmanager
async def open_scene(fork_server: ForkServer, ledger: ServedLedger) -> AsyncGenerator[Scene, None]:
    """Run a simulator and a first server."""
    seed = SystemRandom().getrandbits(32)
    # pytest shows it where the test fails.
    sys.stdout.write(f"seed {seed}\n")
    async with running(Behaviour(images="never")) as simulator:
        scene = Scene(
            fork_server=fork_server,
            simulator=simulator,
            ledger=ledger,
            random=Random(seed),
        )
        scene.restart()
        try:
            yield scene
        finally:
            scene.server.close()


def request_id_of(result: dict[str, Any] | None) -> str | None:
    """Return the request_id in a result, None if there is none."""
    structure: dict[str, Any] = (result or {}).get("structuredContent") or {}
    return structure.get("request_id")


@contextmanager
def _full_listener() -> Generator[str, None, None]:
    """Yield the URL of a listener whose queue is full, so that connecting to it hangs."""
    with ExitStack() as sockets, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003 - the standard library's form
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
