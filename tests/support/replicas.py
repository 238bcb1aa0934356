"""Servers over HTTP behind a local proxy, each of which can be killed and started again."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from subprocess import PIPE
from typing import Any

import anyio
import httpx
from anyio.abc import ByteReceiveStream, Process, SocketAttribute, SocketStream, TaskGroup

from .server_process import MODERN_META, Servers
from .timeouts import TIMEOUT_SECONDS


class RoundRobin:
    """A proxy that passes each connection on to the next server that accepts it.

    Attributes:
        ports: Where the servers listen, by their names.
        url: Where the proxy listens.
    """

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.url = ""
        self._passed = 0

    async def serve(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Pass connections on until this is cancelled."""
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(SocketAttribute.local_port)
            self.url = f"http://127.0.0.1:{port}"
            task_status.started()
            await listener.serve(self._pass_on)

    async def _pass_on(self, client: SocketStream) -> None:
        async with client:
            server = await self._connect()
            if server is None:
                return  # the client sees a connection that was closed
            async with server, anyio.create_task_group() as tasks:
                tasks.start_soon(_copy, client, server, tasks)
                tasks.start_soon(_copy, server, client, tasks)

    async def _connect(self) -> SocketStream | None:
        self._passed += 1
        ports = list(self.ports.values())
        for number in range(len(ports)):
            with suppress(OSError):
                port = ports[(self._passed + number) % len(ports)]
                return await anyio.connect_tcp("127.0.0.1", port)
        return None


async def _copy(source: SocketStream, target: SocketStream, tasks: TaskGroup) -> None:
    """Pass bytes on until either side has closed, then close both."""
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for data in source:
            await target.send(data)
    tasks.cancel_scope.cancel()


@dataclass(eq=False)
class Replicas:
    """The servers of a proxy.

    Attributes:
        envs: The environment of each, by its name.
        stderr: What all of them have written to stderr but where they listen.
        kills: How many were killed.
    """

    servers: Servers
    envs: Mapping[str, Mapping[str, str]]
    tasks: TaskGroup
    proxy: RoundRobin = field(default_factory=RoundRobin)
    stderr: bytearray = field(default_factory=bytearray)
    kills: int = 0
    _running: dict[str, tuple[Process, AsyncExitStack]] = field(
        default_factory=dict[str, tuple[Process, AsyncExitStack]]
    )

    async def start(self, name: str) -> None:
        """Start a server, and pass connections on to it once it listens."""
        stack = AsyncExitStack()
        arguments = ["serve", "--transport", "http", "--port", "0"]
        started = self.servers.start(arguments, self.envs[name], stderr=PIPE)
        process = await stack.enter_async_context(started)
        self._running[name] = process, stack
        assert process.stderr
        with anyio.fail_after(TIMEOUT_SECONDS):
            line = await _read_line(process.stderr)
        assert line.startswith(b"Serving on http://"), line
        self.proxy.ports[name] = httpx.URL(line.split()[-1].decode()).port or 0
        self.tasks.start_soon(self._collect, process.stderr)

    async def kill(self, name: str) -> int:
        """Kill a server as `kill -9` does, and return its pid; the proxy learns of it by trying."""
        process, stack = self._running.pop(name)
        process.kill()
        assert await process.wait() == -9
        self.kills += 1
        await stack.aclose()
        return process.pid

    async def close(self) -> None:
        """Kill every server."""
        for name in list(self._running):
            await self.kill(name)

    async def _collect(self, stderr: ByteReceiveStream) -> None:
        with suppress(anyio.ClosedResourceError):
            async for data in stderr:
                self.stderr += data


async def _read_line(stream: ByteReceiveStream) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        read += await stream.receive(1)
    return read


@asynccontextmanager
async def open_replicas(
    servers: Servers, envs: Mapping[str, Mapping[str, str]]
) -> AsyncGenerator[Replicas, None]:
    """Run a server for each of the environments, behind a proxy."""
    async with anyio.create_task_group() as tasks:
        replicas = Replicas(servers, envs, tasks)
        try:
            await tasks.start(replicas.proxy.serve)
            for name in envs:
                await replicas.start(name)
            yield replicas
        finally:
            with anyio.CancelScope(shield=True):
                await replicas.close()
            tasks.cancel_scope.cancel()


class ReplicaClient:
    """A client of 2026-07-28 that knows only the proxy, and opens a connection for each request.

    Attributes:
        broken: How many calls had no answer, since their server was killed.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._ids = count(1)
        self.broken = 0

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any] | None:
        """Call a tool, and return its result, None if the connection breaks."""
        headers = {
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": "tools/call"}
        try:
            answer = await self._http.post(
                "/mcp", json=message | {"params": params}, headers=headers
            )
        except httpx.TransportError:
            self.broken += 1
            return None
        assert answer.status_code == httpx.codes.OK, answer.text
        text = answer.text.rpartition("data: ")[2]
        if not text.strip():  # a stream that began, and was cut off in order
            self.broken += 1
            return None
        result: dict[str, Any] = json.loads(text)["result"]
        return result


@asynccontextmanager
async def open_replica_client(replicas: Replicas) -> AsyncGenerator[ReplicaClient, None]:
    """Yield a client of the proxy."""
    async with httpx.AsyncClient(
        base_url=replicas.proxy.url,
        headers={"Accept": "application/json, text/event-stream"},
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
    ) as http:
        yield ReplicaClient(http)
