"""Posters of clips: made beside what is paid for, never in its way, and kept in the ledger."""

import sqlite3
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER
from seedance_mcp.clock import Clock
from seedance_mcp.inputs.first_frame import FirstFrames
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.models.model import load_models
from seedance_mcp.one_at_a_time import OneAtATime
from seedance_mcp.service._posters import Posters
from seedance_mcp.service.factory import ServiceOptions, open_services
from seedance_mcp.service.principals import Principal
from seedance_mcp.service.reports import JobReport, Order, ignore
from seedance_mcp.service.service import Service
from seedance_mcp.service.services import Services
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.image_host import Page, serve_images
from tests.support.preflight import FIRST, MODEL, data_uri
from tests.support.sample_images import make_image, rotated
from tests.support.small_clip import render_small_clip
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODELS = load_models()
CONTINUING = MODELS["bytedance/seedance-2.5/image-to-video/480p"]
SOON = 5.0
HANGING = Page(hangs=True, length="none")


@dataclass(frozen=True)
class Scene:
    """A server's services, with the simulator behind them."""

    services: Services
    simulator: Simulator
    folder: Path

    @property
    def service(self) -> Service:
        return self.services.machine_user

    async def buy(
        self, image: str, *, service: Service | None = None, wait_seconds: float = 0, **how: Any
    ) -> JobReport:
        """Buy a clip whose first frame is an image, for a client that shows posters."""
        arguments = {"prompt": "Mist.", FIRST: image, "duration": 5, "resolution": "480p"}
        order = replace(Order(model=MODEL, arguments=arguments, wants_poster=True), **how)
        return await (service or self.service).buy(order, wait_seconds=wait_seconds, watch=ignore)

    def execute(self, statement: str) -> None:
        """Change the ledger behind the server's back."""
        with closing(sqlite3.connect(self.folder / "state" / "ledger.db")) as connection:
            connection.execute(statement)
            connection.commit()


@asynccontextmanager
async def scene(
    folder: Path, *, run_seconds: float = 2, saves_files: bool = True, **settings: Any
) -> AsyncGenerator[Scene, None]:
    behaviour = Behaviour(images="never", run_seconds=run_seconds)
    async with running(behaviour, clock=anyio.current_time, render=render_small_clip) as simulator:
        chosen: dict[str, Any] = {
            "token": simulator.token,
            "base_url": simulator.url,
            "state_dir": folder / "state",
            "output_dir": folder / "videos",
            "allow_private_urls": True,
        }
        options = ServiceOptions(
            settings=Settings(**(chosen | settings)),
            models=[MODEL, CONTINUING],
            known=MODELS,
            clock=Clock(now=virtual_now, random=lambda: 0.5),
            transport=None,
            local_files=True,
            saves_files=saves_files,
            on_change=lambda _: None,
        )
        async with open_services(options) as services:
            yield Scene(services, simulator, folder)
            services.shut_down(0)


def size(jpeg: bytes | None) -> tuple[int, int]:
    """Return the size of a poster in pixels."""
    assert jpeg is not None
    image = Image.open(BytesIO(jpeg))
    assert image.format == "JPEG"
    return image.size


async def stored(service: Service, jobs: Collection[Job]) -> list[bytes]:
    """Return what posters the ledger has of jobs of a service."""
    await service.posters.finish(60)
    found = [await service.store.posters([job.id], job.owner) for job in jobs]
    return [jpeg for each in found for jpeg in each.values()]


async def test_the_first_frame_of_a_clip_is_there_soon_after_it_is_bought_and_stays(
    tmp_path: Path,
) -> None:
    image = tmp_path / "lake.png"
    image.write_bytes(make_image("PNG", (800, 600)))
    async with scene(tmp_path) as now:
        url = now.simulator.publish(image)
        bought = await now.buy(url)
        first = await now.service.posters.first_frame(bought.job, SOON)
        assert size(first) == (320, 240)
        assert await stored(now.service, [bought.job]) == [first]
        again = await now.buy(url)
        assert (again.reused, again.job.id) == (True, bought.job.id)
        assert await now.service.posters.first_frame(again.job, SOON) == first
        assert await now.service.posters.shown([again.job]) == {bought.job.id: first}


@pytest.mark.parametrize("given", ["path", "data"])
async def test_an_image_of_this_machine_is_shown_upright(
    image_folder: Path, tmp_path: Path, given: str
) -> None:
    image = image_folder / "lake.jpg"
    image.write_bytes(rotated(6, (800, 600)))
    value = str(image) if given == "path" else data_uri(image.read_bytes(), "image/jpeg")
    async with scene(tmp_path, check_images=False) as now:
        bought = await now.buy(value)
        assert size(await now.service.posters.first_frame(bought.job, SOON)) == (240, 320)


async def test_the_frame_of_a_clip_that_is_continued_is_shown(tmp_path: Path) -> None:
    async with scene(tmp_path, check_images=False) as now:
        made = await now.buy(data_uri(make_image("PNG", (600, 600))), wait_seconds=45)
        assert made.job.status is Status.COMPLETED
        frame = f"seedance://jobs/{made.job.request_id}/last-frame"
        order = Order(
            model=CONTINUING, arguments={"prompt": "On.", "image": frame}, wants_poster=True
        )
        bought = await now.service.buy(order, wait_seconds=0, watch=ignore)
        assert max(size(await now.service.posters.first_frame(bought.job, SOON))) <= 320


@pytest.mark.parametrize("how", [{"dry_run": True}, {"wants_poster": False}])
async def test_no_first_frame_is_made_of_what_is_not_bought_or_not_shown(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    async with scene(tmp_path) as now, serve_images(image=Page(body=make_image("JPEG"))) as host:
        report = await now.buy(host.url(), **how)
        assert now.service.posters.is_idle
        assert await now.service.posters.first_frame(report.job, SOON) is None
        assert (await stored(now.service, [report.job]), len(host.requests)) == ([], 1)


async def test_a_host_that_never_answers_delays_neither_the_submit_nor_the_end(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as now, serve_images(image=HANGING) as host:
        bought = await now.buy(host.url())
        # Preflight waits so long for it, with or without a poster.
        assert anyio.current_time() == pytest.approx(5, abs=0.2)
        assert bought.job.request_id
        assert await now.service.posters.first_frame(bought.job, 1) is None
        assert anyio.current_time() == pytest.approx(6, abs=0.2)
        assert not now.service.is_idle
        now.service.shut_down(0)
        await now.service.posters.finish(60)
        assert (now.service.posters.is_idle, anyio.current_time()) == (True, pytest.approx(6, 0.1))


async def test_a_call_that_is_cancelled_while_it_waits_for_a_first_frame_loses_nothing(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as now:
        bought = await now.buy(data_uri(make_image("PNG", (800, 600))))
        with anyio.CancelScope() as call:
            call.cancel()
            await now.service.posters.first_frame(bought.job, SOON)
        assert [size(each) for each in await stored(now.service, [bought.job])] == [(320, 240)]


async def test_a_ledger_that_keeps_no_posters_costs_no_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, auto_download=True) as now:
        await now.service.list_jobs(status=None, limit=1)
        now.execute("DROP TABLE posters")
        bought = await now.buy(data_uri(make_image("PNG", (800, 600))), wait_seconds=45)
        assert (bought.job.status, bought.download_error) == (Status.COMPLETED, None)
        await now.service.posters.finish(60)
        assert await now.service.posters.first_frame(bought.job, SOON) is None
        assert await now.service.posters.shown([bought.job]) == {}
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_a_bug_in_making_a_poster_ends_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise ZeroDivisionError

    async with scene(tmp_path, check_images=False) as now, anyio.create_task_group() as tasks:
        url = "https://images.example/lake.jpg"
        bought = await now.buy(url, wants_poster=False)
        turns = OneAtATime()
        broken = FirstFrames(fetches=True, allow_private=False, turns=turns, resolve=resolve)
        posters = Posters(now.service.store, now.service.tracker.owner, broken, turns, tasks)
        posters.start_first_frame(bought.job, MODEL)
        assert await posters.first_frame(bought.job, SOON) is None
        assert posters.is_idle
    assert [record.message for record in caplog.records] == ["Making a first frame broke"]


async def test_a_downloaded_clip_has_its_own_frame_in_place_of_its_first_one(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, auto_download=True) as now:
        bought = await now.buy(data_uri(make_image("PNG", (800, 600))))
        first = await now.service.posters.first_frame(bought.job, SOON)
        ended = await now.service.status(bought.job.request_id or "", wait_seconds=45, watch=ignore)
        (poster,) = await stored(now.service, [bought.job])
        assert poster != first
        assert poster == middle_frame(Path(ended.job.saved[0]), bounds=POSTER)


async def test_a_clip_that_was_downloaded_has_a_poster_whoever_bought_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as now:
        image = data_uri(make_image("PNG", (800, 600)))
        bought = await now.buy(image, wants_poster=False, wait_seconds=45)
        assert await stored(now.service, [bought.job]) == []
        report = await now.service.downloads.download(bought, deadline=99, watch=ignore)
        (poster,) = await stored(now.service, [bought.job])
        assert poster == middle_frame(Path(report.job.saved[0]), bounds=POSTER)


async def test_a_saved_clip_without_a_poster_gets_one_when_it_is_looked_at(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, auto_download=True) as now:
        image = data_uri(make_image("PNG", (800, 600)))
        bought = await now.buy(image, wait_seconds=45)
        (poster,) = await stored(now.service, [bought.job])
    async with scene(tmp_path) as now:
        now.execute("DELETE FROM posters")
        posters = now.service.posters
        away = replace(bought.job, id="another", saved_to=(str(tmp_path / "away.mp4"),))
        running_one = replace(bought.job, id="a third", status=Status.IN_PROGRESS)
        assert await posters.shown([away, running_one, bought.job]) == {}
        assert await stored(now.service, [bought.job]) == [poster]


async def test_a_damaged_clip_is_tried_once(tmp_path: Path) -> None:
    async with scene(tmp_path, auto_download=True) as now:
        image = data_uri(make_image("PNG", (800, 600)))
        bought = await now.buy(image, wait_seconds=45)
        await stored(now.service, [bought.job])
        file = Path(bought.job.saved[0])
        whole = await anyio.Path(file).read_bytes()
    async with scene(tmp_path) as now:
        for body in (b"not a clip", whole):
            now.execute("DELETE FROM posters")
            await anyio.Path(file).write_bytes(body)
            assert await now.service.posters.shown([bought.job]) == {}
            assert await stored(now.service, [bought.job]) == []
        now.service.posters.of_clip(bought.job)
        assert len(await stored(now.service, [bought.job])) == 1


async def test_a_server_that_shuts_down_waits_for_no_poster(tmp_path: Path) -> None:
    async with scene(tmp_path, auto_download=True) as now:
        bought = await now.buy(data_uri(make_image("PNG", (800, 600))), wait_seconds=45)
        await stored(now.service, [bought.job])
        jobs = [replace(bought.job, id=f"{number}") for number in range(150)]
        assert await now.service.posters.shown(jobs) == {}
        assert not now.service.is_idle
        now.service.shut_down(0)
        await now.service.posters.finish(60)
        assert now.service.posters.is_idle
        assert await now.service.posters.shown(jobs) == {}
        assert now.service.posters.is_idle


async def test_each_caller_sees_the_first_frames_of_its_own_clips(tmp_path: Path) -> None:
    async with scene(tmp_path, saves_files=False) as now:
        alice, bob = [
            await now.services.of(Principal(name=f"token:{name}")) for name in ("alice", "bob")
        ]
        image = data_uri(make_image("PNG", (800, 600)))
        bought = await now.buy(image, service=alice, wait_seconds=45)
        assert bought.job.status is Status.COMPLETED
        found = await alice.posters.shown([bought.job])
        assert {name: size(jpeg) for name, jpeg in found.items()} == {bought.job.id: (320, 240)}
        for other in (bob, now.service):
            assert await other.posters.shown([bought.job]) == {}
            assert await other.posters.first_frame(bought.job, SOON) is None
