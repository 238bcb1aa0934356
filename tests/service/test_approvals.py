"""Asking without MCP: calls that share a form, and yeses that are for another clip."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import NotApproved, ServerStopping
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.models.model import load_models
from seedance_mcp.service._request_states import Approval
from seedance_mcp.service.consent import Proposal, Reply
from seedance_mcp.service.factory import ServiceOptions, open_service
from seedance_mcp.service.reports import Order, ignore
from seedance_mcp.service.service import Service
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.server import Simulator
from seedance_mcp.spending.limits import SpendingLimits
from tests.support.client import ARGUMENTS
from tests.support.ledger import job
from tests.support.restarting_server import run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

_T = TypeVar("_T")

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]


@asynccontextmanager
async def asking(folder: Path) -> AsyncGenerator[tuple[Service, Simulator], None]:
    """Open a service that asks before each clip, and its RunComfy."""
    async with run_simulator() as simulator:
        settings = {"token": simulator.token, "base_url": simulator.url, "state_dir": folder}
        asks = {"check_images": False, "ask_above_usd": "0"}
        options = ServiceOptions(
            settings=Settings.model_validate(settings | asks),
            models=[MODEL],
            known={MODEL.model_id: MODEL},
            clock=Clock(now=virtual_now, random=lambda: 0.5),
            transport=None,
            local_files=False,
            on_change=list[Job]().append,
        )
        async with open_service(options) as service:
            yield service, simulator


async def test_a_client_that_cannot_ask_refuses_nothing_to_one_that_can(tmp_path: Path) -> None:
    shown, refused = anyio.Event(), list[str]()

    async def cannot_ask(_: Proposal) -> Reply:
        shown.set()
        await anyio.sleep(1)
        raise NotApproved("This client cannot show a form.")

    async def says_yes(_: Proposal) -> Reply:
        return Reply.YES

    async with asking(tmp_path) as (service, simulator):
        order = Order(model=MODEL, arguments=ARGUMENTS, ask=cannot_ask)

        async def call() -> None:
            with pytest.raises(NotApproved) as error:
                await service.buy(order, wait_seconds=45, watch=ignore)
            refused.append(error.value.message)

        bought: list[str | None] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await shown.wait()
            # It is the same clip, so it waits for the form that the first client is to show.
            other = replace(order, ask=says_yes)
            bought.append((await service.buy(other, wait_seconds=45, watch=ignore)).job.request_id)
        assert refused == ["This client cannot show a form."]
        assert [job.request_id for job in simulator.accepted] == bought


@pytest.mark.parametrize("most", [Decimal(0), None], ids=["asked", "unasked"])
async def test_a_yes_to_another_clip_stays_out_of_the_row(
    tmp_path: Path, most: Decimal | None
) -> None:
    asked: list[Job] = []

    async def says_yes(proposal: Proposal) -> Reply:
        asked.append(proposal.job)
        return Reply.YES

    async with asking(tmp_path) as (service, _):
        other = Approval(nonce="other", wish=job(2).fingerprint, microdollars=10**6)
        order = Order(model=MODEL, arguments={}, ask=says_yes)
        limits = SpendingLimits(jobs_per_hour=1, ask_above_usd=most)
        approved = await service.approvals.approve(job(1), order, other, limits, inf)
        assert len(asked) == (1 if most is not None else 0)
        assert (approved.approval is None) is (most is None)
        assert approved.approval != "other"


async def test_a_server_that_shuts_down_shows_no_form(tmp_path: Path) -> None:
    async def says_yes(_: Proposal) -> Reply:
        pytest.fail("asked")

    async with asking(tmp_path) as (service, simulator):
        service.shut_down(1)
        with pytest.raises(ServerStopping):
            await service.buy(
                Order(model=MODEL, arguments=ARGUMENTS, ask=says_yes), wait_seconds=45, watch=ignore
            )
        assert simulator.accepted == []


class SlowStore(SqliteStore):
    """A ledger whose answers take half a second after each commit, as over a network."""

    async def run(self, step: Callable[[SqliteRows], _T], **options: bool) -> _T:
        result = await super().run(step, **options)
        await anyio.sleep(0.5)
        return result


async def test_a_clip_that_was_bought_during_the_checks_is_given_back_unasked(
    tmp_path: Path,
) -> None:
    asked: list[float] = []

    async def says_yes(_: Proposal) -> Reply:
        asked.append(anyio.current_time())
        await anyio.sleep(1)
        return Reply.YES

    async with asking(tmp_path) as (local, simulator):
        store = SlowStore(tmp_path, local.clock, origin=simulator.url, history=timedelta(days=90))
        service, reused = replace(local, store=store), list[bool]()
        order = Order(model=MODEL, arguments=ARGUMENTS, ask=says_yes)

        async def call(after: float) -> None:
            await anyio.sleep(after)
            reused.append((await service.buy(order, wait_seconds=0, watch=ignore)).reused)

        async with anyio.create_task_group() as tasks:
            # The second one looks for an earlier job before the first one is bought, 2 s from now.
            for after in (0, 1.7):
                tasks.start_soon(call, after)
        store.close()
        assert (sorted(reused), len(asked), len(simulator.accepted)) == ([False, True], 1, 1)
