"""A plain HTTP caller of the simulator, independent of the server."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import anyio
import httpx
from PIL import Image

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .timeouts import TIMEOUT_SECONDS

MODEL = "bytedance/seedance-1-0/lite/image-to-video"
DAWN = (230, 150, 60)
DUSK = (30, 40, 160)


@dataclass
class ManualClock:
    """A clock that moves only when a test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Caller:
    simulator: Simulator
    http: httpx.AsyncClient

    async def submit(self, **arguments: Any) -> httpx.Response:
        inputs = {"prompt": "A lake", "first_frame_image_url": "https://example.com/lake.jpg"}
        return await self.http.post(f"/v1/models/{MODEL}", json=inputs | arguments)

    async def job(self, **arguments: Any) -> str:
        answer = await self.submit(**arguments)
        assert answer.is_success, answer.text
        return answer.json()["request_id"]

    async def status(self, request_id: str) -> dict[str, Any]:
        return (await self.http.get(f"/v1/requests/{request_id}/status")).json()

    async def result(self, request_id: str) -> dict[str, Any]:
        url = f"/v1/requests/{request_id}/result?include_cost=true"
        return (await self.http.get(url)).json()

    async def cancel(self, request_id: str) -> httpx.Response:
        return await self.http.post(f"/v1/requests/{request_id}/cancel")

    async def balance(self) -> httpx.Response:
        return await self.http.get("/prod/v2/balance")


@asynccontextmanager
async def open_caller(
    behaviour: Behaviour | None = None,
    *,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
) -> AsyncGenerator[Caller, None]:
    """Run a simulator that by default fetches no images, and yield a caller."""
    behaviour = behaviour or Behaviour(images="never")
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running(behaviour, clock=clock or ManualClock(), sleep=sleep) as simulator,
            httpx.AsyncClient(
                timeout=TIMEOUT_SECONDS,
                base_url=simulator.url,
                headers={"authorization": f"Bearer {simulator.token}"},
                transport=httpx.AsyncHTTPTransport(verify=False),
            ) as http,
        ):
            yield Caller(simulator, http)


def image(
    width: int = 320, height: int = 320, *, colour: tuple[int, int, int] = DAWN, **saved: Any
) -> bytes:
    """Return an image of one colour."""
    drawn = BytesIO()
    Image.new("RGB", (width, height), colour).save(drawn, **({"format": "PNG"} | saved))
    return drawn.getvalue()


def data_uri(drawn: bytes) -> str:
    return f"data:image/png;base64,{b64encode(drawn).decode()}"
