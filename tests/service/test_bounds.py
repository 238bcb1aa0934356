"""What a service remembers of jobs does not grow for as long as it lives."""

from dataclasses import replace
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Running, Status
from seedance_mcp.models.model import load_models
from seedance_mcp.service._download_failures import MOST_FAILURES
from seedance_mcp.service._schedules import MOST_KINDS, Schedules
from seedance_mcp.service.factory import ServiceOptions, open_service
from seedance_mcp.service.reports import JobReport
from seedance_mcp.settings import Settings
from tests.support.finished_job import HOST, TOKEN, FinishedJob
from tests.support.ledger import NOON, SUCCESS, begin, opened
from tests.support.scripted_network import mock_transport
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]


def job(number: int, *, duration: int = 5) -> Job:
    return Job(
        id=f"job-{number}",
        model_id=MODEL.model_id,
        arguments={"prompt": f"Clip {number}.", "duration": duration},
        owner="o",
        created_at=NOON,
    )


async def test_schedules_of_many_kinds_of_jobs_make_room(tmp_path: Path) -> None:
    clock = Clock(now=lambda: NOON, random=lambda: 0.5)
    async with opened(tmp_path) as store:
        schedules = Schedules(store, {MODEL.model_id: MODEL}, clock)
        assert (await schedules.of(job(0))).totals.measured == []
        new = await begin(store, job(0))
        for seconds, seen in enumerate([Accepted(request_id="r"), Running(), SUCCESS]):
            await store.observe(new, seen, NOON + timedelta(seconds=seconds))
        for duration in range(6, 5 + MOST_KINDS):
            await schedules.of(job(1, duration=duration))
        # It is still known, so the ledger is not read again within a minute.
        assert (await schedules.of(job(0))).totals.measured == []
        await schedules.of(job(1, duration=1))
        assert (await schedules.of(job(0))).totals.measured == [2.0]


async def test_failures_of_many_downloads_make_room(tmp_path: Path) -> None:
    host = FinishedJob(files={})
    chosen: dict[str, Any] = {
        "token": TOKEN,
        "state_dir": tmp_path / "state",
        "output_dir": tmp_path / "videos",
        "auto_download": True,
    }
    options = ServiceOptions(
        settings=Settings(**chosen),
        models=[MODEL],
        known={MODEL.model_id: MODEL},
        clock=Clock(now=virtual_now, random=lambda: 0.5),
        transport=mock_transport(host),
        local_files=False,
        on_change=lambda _: None,
    )
    async with open_service(options) as service:

        async def fail(number: int) -> int:
            """Start an automatic download; return how often it was tried by now."""
            outputs = Outputs(videos=(f"{HOST}/{number}.mp4",))
            done = replace(job(number), status=Status.COMPLETED, outputs=outputs)
            service.downloads.start_automatic(done)
            report = JobReport(job=done)
            await service.downloads.wait_for_automatic(report, deadline=inf)
            return host.counted[f"/{number}.mp4"]

        tries = await fail(0)
        for number in range(1, MOST_FAILURES):
            await fail(number)
        assert await fail(0) == tries
        await fail(MOST_FAILURES)
        assert await fail(0) == 2 * tries
