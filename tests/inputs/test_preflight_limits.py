"""How much time and memory preflight may take."""

import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import current_default_thread_limiter

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.one_at_a_time import OneAtATime
from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import open_client, structured
from tests.support.image_host import Page, serve_images
from tests.support.list_model import LIST_MODEL
from tests.support.preflight import FIRST, LAST, MODEL, SENT_AS_DATA, write_image
from tests.support.sample_images import ENDLESS_MARKERS, make_image, noise
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS, wait_until
from tests.support.wording import NOT_CHECKED

pytestmark = pytest.mark.anyio

HANGING = Page(hangs=True, length="none")


def preflight(*, local_files: bool = True) -> Preflight:
    return Preflight(check=True, allow_private=True, local_files=local_files)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("wait_seconds", "took"), [(1, 0.5), (4, 2), (7, 5), (45, 5), (0, 5)])
async def test_a_slow_check_leaves_time_to_submit_and_becomes_a_warning(
    wait_seconds: int, took: float
) -> None:
    behaviour = Behaviour(run_seconds=120)
    settings: dict[str, Any] = {"check_images": True, "allow_private_urls": True}
    async with serve_images(image=HANGING) as host, open_client(behaviour, **settings) as client:
        began = anyio.current_time()
        result = await client.generate(first_frame_image_url=host.url(), wait_seconds=wait_seconds)
        ended = anyio.current_time()
    line = f"{FIRST} {NOT_CHECKED}its host took over {took:g} s."
    assert (result.is_error, structured(result)["warnings"]) == (False, [line])
    assert ended - began == pytest.approx(wait_seconds or 5, abs=0.2)


@pytest.mark.virtual_time
async def test_checking_images_reports_progress() -> None:
    settings: dict[str, Any] = {"check_images": True, "allow_private_urls": True}
    async with serve_images(image=HANGING) as host, open_client(**settings) as client:
        await client.generate(first_frame_image_url=host.url())
        assert client.progress[0] == (
            pytest.approx(4, abs=0.1),
            None,
            "checking the files, 4 s",
        )
        assert all(before < after for (before, *_), (after, *_) in pairwise(client.progress))


@pytest.mark.virtual_time
async def test_a_local_image_may_take_longer_than_a_url(tmp_path: Path) -> None:
    threads = current_default_thread_limiter()
    before = threads.total_tokens
    threads.total_tokens = 0
    given = {"prompt": "A lake", FIRST: write_image(tmp_path, make_image("JPEG"))}

    async def check() -> None:
        assert (await preflight().check(MODEL, given)).warnings == (SENT_AS_DATA,)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(check)
        await anyio.sleep(12)
        threads.total_tokens = before
    assert anyio.current_time() == pytest.approx(12, abs=1.5)


@pytest.mark.parametrize(
    ("timeout", "took"), [(0.001, "over 0.001 s"), (0, "too long"), (-0.01, "too long")]
)
async def test_a_local_image_that_takes_too_long_is_refused_with_advice(
    timeout: float, took: str, tmp_path: Path
) -> None:
    given = {"prompt": "A lake", FIRST: write_image(tmp_path, noise((3000, 2000), "BMP"))}
    with pytest.raises(InputError) as refused:
        await preflight().check(MODEL, given, timeout=timeout)
    assert refused.value.line == (
        f"{FIRST} took {took} to prepare; use a smaller image, or a longer"
        " wait_seconds. Nothing was charged."
    )


async def test_the_timeout_holds_while_bytes_arrive_without_a_pause() -> None:
    dripping = Page(body=ENDLESS_MARKERS, length="chunked", chunk=1)
    async with serve_images(image=dripping) as host:
        began = time.perf_counter()
        given = {"prompt": "A lake", FIRST: host.url()}
        checked = await preflight(local_files=False).check(MODEL, given, timeout=0.2)
        took = time.perf_counter() - began
    assert checked.warnings == (f"{FIRST} {NOT_CHECKED}its host took over 0.2 s.",)
    assert took < PROMPT_SECONDS


async def test_cancelled_work_keeps_its_turn_until_its_thread_ends() -> None:
    one_at_a_time, go_on, order = OneAtATime(), threading.Event(), list[str]()

    def first() -> None:
        order.append("first began")
        go_on.wait(TIMEOUT_SECONDS)
        order.append("first ended")

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_at_a_time.run, first)
            await wait_until(lambda: order == ["first began"])
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(0.1):
            await one_at_a_time.run(lambda: order.append("never"))
        assert order == ["first began"]
        go_on.set()
        await one_at_a_time.run(lambda: order.append("second"))
    assert order == ["first began", "first ended", "second"]


async def test_calls_that_give_up_behind_a_file_that_hangs_leave_no_threads() -> None:
    one_at_a_time, go_on = OneAtATime(), threading.Event()

    def hang() -> None:
        go_on.wait(TIMEOUT_SECONDS)

    try:
        with anyio.move_on_after(0.05):
            await one_at_a_time.run(hang)
        before = threading.active_count()
        for _ in range(9):
            with anyio.move_on_after(0.05):
                await one_at_a_time.run(hang)
        # Fewer, where a thread that was idle from before has ended.
        assert threading.active_count() <= before
    finally:
        go_on.set()


PEAK = """
import resource, sys
import anyio
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models

async def main(path):
    model = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
    preflight = Preflight(check=True, allow_private=False, local_files=True)
    frames = {"first_frame_image_url": path, "last_frame_image_url": path}
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(preflight.check, model, {"prompt": "Mist."} | frames)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
anyio.run(main, sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.stress
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss is in other units")
def test_many_large_images_take_hardly_more_memory_than_one(tmp_path: Path) -> None:
    path = write_image(tmp_path, noise((3000, 2000), "BMP"))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    # Six at once would take 6 x 17 MB of file and more than 6 x 24 MB of pixels.
    assert int(done.stdout) < 150


async def test_two_local_frames_are_loaded_in_turn(tmp_path: Path) -> None:
    path = write_image(tmp_path, noise((1000, 1000), "BMP"))
    checked = await preflight().check(MODEL, {"prompt": "A lake", FIRST: path, LAST: path})
    assert checked.arguments[FIRST] == checked.arguments[LAST]


async def test_the_files_of_a_call_share_what_takes_long_to_make_ready() -> None:
    async with serve_images(image=Page(body=make_image("JPEG"))) as host:
        given = {"prompt": "A lake", "images": [host.url("/image")] * 40}
        began = time.process_time()
        checks = Preflight(check=True, allow_private=True, local_files=False)
        assert (await checks.check(LIST_MODEL, given)).warnings == ()
        assert time.process_time() - began < 0.7
        assert host.connections == 40
