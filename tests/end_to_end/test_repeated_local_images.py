"""A repeated call with a local image: which file makes it the same wish, and which a new one."""

import base64
import json
import os
import socket
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, chdir, closing
from pathlib import Path

import pytest
from mcp import Client

from seedance_mcp.jobs.wish import fingerprint
from seedance_mcp.simulator.server import Simulator
from tests.support.client import structured, text
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.sample_images import make_image, rotated

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PNG = make_image("PNG", (640, 480))
OTHER = make_image("PNG", (640, 512))
CONVERTED = make_image("BMP", (640, 480))


async def buy(client: Client, *files: str, **more: str) -> tuple[str, bool]:
    """Call generate_video with local images; return the request_id and whether it is reused."""
    names = ("first_frame_image_url", "last_frame_image_url")
    images = dict(zip(names, files, strict=False))
    made = structured(await generate(client, wait_seconds=0, **images, **more))
    return made["request_id"], made["reused"]


@asynccontextmanager
async def open_both(folder: Path) -> AsyncGenerator[tuple[Simulator, Client], None]:
    """Run a simulator whose jobs take a minute, and a server that takes local images."""
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, folder / "state", local_files=True) as client,
    ):
        yield simulator, client


@pytest.mark.parametrize(
    "image", [PNG, CONVERTED, rotated(6)], ids=["sent as it is", "converted", "turned"]
)
async def test_a_repeated_call_gets_its_job_although_its_image_is_gone(
    image: bytes, tmp_path: Path, image_folder: Path
) -> None:
    lake = image_folder / "lake.img"
    lake.write_bytes(image)
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path / "state", local_files=True) as client:
            bought, _ = await buy(client, str(lake))
            lake.unlink()
            assert await buy(client, str(lake)) == (bought, True)
            assert await buy(client, lake.as_uri()) == (bought, True)
        async with open_server(simulator, tmp_path / "state", local_files=True) as client:
            assert await buy(client, str(lake)) == (bought, True)
            for arguments in ({"prompt": "Rain."}, {"first_frame_image_url": f"{lake}.png"}):
                other = {"first_frame_image_url": str(lake)} | arguments
                refused = await generate(client, **other)
                assert (refused.is_error, "does not exist" in text(refused)) == (True, True)
        assert len(simulator.accepted) == 1


async def test_the_same_image_elsewhere_is_the_same_wish_and_a_changed_one_is_new(
    tmp_path: Path,
    image_folder: Path,
) -> None:
    lake, copy = image_folder / "lake.png", image_folder / "copy.png"
    lake.write_bytes(PNG)
    copy.write_bytes(PNG)
    async with open_both(tmp_path) as (simulator, client):
        bought, _ = await buy(client, str(lake))
        data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        for same in str(lake), str(copy), copy.as_uri(), data:
            assert await buy(client, same) == (bought, True)
        lake.write_bytes(OTHER)
        changed, reused = await buy(client, str(lake))
        assert (changed != bought, reused) == (True, False)
        lake.write_bytes(PNG)
        assert await buy(client, str(lake)) == (bought, True)
    assert len(simulator.accepted) == 2


async def test_one_image_spelt_in_several_ways_is_one_wish_also_once_it_is_gone(
    tmp_path: Path,
    image_folder: Path,
) -> None:
    lake = image_folder / "Tom\u2019s lake 9.41\u202fAM.png"
    lake.write_bytes(PNG)
    plain = str(lake).replace("\u2019", "'").replace("\u202f", " ")
    spelt = (str(lake), plain, f" {plain}\n", f'"{lake}"', plain.replace(" ", "\\ "), lake.as_uri())
    async with open_both(tmp_path) as (simulator, client):
        bought, _ = await buy(client, plain)
        for _ in range(2):
            assert [await buy(client, path) for path in spelt] == [(bought, True)] * len(spelt)
            lake.unlink(missing_ok=True)
    assert len(simulator.accepted) == 1


async def test_a_url_with_white_space_around_it_is_the_same_wish_and_is_sent_without(
    tmp_path: Path,
) -> None:
    url = "https://images.example/lake.png"
    async with open_both(tmp_path) as (simulator, client):
        bought, _ = await buy(client, f" {url}\n")
        assert await buy(client, url) == (bought, True)
        assert await buy(client, f'"{url}"') == (bought, True)
        assert [job.arguments["first_frame_image_url"] for job in simulator.accepted] == [url]


def _make_socket(path: Path) -> None:
    # The length of a socket's path is limited.
    with chdir(path.parent), closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(path.name)


# What may lie where an image was, and holds no bytes that can be read.
NO_IMAGES: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": _make_socket,
    "an empty file": Path.touch,
    "a file that cannot be read": lambda path: path.symlink_to("/proc/self/mem"),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("missing")),
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("replaced", NO_IMAGES.values(), ids=NO_IMAGES)
async def test_a_repeated_call_gets_its_job_although_no_readable_file_is_left(
    replaced: Callable[[Path], object], tmp_path: Path, image_folder: Path
) -> None:
    lake = image_folder / "lake.png"
    lake.write_bytes(PNG)
    async with open_both(tmp_path) as (simulator, client):
        bought, _ = await buy(client, str(lake))
        lake.unlink()
        replaced(lake)
        assert await buy(client, str(lake)) == (bought, True)
        refused = await generate(client, prompt="Rain.", first_frame_image_url=str(lake))
        assert (refused.is_error, len(simulator.accepted)) == (True, 1)


@pytest.mark.parametrize(
    ("changed", "bought"),
    [(OTHER, 2), (b"Not an image.", 1), (PNG[:99], 1)],
    ids=["another image", "no image", "a damaged image"],
)
async def test_a_changed_image_never_gets_an_earlier_job_back(
    changed: bytes, bought: int, tmp_path: Path, image_folder: Path
) -> None:
    lake = image_folder / "lake.png"
    lake.write_bytes(PNG)
    async with open_both(tmp_path) as (simulator, client):
        await buy(client, str(lake))
        lake.write_bytes(changed)
        answer = await generate(client, wait_seconds=0, first_frame_image_url=str(lake))
        assert "reused: true" not in text(answer)
        assert (answer.is_error, len(simulator.accepted)) == (bought == 1, bought)


async def test_data_without_bytes_is_refused_and_gets_no_job_of_other_data(tmp_path: Path) -> None:
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    async with open_both(tmp_path) as (simulator, client):
        await buy(client, data)
        refused = await generate(client, first_frame_image_url="data:image/png;base64,")
        assert (refused.is_error, "is empty" in text(refused)) == (True, True)
        assert len(simulator.accepted) == 1


async def test_of_two_images_the_one_that_is_there_must_be_the_same(
    tmp_path: Path, image_folder: Path
) -> None:
    first, last = image_folder / "first.png", image_folder / "last.png"
    first.write_bytes(PNG)
    last.write_bytes(PNG)
    async with open_both(tmp_path) as (simulator, client):
        bought, _ = await buy(client, str(first), str(last))
        first.unlink()
        assert await buy(client, str(first), str(last)) == (bought, True)
        last.write_bytes(OTHER)
        images = {"first_frame_image_url": str(first), "last_frame_image_url": str(last)}
        refused = await generate(client, **images)
        assert (refused.is_error, "does not exist" in text(refused)) == (True, True)
    assert len(simulator.accepted) == 1


async def test_a_job_of_an_older_version_is_found_by_the_image_as_it_was_sent(
    tmp_path: Path,
    image_folder: Path,
) -> None:
    lake = image_folder / "lake.png"
    lake.write_bytes(PNG)
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path / "state", local_files=True) as client:
            bought, _ = await buy(client, str(lake))
        with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as ledger:
            row = ledger.execute("SELECT owner, model_id, arguments FROM jobs").fetchone()
            old = fingerprint(row[0], row[1], json.loads(row[2]))
            ledger.execute("UPDATE jobs SET files = '{}', fingerprint = ?", (old,))
            ledger.commit()
        async with open_server(simulator, tmp_path / "state", local_files=True) as client:
            assert await buy(client, str(lake)) == (bought, True)
            # Its row has a hash of what was sent, and nothing that tells which file that was.
            assert str(lake) not in row[2]
            lake.unlink()
            refused = await generate(client, first_frame_image_url=str(lake))
            assert (refused.is_error, "does not exist" in text(refused)) == (True, True)
        assert len(simulator.accepted) == 1
