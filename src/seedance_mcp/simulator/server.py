"""The simulator on a real socket, on the loopback interface only."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import anyio
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from seedance_mcp.models.model import load_models

from ._api import Api
from ._queue import Queue
from ._rendering import Studio, require_drawing
from ._service import Service
from .behaviour import Behaviour, Seconds
from .faults import Fault
from .jobs import Job
from .middleware import Doorway, SeenRequest

LOOPBACK = "127.0.0.1"
EXAMPLE_TOKEN = "simulated-token"  # noqa: S105  it opens nothing but the simulator


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A running simulator.

    Attributes:
        url: Its base URL, such as "http://127.0.0.1:49152".
        token: The only token that it takes.
        behaviour: Its switches, to be changed at will.
        faults: The faults to come; append to it.
        requests: Every request so far, in order.
        accepted: Every job that was accepted, and so paid, in order.
        forgotten: Requests that the service has lost all memory of.
        files: The published images by name.
    """

    url: str
    token: str
    behaviour: Behaviour
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[SeenRequest] = field(default_factory=list[SeenRequest])
    accepted: list[Job] = field(default_factory=list[Job])
    forgotten: set[str] = field(default_factory=set[str])
    files: dict[str, Path] = field(default_factory=dict[str, Path])

    def publish(self, path: Path) -> str:
        """Make a local image available over HTTP, to whoever asks, while the simulator runs.

        Returns:
            Its URL.
        """
        if not path.is_file():
            raise FileNotFoundError(path)
        name = f"{len(self.files) + 1}-{path.name}"
        self.files[name] = path
        return f"{self.url}/files/{quote(name)}"

    def forget(self, request_id: str) -> None:
        """Let the service lose a request, as it does after an unknown time; its clip stays."""
        self.forgotten.add(request_id)


@asynccontextmanager
async def running(  # noqa: PLR0913  each has a default, and tests name what they need
    behaviour: Behaviour | None = None,
    *,
    token: str = EXAMPLE_TOKEN,
    host: str = LOOPBACK,
    port: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
) -> AsyncGenerator[Simulator, None]:
    """Run a simulator in this event loop (asyncio) while the context lasts.

    Args:
        behaviour: The switches.
        token: The only token to take.
        host: Only 127.0.0.1 is allowed.
        port: The port, or 0 for any free one.
        clock: Seconds, never running backwards; the queue moves by it.
        sleep: What faults of the kind "delay" wait with.

    Raises:
        ConfigurationError: What draws the clips is not installed.
        ValueError: The host is not the loopback interface.
        OSError: The port is taken.
    """
    if host != LOOPBACK:
        raise ValueError(f"the simulator listens on {LOOPBACK} only, not on {host}")
    require_drawing()
    behaviour = behaviour or Behaviour()
    failure: Exception | None = None
    with (
        tempfile.TemporaryDirectory(prefix="seedance-simulator-") as folder,
        _bound(host, port) as listener,
    ):
        url = f"http://{host}:{listener.getsockname()[1]}"
        simulator = Simulator(url=url, token=token, behaviour=behaviour)
        async with anyio.create_task_group() as tasks:
            studio = Studio(behaviour=behaviour, folder=Path(folder), tasks=tasks)
            doorway = Doorway(
                app=_application(simulator, studio, clock=clock),
                faults=simulator.faults,
                requests=simulator.requests,
                clock=clock,
                sleep=sleep,
            )
            try:
                async with _listening(listener, doorway):
                    yield simulator
            except Exception as error:  # noqa: BLE001  raised again below
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure  # out here, since the task group would wrap it in a group


async def serve(  # noqa: PLR0913  the command's flags
    *,
    host: str = LOOPBACK,
    port: int = 8787,
    workers: int = 1,
    run_seconds: Seconds = 12.0,
    token: str = EXAMPLE_TOKEN,
    announce: Callable[[Simulator], object],
) -> None:
    """Run a simulator until cancelled, with clips drawn while their jobs run.

    Args:
        host: Only 127.0.0.1 is allowed.
        port: The port, or 0 for any free one.
        workers: How many jobs run at once.
        run_seconds: How long a run takes.
        token: The only token to take.
        announce: Called once it listens.

    Raises:
        As `running` does.
    """
    behaviour = Behaviour(workers=workers, run_seconds=run_seconds, render="eager")
    async with running(behaviour, token=token, host=host, port=port) as simulator:
        announce(simulator)
        await anyio.sleep_forever()


def _bound(host: str, port: int) -> socket.socket:
    plain = socket.create_server((host, port))
    # Said to be TCP in so many words: on no other socket does asyncio send small answers at once.
    return socket.socket(plain.family, plain.type, socket.IPPROTO_TCP, fileno=plain.detach())


def _application(simulator: Simulator, studio: Studio, *, clock: Callable[[], float]) -> Starlette:
    service = Service(
        behaviour=simulator.behaviour,
        models=load_models(),
        studio=studio,
        queue=Queue(simulator.behaviour.workers),
        clock=clock,
        epoch=time.time() - clock(),
        jobs=simulator.accepted,
        forgotten=simulator.forgotten,
    )
    return Api(
        service=service,
        behaviour=simulator.behaviour,
        token=simulator.token,
        url=simulator.url,
        files=simulator.files,
    ).application()


@asynccontextmanager
async def _listening(listener: socket.socket, doorway: Doorway) -> AsyncGenerator[None, None]:
    """Serve HTTP with uvicorn's protocol, and hang up on everybody at the end.

    `uvicorn.Server` would install signal handlers, look for its end ten times a second and wait
    for open connections.
    """
    config = uvicorn.Config(
        doorway,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()

    def connection() -> asyncio.Protocol:
        # What stands in `app_state` reaches the doorway with every request.
        app_state: dict[str, object] = {}
        protocol = H11Protocol(config=config, server_state=state, app_state=app_state)
        app_state["connection"] = protocol
        return protocol

    server = await asyncio.get_running_loop().create_server(connection, sock=listener)
    try:
        yield
    finally:
        await _hang_up(server, state)


async def _hang_up(server: asyncio.Server, state: ServerState) -> None:
    with anyio.CancelScope(shield=True):
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            # Most end by themselves now; cancelled in the wrong moment, one would leave its file
            # open.
            await asyncio.wait(state.tasks, timeout=0.2)
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()
