"""A service for each principal: made when needed, kept while it works, few however many ask."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import anyio
import httpx
import pytest
from pydantic import SecretStr

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError, ServerStopping
from seedance_mcp.models.model import load_models
from seedance_mcp.service.factory import ServiceOptions, open_services
from seedance_mcp.service.principals import MACHINE_USER, Principal
from seedance_mcp.service.reports import Order, ignore
from seedance_mcp.service.service import Service
from seedance_mcp.service.services import KEPT_SECONDS, MOST_IDLE, Services
from seedance_mcp.settings import Settings
from tests.support.client import ARGUMENTS
from tests.support.scripted_network import mock_transport
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
ALICE = Principal(name="token:alice")
SUBMIT_SECONDS = 30.0
STATE = "state"


def with_token(token: str) -> Principal:
    return Principal(name="runcomfy:", token=SecretStr(token))


async def answer(request: httpx.Request) -> httpx.Response:
    """Accept every token, and every job after a while; say nothing of the catalogue."""
    if request.url.path.endswith("/status"):
        return httpx.Response(404, json={"error_code": 404001})
    if request.method == "GET":
        return httpx.Response(503, json={})
    await anyio.sleep(SUBMIT_SECONDS)
    return httpx.Response(200, json={"request_id": "a-job"})


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Services, None]:
    chosen: dict[str, Any] = {
        "token": "the-token-of-the-server",
        "state_dir": folder / STATE,
        "check_images": False,
    }
    options = ServiceOptions(
        settings=Settings(**chosen),
        models=[MODEL],
        known={MODEL.model_id: MODEL},
        clock=Clock(now=virtual_now, random=lambda: 0.5),
        transport=mock_transport(answer),
        local_files=False,
        saves_files=False,
        on_change=lambda _: None,
    )
    async with open_services(options) as services:
        yield services


async def test_a_principal_keeps_its_service_and_owns_its_jobs_by_its_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as services:
        origin = services.machine_user.tracker.owner
        assert await services.of(MACHINE_USER) is services.machine_user
        alice, mine = await services.of(ALICE), await services.of(with_token("my-own-token"))
        assert await services.of(ALICE) is alice
        assert await services.of(with_token("my-own-token")) is mine
        assert alice.tracker.owner == f"{origin} token:alice"
        hashed = await services.machine_user.store.keyed_hash("my-own-token")
        assert mine.tracker.owner == f"{origin} runcomfy:{hashed}"
        assert (alice.tracker.shares_token, mine.tracker.shares_token) == (True, False)
        assert "my-own-token" not in f"{with_token('my-own-token')!r} {mine!r}"


async def test_made_up_tokens_take_no_more_room_than_some_services(tmp_path: Path) -> None:
    made = WeakSet[Service]()
    async with opened(tmp_path) as services, anyio.create_task_group() as tasks:
        buyer, listener = await services.of(with_token("a-buyer")), await services.of(ALICE)
        order = Order(model=MODEL, arguments={**ARGUMENTS, "duration": 5, "resolution": "720p"})
        tasks.start_soon(_buy, buyer, order)
        await anyio.sleep(10)
        assert not buyer.submissions.is_idle
        for number in range(MOST_IDLE + 100):
            made.add(await services.of(with_token(f"made-up-{number}"), in_use=[ALICE]))
        gc.collect()
        assert len(made) <= MOST_IDLE
        # What works for a caller is found again, by the next call and when the server ends.
        assert await services.of(with_token("a-buyer")) is buyer
        assert await services.of(ALICE) is listener


async def _buy(service: Service, order: Order) -> None:
    report = await service.buy(order, wait_seconds=0, watch=ignore)
    assert report.job.request_id == "a-job"


async def test_a_token_is_forgotten_some_time_after_its_last_use(tmp_path: Path) -> None:
    kept = WeakSet[Service]()
    async with opened(tmp_path) as services:
        kept.add(await services.of(with_token("my-own-token")))
        await anyio.sleep(KEPT_SECONDS - 1)
        await services.of(ALICE)
        gc.collect()
        assert len(kept) == 1
        await anyio.sleep(2)
        await services.of(with_token("another-token"))
        gc.collect()
        assert len(kept) == 0


async def test_without_the_ledger_only_a_token_that_is_known_has_a_service(tmp_path: Path) -> None:
    async with opened(tmp_path) as services:
        known = await services.of(with_token("a-known-token"))
        await anyio.Path(tmp_path, STATE, "ledger.db").rename(tmp_path / "elsewhere")
        await anyio.Path(tmp_path, STATE, "ledger.db").mkdir()
        assert await services.of(with_token("a-known-token")) is known
        with pytest.raises(LedgerError):
            await services.of(with_token("a-new-token"))


async def test_a_server_that_ends_makes_no_service(tmp_path: Path) -> None:
    async with opened(tmp_path) as services:
        services.shut_down(0)
        with pytest.raises(ServerStopping):
            await services.of(ALICE)
