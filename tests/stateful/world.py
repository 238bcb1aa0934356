"""A simulator, and two chat windows that share a ledger, of which the second shows pages.

The windows' servers are to each other like two processes. Each can be closed, in order or
abruptly, and opened again.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast

import anyio
import httpx
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp_types import CallToolResult

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import SeedanceServer, build_server
from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.apps_client import apps
from tests.support.quick_client import QuickClient
from tests.support.served_ledger import ServedLedger
from tests.support.virtual_time import virtual_now

T = TypeVar("T")

TOKEN = "secret-token-5e0c1b"
SHUTDOWN_SECONDS = 0.8
"""How long a graceful shutdown may take, so that a process ends within a second."""
LONGEST_SECONDS = {"generate_video": SUBMIT_TIMEOUT_SECONDS + 1, "list_jobs": 11}
"""How long a call that does not wait may take; 21 s for the other tools."""


class OpenContext(Generic[T]):
    """A context that stays entered, in a task of its own, from one rule to the next."""

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._context = context
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> T:
        entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(entered))
        await asyncio.wait({self._task, entered}, return_when=asyncio.FIRST_COMPLETED)
        return entered.result() if entered.done() else self._task.result() or entered.result()

    async def close(self, *, abruptly: bool = False) -> None:
        if self._task is not None:
            _ = self._task.cancel() if abruptly else self._leave.set()
            await asyncio.wait({self._task})

    async def _hold(self, entered: "asyncio.Future[T]") -> None:
        async with self._context as it:
            entered.set_result(it)
            await self._leave.wait()


@dataclass(eq=False)
class Window:
    """A chat window: a client with a server of its own. `alive` is false once it is closed."""

    server: SeedanceServer = field(repr=False)
    held: OpenContext[Client] = field(repr=False)
    client: Client = field(repr=False)
    shows_apps: bool
    alive: bool = True


class World:
    """Everything that the rules act on, all on one loop in virtual time."""

    simulator: Simulator

    def __init__(self, ledger: ServedLedger) -> None:
        self.ledger = ledger
        self.wall_offset = timedelta(0)
        self.windows: list[Window] = []
        behaviour = Behaviour(workers=3, images="never", balance_usd=1000.0)
        self._held = OpenContext(running(behaviour, token=TOKEN, clock=anyio.current_time))

    async def open(self) -> None:
        self.simulator = await self._held.open()
        self.windows = [await self._window(shows_apps=shows) for shows in (False, True)]

    async def close(self) -> None:
        for window in self.windows:
            await window.held.close()
        await self._held.close()

    async def reopen(self, window: Window, *, abruptly: bool) -> None:
        """Close a window, in order or as if it crashed, and open another in its place."""
        window.alive = False
        if not abruptly:
            started = anyio.current_time()
            await window.server.finish_calls()
            assert anyio.current_time() - started < SHUTDOWN_SECONDS
        await window.held.close(abruptly=abruptly)
        self.windows[self.windows.index(window)] = await self._window(shows_apps=window.shows_apps)

    async def call(
        self, window: Window, tool: str, arguments: dict[str, Any], timeout: float | None = None
    ) -> CallToolResult | None:
        """Call a tool, and check that its answer comes in time, is complete and has no token.

        Returns:
            The answer, None if the caller gave up after `timeout` seconds.
        """
        started, answer = anyio.current_time(), None
        with anyio.move_on_after(timeout or 100):
            answer = await window.client.call_tool(tool, arguments)
        waited = anyio.current_time() - started
        if timeout is None:
            allowed = _wait_of(window, tool, arguments) or LONGEST_SECONDS.get(tool, 21)
            assert waited <= allowed + 0.2, f"{tool} took {waited:.1f} s"
        if answer is not None:
            written = " ".join(part.text for part in answer.content if part.type == "text")
            unsaid = [fact for fact in _leaves(structure_of(answer)) if fact not in written]
            assert not unsaid, f"{tool} omits {unsaid} in {written!r}"
            assert TOKEN not in answer.model_dump_json(), f"{tool} revealed the token"
        return answer

    def wall_clock(self) -> datetime:
        return virtual_now() + self.wall_offset

    async def truth(self, request_id: str) -> str:
        """Ask the simulator for a job's state, whatever faults are queued."""
        return (await self._request("GET", f"/v1/requests/{request_id}/status")).get("status", "?")

    async def buy_elsewhere(self, model_id: str, arguments: dict[str, Any]) -> str:
        """Buy a clip on RunComfy's web page, and return its request_id."""
        return (await self._request("POST", f"/v1/models/{model_id}", arguments))["request_id"]

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        faults, self.simulator.faults[:] = list(self.simulator.faults), []
        headers = {"Authorization": f"Bearer {TOKEN}"}
        forgotten = set(self.simulator.forgotten)
        balance, self.simulator.behaviour.balance_usd = self.simulator.behaviour.balance_usd, 1000.0
        self.simulator.forgotten.clear()
        try:
            # Without certificates, whose reading would take longer than all the rest.
            none = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            async with httpx.AsyncClient(headers=headers, verify=none) as http:
                return (await http.request(method, self.simulator.url + path, json=body)).json()
        finally:
            self.simulator.faults[:] = faults
            self.simulator.forgotten.update(forgotten)
            self.simulator.behaviour.balance_usd = balance

    async def _window(self, *, shows_apps: bool) -> Window:
        chosen: dict[str, Any] = {
            "token": TOKEN,
            "base_url": self.simulator.url,
            "state_dir": self.ledger.folder / "state",
            "database_url": self.ledger.database_url,
            "max_jobs_per_hour": 1000,
            "check_images": False,
            "local_files": True,
        }
        server = build_server(
            Settings(**chosen),
            clock=Clock(now=self.wall_clock, random=lambda: 0.5),
        )
        held = OpenContext(_client(server, [apps()] if shows_apps else []))
        return Window(server=server, held=held, client=await held.open(), shows_apps=shows_apps)


@asynccontextmanager
async def _client(
    server: SeedanceServer, extensions: Sequence[ClientExtension]
) -> AsyncGenerator[Client, None]:
    async with QuickClient(server, mode="legacy", extensions=extensions) as client:
        yield client


def _wait_of(window: Window, tool: str, arguments: dict[str, Any]) -> int:
    """Return for how many seconds a call may wait for its job."""
    told = arguments.get("wait_seconds")
    if told is not None:
        return told
    # The player in the chat waits in place of a call that buys.
    waits = tool == "check_status" or (tool == "generate_video" and not window.shows_apps)
    return 45 if waits else 0


def structure_of(answer: CallToolResult) -> dict[str, Any]:
    """Return an answer's structured content, empty if it has none."""
    return answer.structured_content or {}


def _leaves(value: Any) -> list[str]:
    """Return every value of a structure as its text should have it."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value).values()
        return [leaf for part in fields for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in cast("list[Any]", value) for leaf in _leaves(part)]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [] if value is None else [str(value)]
