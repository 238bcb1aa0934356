"""What the package takes from outside, under a test's control: network, time and chance."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from seedance_mcp.clock import Clock
from seedance_mcp.runcomfy.connections import Connections
from seedance_mcp.runcomfy.http import RunComfyHttp

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""The time of a frozen clock."""

TOKEN = "rc-secret-token-123"
"""A token that occurs in no answer by chance."""

BASE_URL = "https://api.example"
"""The base URL of RunComfy."""

IN_QUEUE = {"status": "in_queue"}
"""A valid answer to a poll."""

Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response | Awaitable[Any]]
"""An answer, an exception to raise, or a function of the request that returns or raises one.

The function may be asynchronous, for an answer that has to wait for something.
"""


class ScriptedNetwork:
    """A network that follows a script: every request takes the next step.

    A request beyond the last step fails the test that sent it. Where the code under test may
    swallow that failure, `check` raises it again.

        network = Scripted(httpx.ConnectError("refused"), httpx.Response(200, json={…}))
        async with httpx.AsyncClient(transport=network.transport) as http:
            …
        network.check()

    Args:
        steps: What is answered or raised, a step a request.

    Attributes:
        requests: Every request that was sent, in order, the surplus ones included.
    """

    def __init__(self, *steps: Step) -> None:
        self.requests: list[httpx.Request] = []
        self._steps = steps

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take the next step."""
        self.requests.append(request)
        if len(self.requests) > len(self._steps):
            raise AssertionError(self._surplus())
        step = self._steps[len(self.requests) - 1]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        answer = step(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    @property
    def transport(self) -> httpx.MockTransport:
        """The network for an `httpx.AsyncClient` or for `build_server`."""
        return mock_transport(self)

    @property
    def sent(self) -> list[str]:
        """The method and the whole URL of each request."""
        return [f"{request.method} {request.url}" for request in self.requests]

    def check(self) -> None:
        """Fail unless there were as many requests as steps."""
        if len(self.requests) > len(self._steps):
            raise AssertionError(self._surplus())
        left = len(self._steps) - len(self.requests)
        assert not left, f"{left} of {len(self._steps)} steps were never taken; sent: {self.sent}"

    def _surplus(self) -> str:
        return f"The script has {len(self._steps)} steps, and this was sent: {self.sent}"


def mock_transport(
    answer: Callable[[httpx.Request], Awaitable[httpx.Response]],
) -> httpx.MockTransport:
    """Return a transport whose answers can be read raw, as those of a real one can."""

    async def unread(request: httpx.Request) -> httpx.Response:
        seen = await answer(request)
        return httpx.Response(seen.status_code, headers=seen.headers.raw, stream=seen.stream)

    return httpx.MockTransport(unread)


@dataclass
class FrozenTime:
    """A clock that stands still, pauses that are only recorded, and no chance.

    Attributes:
        now: The time.
        chance: Every random number.
        pauses: The requested pauses in order, in seconds.
    """

    now: datetime = NOW
    chance: float = 0.5
    pauses: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        """Record a pause, and return at once."""
        self.pauses.append(seconds)

    @property
    def clock(self) -> Clock:
        """The frozen clock, as the package takes it."""
        return Clock(now=lambda: self.now, sleep=self.sleep, random=lambda: self.chance)


def answer(status_code: int = 200, body: object = IN_QUEUE, **headers: str) -> httpx.Response:
    """Return an answer with a JSON body; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status_code, json=body, headers=named)


@asynccontextmanager
async def open_runcomfy_http(
    network: ScriptedNetwork, *, time: FrozenTime | None = None, token: str | None = TOKEN
) -> AsyncGenerator[RunComfyHttp, None]:
    """Yield RunComfy's API over a scripted network; every step must be taken."""
    held = time or FrozenTime()
    async with Connections(lambda: httpx.AsyncClient(transport=network.transport)) as connections:
        yield RunComfyHttp(connections, base_url=BASE_URL, token=token, clock=held.clock)
    network.check()
