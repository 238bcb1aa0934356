"""The simulator on a socket of the loopback interface."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from seedance_mcp.models.model import Model, load_models

from ._api import Api
from ._rendering import Renderer, require_libraries
from ._service import SimulatedAccount
from .behaviour import Behaviour, Seconds
from .faults import Fault
from .jobs import Job
from .middleware import FaultMiddleware, RecordedRequest

LOOPBACK = "127.0.0.1"
EXAMPLE_TOKEN = "simulated-token"  # noqa: S105  valid for the simulator only


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A running simulator.

    Attributes:
        url: Its base URL, such as "http://127.0.0.1:49152".
        token: The only valid token.
        behaviour: Its switches, which may be changed.
        accepted: Every accepted, and so paid, job in order.
        forgotten: The ids of requests that the simulator no longer knows.
        faults: The queued faults; append to it.
        requests: Every request so far, in order.
        files: The published images by name.
    """

    url: str
    token: str
    behaviour: Behaviour
    accepted: list[Job]
    forgotten: set[str]
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[RecordedRequest] = field(default_factory=list[RecordedRequest])
    files: dict[str, Path] = field(default_factory=dict[str, Path])

    def publish(self, path: Path) -> str:
        """Serve a local image over HTTP, without a token, and return its URL."""
        if not path.is_file():
            raise FileNotFoundError(path)
        name = f"{len(self.files) + 1}-{path.name}"
        self.files[name] = path
        return f"{self.url}/files/{quote(name)}"

    def forget(self, request_id: str) -> None:
        """Make the simulator forget a request, as RunComfy does at some time; its clip stays."""
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
    models: Mapping[str, Model] | None = None,
    render: Callable[..., None] | None = None,
) -> AsyncGenerator[Simulator, None]:
    """Run a simulator in this asyncio event loop while the context lasts.

    `clock` is monotonic, in seconds, and moves the queue. Port 0 means any free one. The models,
    by id, are the bundled ones unless given; so is `render`, which writes a clip.

    Raises:
        ConfigurationError: The libraries that render clips are not installed.
        ValueError: The host is not 127.0.0.1.
        OSError: The port is in use.
    """
    require_libraries()
    behaviour, models = behaviour or Behaviour(), models or load_models()
    with _bind(host, port) as listener:
        # HTTP ends first: a request that waits for a clip would wait forever without a renderer.
        async with _renderer(behaviour, render) as renderer:
            service = SimulatedAccount(
                behaviour=behaviour, models=models, renderer=renderer, clock=clock
            )
            simulator = _simulator(service, listener, token)
            async with _serve_http(listener, _application(simulator, service, sleep)):
                yield simulator


async def serve(
    *,
    port: int,
    workers: int,
    run_seconds: Seconds,
    token: str,
    announce: Callable[[Simulator], object],
) -> None:
    """Run a simulator until it is cancelled, rendering clips while their jobs run.

    `announce` is called when it listens; the rest is as in `running` and `Behaviour`.
    """
    behaviour = Behaviour(workers=workers, run_seconds=run_seconds, render="eager")
    async with running(behaviour, token=token, port=port) as simulator:
        announce(simulator)
        await anyio.sleep_forever()


def _bind(host: str, port: int) -> socket.socket:
    if host != LOOPBACK:
        raise ValueError(f"the simulator listens on {LOOPBACK} only, not on {host}")
    plain = socket.create_server((host, port))
    # With the protocol given as TCP, asyncio sets TCP_NODELAY and sends small answers at once.
    return socket.socket(plain.family, plain.type, socket.IPPROTO_TCP, fileno=plain.detach())


@asynccontextmanager
async def _renderer(
    behaviour: Behaviour, render: Callable[..., None] | None
) -> AsyncGenerator[Renderer, None]:
    """Yield a renderer, and stop its work and remove its clips at the end."""
    failure: Exception | None = None
    with tempfile.TemporaryDirectory(prefix="seedance-simulator-") as folder:
        async with anyio.create_task_group() as tasks:
            try:
                yield Renderer(behaviour=behaviour, folder=Path(folder), tasks=tasks, render=render)
            except Exception as error:  # noqa: BLE001  raised again below
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure  # outside the task group, which would wrap it in an ExceptionGroup


def _simulator(service: SimulatedAccount, listener: socket.socket, token: str) -> Simulator:
    host, port = listener.getsockname()
    return Simulator(
        url=f"http://{host}:{port}",
        token=token,
        behaviour=service.behaviour,
        accepted=service.jobs,
        forgotten=service.forgotten,
    )


def _application(
    simulator: Simulator, service: SimulatedAccount, sleep: Callable[[float], Awaitable[object]]
) -> FaultMiddleware:
    api = Api(service=service, token=simulator.token, url=simulator.url, files=simulator.files)
    return FaultMiddleware(
        app=api.application(),
        faults=simulator.faults,
        requests=simulator.requests,
        clock=service.clock,
        sleep=sleep,
    )


@asynccontextmanager
async def _serve_http(listener: socket.socket, app: FaultMiddleware) -> AsyncGenerator[None, None]:
    """Serve HTTP with uvicorn's protocol while the context lasts, then close all connections.

    `uvicorn.Server` would install signal handlers, wake up ten times a second and wait for open
    connections.
    """
    config = uvicorn.Config(
        app,
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
        # The middleware finds `app_state` in the state of every request.
        app_state: dict[str, object] = {}
        protocol = H11Protocol(config=config, server_state=state, app_state=app_state)
        app_state["connection"] = protocol
        return protocol

    server = await asyncio.get_running_loop().create_server(connection, sock=listener)
    try:
        yield
    finally:
        await _close(server, state)


async def _close(server: asyncio.Server, state: ServerState) -> None:
    with anyio.CancelScope(shield=True):
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            # Most end by themselves now; cancelling one at a bad moment would leave its file open.
            await asyncio.wait(state.tasks, timeout=0.2)
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()
