"""The scene of a crash: a server on a state folder, and the moments at which it can die."""

import shutil
import socket
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, NamedTuple

import anyio

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator, running

from .forked_server import ANSWER_SECONDS, ForkedServer, ForkServer, wait_until
from .server_process import environment

NEVER = 600.0
"""Seconds that no test takes."""
IMAGE = "https://images.example/lake.jpg"


class Death(NamedTuple):
    """How far a call had come when the process died."""

    row: str | None
    posted: bool
    accepted: bool
    told: bool


@dataclass(kw_only=True)
class Scene:
    """A state folder, the server that is to die on it, and the call of this round."""

    fork_server: ForkServer
    simulator: Simulator
    folder: Path
    random: Random
    served: ForkedServer | None = None
    prompt: str = ""
    call: int = 0
    posted: int = 0
    until_dead: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.ledger = self.folder / "state" / "ledger.db"

    @property
    def server(self) -> ForkedServer:
        assert self.served
        return self.served

    def restart(self, url: str | None = None) -> None:
        if self.served:
            self.served.close()
        account = {
            "RUNCOMFY_API_TOKEN": self.simulator.token,
            "RUNCOMFY_API_BASE_URL": url or self.simulator.url,
        }
        self.served = self.fork_server.start(environment(self.folder, **account))

    def arguments(self, **more: Any) -> dict[str, Any]:
        return {"prompt": self.prompt, "first_frame_image_url": IMAGE, "wait_seconds": 0, **more}

    def begin(self, **more: Any) -> None:
        self.posted = self.posts()
        self.call = self.server.begin("generate_video", **self.arguments(**more))

    async def moment(self, longest: float) -> None:
        await anyio.sleep(self.random.uniform(0, longest))

    def posts(self) -> int:
        return sum(request.route == "submit" for request in self.simulator.requests)

    def is_posted(self) -> bool:
        return self.posts() > self.posted

    def is_accepted(self) -> bool:
        return any(job.arguments["prompt"] == self.prompt for job in self.simulator.accepted)

    def row(self, ledger: Path | None = None) -> str | None:
        query = "SELECT status FROM jobs WHERE json_extract(arguments, '$.prompt') = ?"
        with closing(sqlite3.connect(ledger or self.ledger)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return None
            row = connection.execute(query, (self.prompt,)).fetchone()
        return row[0] if row else None

    def hold_up(self, seconds: float) -> None:
        """Hold the simulator up, and all of this process, from when the job is written down."""
        for _ in range(int(1000 * ANSWER_SECONDS)):
            if self.row():
                break
            time.sleep(0.001)
        time.sleep(seconds)

    def lock(self) -> None:
        """Keep the ledger as another process would, until the death."""
        other = self.until_dead.enter_context(closing(sqlite3.connect(self.ledger, timeout=5)))
        other.execute("BEGIN IMMEDIATE")

    async def death(self) -> Death:
        """Kill the server; what it left is looked at in a copy, and not mended by that."""
        self.server.kill()
        self.until_dead.close()
        self.simulator.faults.clear()
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in self.ledger.parent.glob("ledger.db*"):
            shutil.copy(file, copy)
        told = request_id_of(self.server.received(self.call)) is not None
        return Death(self.row(copy / "ledger.db"), self.is_posted(), self.is_accepted(), told)


Point = Callable[[Scene], Awaitable[None]]


async def before_the_row(scene: Scene) -> None:
    scene.lock()
    scene.begin()
    await scene.moment(0.04)


async def between_row_and_post(scene: Scene) -> None:
    scene.restart(scene.until_dead.enter_context(_closed_gate()))
    scene.begin()
    await wait_until(lambda: scene.row() == "submitting")
    await scene.moment(0.01)


async def while_the_post_is_out(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", NEVER))
    scene.begin()
    await wait_until(scene.is_posted)
    await scene.moment(0.01)


async def accepted_after_the_death(scene: Scene) -> None:
    # Held up, RunComfy finds the whole request in its mail only when the sender has died.
    scene.begin()
    scene.hold_up(scene.random.uniform(0.01, 0.02))


async def accepted_and_not_answered(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", NEVER, after=True))
    scene.begin()
    await wait_until(scene.is_accepted)
    await scene.moment(0.01)


async def answered_and_not_stored(scene: Scene) -> None:
    scene.simulator.faults.append(Fault.delay("submit", 0.01))
    scene.begin()
    await wait_until(scene.is_posted)
    scene.lock()
    await wait_until(scene.is_accepted)
    await scene.moment(0.03)


async def stored_and_not_told(scene: Scene) -> None:
    await scene.server.stuff()
    scene.begin()
    await wait_until(lambda: scene.row() == "in_queue")
    await scene.moment(0.02)


async def while_the_call_waits(scene: Scene) -> None:
    scene.begin(wait_seconds=60)
    await wait_until(lambda: scene.row() == "in_queue")
    await scene.moment(0.02)


async def after_the_client_was_told(scene: Scene) -> None:
    scene.begin()
    await scene.server.answer(scene.call)
    await scene.moment(0.02)


async def right_after_the_call(scene: Scene) -> None:
    scene.begin()
    await scene.moment(0.004)


async def at_any_moment(scene: Scene) -> None:
    pause, after = scene.random.uniform(0, 0.03), scene.random.random() < 0.5
    scene.simulator.faults.append(Fault.delay("submit", pause, after=after))
    scene.begin()
    await scene.moment(0.06)


async def while_the_ledger_is_made(scene: Scene) -> None:
    scene.begin()
    await wait_until(scene.ledger.exists)
    await scene.moment(0.012)


POINTS: dict[Point, Death | None] = {
    before_the_row: Death(None, posted=False, accepted=False, told=False),
    between_row_and_post: Death("submitting", posted=False, accepted=False, told=False),
    while_the_post_is_out: Death("submitting", posted=True, accepted=False, told=False),
    accepted_after_the_death: Death("submitting", posted=False, accepted=False, told=False),
    accepted_and_not_answered: Death("submitting", posted=True, accepted=True, told=False),
    answered_and_not_stored: Death("submitting", posted=True, accepted=True, told=False),
    stored_and_not_told: Death("in_queue", posted=True, accepted=True, told=False),
    while_the_call_waits: Death("in_queue", posted=True, accepted=True, told=False),
    after_the_client_was_told: Death("in_queue", posted=True, accepted=True, told=True),
    right_after_the_call: None,
    at_any_moment: None,
}
"""The moments to die at, and how far the call has come there; None where chance decides."""


@asynccontextmanager
async def open_scene(fork_server: ForkServer, folder: Path) -> AsyncGenerator[Scene, None]:
    seed = SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it where the test fails
    async with running(Behaviour(images="never")) as simulator:
        scene = Scene(
            fork_server=fork_server,
            simulator=simulator,
            folder=folder,
            random=Random(seed),
        )
        scene.restart()
        try:
            yield scene
        finally:
            scene.server.close()


def request_id_of(result: dict[str, Any] | None) -> str | None:
    facts: dict[str, Any] = (result or {}).get("structuredContent") or {}
    return facts.get("request_id")


@contextmanager
def _closed_gate() -> Generator[str, None, None]:
    """Give the URL of a listener whose queue is full, so that no connection to it comes about."""
    with ExitStack() as sockets, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            guest = sockets.enter_context(socket.socket())
            guest.setblocking(False)  # noqa: FBT003 - the standard library's form
            guest.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
