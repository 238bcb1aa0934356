"""What a schedule is learned from: jobs of the same kind, and before any the model's own file."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Running
from seedance_mcp.models.model import load_models
from seedance_mcp.service._schedules import Schedules
from tests.support.ledger import NOON, SUCCESS, begin, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

ADDED = "someone/added"
BUNDLED = load_models()
LITE = "bytedance/seedance-1-0/lite/image-to-video"
PRO = "bytedance/seedance-2.0/pro"
MODELS = BUNDLED | {ADDED: replace(BUNDLED[PRO], model_id=ADDED, timing=None)}
GONE = "bytedance/no-longer-configured"


def job(model_id: str | None = LITE, **arguments: Any) -> Job:
    given = {"prompt": "A lake at dawn, the camera pans.", "duration": 5, "resolution": "720p"}
    return Job(id="new", model_id=model_id, arguments=given | arguments, owner="o", created_at=NOON)


@asynccontextmanager
async def learning(folder: Path, *done: Job) -> AsyncGenerator[Schedules]:
    """Yield schedules over a ledger in which these jobs have taken 2 seconds each."""
    clock = Clock(now=lambda: NOON, random=lambda: 0.5)
    async with opened(folder) as store:
        for number, each in enumerate(done):
            new = await begin(store, replace(each, id=f"job-{number}"))
            for seconds, seen in enumerate(
                [Accepted(request_id=f"r-{number}"), Running(), SUCCESS]
            ):
                await store.observe(new, seen, NOON + timedelta(seconds=seconds))
        yield Schedules(store, MODELS, clock)


ONE, TWO = "https://a.example/1.png", "https://a.example/2.png"


@pytest.mark.parametrize(
    ("done", "new", "is_alike"),
    [
        (job(first_frame_image_url=ONE), job(prompt="Rain.", first_frame_image_url=TWO), True),
        (job(), job(PRO), False),
        (job(), job(duration=10), False),
        (job(), job(resolution="480p"), False),
        (job(), job(last_frame_image_url=TWO), False),
        (job(last_frame_image_url=ONE), job(last_frame_image_url=TWO), True),
        (job(PRO, images=[ONE]), job(PRO, images=[TWO], seed=7), True),
        (job(PRO, images=[ONE]), job(PRO), False),
        (job(PRO, images=[ONE]), job(PRO, images=[ONE, TWO]), False),
        (job(PRO, images=[ONE, TWO]), job(PRO, images=[ONE, TWO, ONE]), True),
        # The file says that only the resolution and the length change how long it takes.
        (job(PRO, generate_audio=True), job(PRO, generate_audio=False), True),
        (job(PRO, aspect_ratio="1:1"), job(PRO, aspect_ratio="21:9"), True),
        (job(PRO, resolution="480p"), job(PRO, resolution="4k"), False),
        (job(ADDED, generate_audio=True), job(ADDED, generate_audio=False), False),
        (job(GONE), job(GONE, prompt="Another lake at dawn."), True),
        (job(GONE), job(GONE, duration=10), False),
        (job(GONE), job(GONE, resolution="480p"), False),
        (job(GONE), job(GONE, last_image=ONE), False),
        (job(None), job(None), False),
    ],
)
async def test_only_jobs_of_the_same_kind_are_learned_from(
    tmp_path: Path, done: Job, new: Job, is_alike: bool
) -> None:
    async with learning(tmp_path, done) as schedules:
        schedule = await schedules.of(new)
        assert list(schedule.totals.measured) == [2.0] * is_alike
        assert list(schedule.runs.measured) == [1.0] * is_alike


@pytest.mark.parametrize(
    ("new", "median"),
    [
        (job(), 47),
        (job(duration=10), 85),
        (job(PRO), 122),
        (job("bytedance/seedance-2.0-mini/text-to-video"), 60),
        (job(GONE), 60),
        (job(None), 60),
    ],
)
async def test_before_a_job_has_ended_the_models_file_says_how_long_it_takes(
    tmp_path: Path, new: Job, median: float
) -> None:
    async with learning(tmp_path) as schedules:
        schedule = await schedules.of(new)
        assert (schedule.runs.median, schedule.totals.median) == pytest.approx((median, median))
        assert schedule.usual_seconds is None


async def test_a_ledger_that_cannot_be_read_leaves_what_the_models_file_says(
    tmp_path: Path,
) -> None:
    async with learning(tmp_path / "state", job()) as schedules:
        (tmp_path / "state").rename(tmp_path / "away")
        schedule = await schedules.of(job())
        assert (schedule.runs.median, schedule.totals.measured) == (pytest.approx(47), ())
