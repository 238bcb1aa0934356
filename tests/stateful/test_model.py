"""What the model makes of paid requests that come at the same time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ARGUMENTS
from tests.support.served_ledger import SqliteFile

from .model import Book, Purchase
from .world import TOKEN, World

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL_PATH = "/v1/models/bytedance/seedance-1-0/lite/image-to-video"
REFUSAL = b'{"error_code": 400002, "error_message": "No balance left."}'


async def test_a_refused_request_has_not_bought_the_job_of_the_next_one(tmp_path: Path) -> None:
    too_late = Fault.delay("submit", SUBMIT_TIMEOUT_SECONDS + 1, after=True)
    async with open_world(tmp_path) as world:
        world.simulator.faults.extend([Fault.answer("submit", 400, body=REFUSAL), too_late])
        refused, lost = await buy_twice_at_once(world)
        assert (refused.rejected, refused.job) == (True, None)
        assert (lost.rejected, lost.lossy) == (False, True)
        assert [lost.job] == world.simulator.accepted


async def test_two_requests_of_one_moment_that_are_accepted_have_bought_two_jobs(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        bought = await buy_twice_at_once(world)
        assert [purchase.job for purchase in bought] == world.simulator.accepted
        assert not any(purchase.rejected for purchase in bought)


@asynccontextmanager
async def open_world(folder: Path) -> AsyncGenerator[World, None]:
    world = World(SqliteFile(folder / "home"))
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def buy_twice_at_once(world: World) -> list[Purchase]:
    """Send the same paid request twice in no time, and return what the model then knows."""
    book, headers = Book(world), {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=world.simulator.url, headers=headers, timeout=1) as http:
        for _ in range(2):
            try:
                await http.post(MODEL_PATH, json=ARGUMENTS)
            except httpx.ReadTimeout:
                continue
    for request in book.submits():
        book.note(request, ARGUMENTS, world.windows[0])
    assert book.submits()[0].at == book.submits()[1].at
    await book.settle()
    return book.purchases
