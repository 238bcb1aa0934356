"""What a cancelled call leaves behind, whatever database keeps the ledger."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.models.model import load_models
from seedance_mcp.service.factory import ServiceOptions, open_service
from seedance_mcp.service.reports import Order, ignore
from seedance_mcp.service.service import Service
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.server import Simulator
from tests.support.client import ARGUMENTS
from tests.support.restarting_server import run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
ORDER = Order(model=MODEL, arguments=ARGUMENTS)

_T = TypeVar("_T")


class RemoteStore(SqliteStore):
    """A ledger whose answers come some seconds after each commit, as over a network."""

    seconds = 0.5

    async def run(self, step: Callable[[SqliteRows], _T], **options: bool) -> _T:
        result = await super().run(step, **options)
        await anyio.sleep(self.seconds)
        return result


@asynccontextmanager
async def remote_service(
    simulator: Simulator, folder: Path
) -> AsyncGenerator[tuple[Service, RemoteStore], None]:
    """Yield a service with a ledger that is far away."""
    clock = Clock(now=virtual_now, random=lambda: 0.5)
    settings = {"token": simulator.token, "base_url": simulator.url, "state_dir": folder}
    options = ServiceOptions(
        settings=Settings.model_validate(settings | {"check_images": False}),
        models=[MODEL],
        known={MODEL.model_id: MODEL},
        clock=clock,
        transport=None,
        local_files=False,
        on_change=list[Job]().append,
    )
    async with open_service(options) as local:
        made = RemoteStore(folder, clock, origin=simulator.url, history=timedelta(days=90))
        with closing(made) as remote:
            submissions = replace(local.submissions, _store=remote)
            yield replace(local, store=remote, submissions=submissions), remote


async def test_a_request_is_not_sent_by_a_process_that_stood_still_since_its_job_was_begun(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator() as simulator,
        remote_service(simulator, tmp_path) as (service, remote),
    ):
        remote.seconds = 25
        with pytest.raises(SeedanceError) as refused:
            await service.buy(ORDER, wait_seconds=0, watch=ignore)
        assert refused.value.line == (
            "The server stood still after it had recorded the job, so the request was not sent:"
            " repeat the call. Nothing was charged."
        )
        assert simulator.accepted == []
        assert (await remote.recent(simulator.url, limit=9)).jobs == []


async def test_a_call_cancelled_once_its_job_is_in_the_ledger_still_buys_it(
    tmp_path: Path,
) -> None:
    async with run_simulator() as simulator:
        async with remote_service(simulator, tmp_path) as (service, remote):
            # The first half second is for an earlier job; within the second one the row is written.
            with anyio.move_on_after(0.75) as call:
                await service.buy(ORDER, wait_seconds=45, watch=ignore)
            await anyio.sleep(5)
            rows = (await remote.recent(simulator.url, limit=9)).jobs
        bought = [job.request_id for job in simulator.accepted]
        assert (call.cancelled_caught, len(bought)) == (True, 1)
        assert [job.request_id for job in rows] == bought


async def test_a_listener_that_breaks_loses_no_paid_job(tmp_path: Path) -> None:
    def on_change(_: Job) -> None:
        raise ValueError("a bug")

    async with run_simulator(run_seconds=5) as simulator:
        settings = {"token": simulator.token, "base_url": simulator.url, "state_dir": tmp_path}
        options = ServiceOptions(
            settings=Settings.model_validate(settings | {"check_images": False}),
            models=[MODEL],
            known={MODEL.model_id: MODEL},
            clock=Clock(now=virtual_now, random=lambda: 0.5),
            transport=None,
            local_files=False,
            on_change=on_change,
        )
        async with open_service(options) as service:
            report = await service.buy(
                Order(model=MODEL, arguments=ARGUMENTS), wait_seconds=60, watch=ignore
            )
            page = await service.store.recent(report.job.owner, limit=9)
        (bought,) = simulator.accepted
        seen = [(job.request_id, job.status) for job in page.jobs]
        assert seen == [(bought.request_id, Status.COMPLETED)]
        assert report.job.status is Status.COMPLETED
