from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any, Literal
from zlib import crc32

import pytest
from PIL import Image

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.simulator_caller import Caller, ManualClock, data_uri, image, open_caller

pytestmark = pytest.mark.anyio

TOO_SMALL = "The uploaded image width and height must not be less than 300 pixels."
TOO_LARGE = "The uploaded image width and height must not exceed 6000 pixels."
TOO_LONG = "The aspect ratio range should be between 0.4 and 2.5."
TOO_HEAVY = "File size must be less than 30 MB."


async def failure(caller: Caller, tmp_path: Path, content: bytes) -> str | None:
    """Run a job on an image and return its error, or None."""
    path = tmp_path / "image"
    path.write_bytes(content)
    url = caller.simulator.publish(path)
    result = await caller.result(await caller.job(first_frame_image_url=url))
    return result.get("error")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((301, 301), None),
        ((300, 301), TOO_SMALL),
        ((301, 300), TOO_SMALL),
        ((6000, 2500), TOO_LARGE),
        ((2500, 6000), TOO_LARGE),
        ((752, 301), None),
        ((753, 301), TOO_LONG),
        ((302, 755), TOO_LONG),
        ((302, 754), None),
    ],
)
async def test_an_image_that_breaks_a_rule_fails_its_job_with_the_rules_message(
    tmp_path: Path, size: tuple[int, int], expected: str | None
) -> None:
    async with open_caller(Behaviour()) as caller:
        assert await failure(caller, tmp_path, image(*size, format="JPEG")) == expected


async def test_an_image_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    async with open_caller(Behaviour()) as caller:
        wide = image(740, 302, format="JPEG")
        turned = image(740, 302, format="JPEG", exif=exif)  # 302/740 = 0.408
        too_wide_when_turned = image(302, 757, format="JPEG", exif=exif)  # 757/302 = 2.507
        just_right_when_not = image(302, 754, format="JPEG")  # 302/754 = 0.4005
        assert await failure(caller, tmp_path, wide) is None
        assert await failure(caller, tmp_path, turned) is None
        assert await failure(caller, tmp_path, too_wide_when_turned) == TOO_LONG
        assert await failure(caller, tmp_path, just_right_when_not) is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: b"root:x:0:0", "The file is not an image that can be read."),
        (lambda: image()[:-40], "The image is damaged."),
        (lambda: image() + bytes(30 * 1024 * 1024), TOO_HEAVY),
        (lambda: claiming(10_000), TOO_LARGE),
        (lambda: claiming(50_000), TOO_LARGE),
    ],
    ids=["no image", "cut", "heavy", "many pixels", "a bomb"],
)
async def test_an_unusable_file_fails_its_job(
    tmp_path: Path, make: Callable[[], bytes], expected: str
) -> None:
    async with open_caller(Behaviour()) as caller:
        assert await failure(caller, tmp_path, make()) == expected


def claiming(length: int) -> bytes:
    """Return a small PNG whose header claims this width and height."""
    png = image()
    head = b"IHDR" + pack(">II", length, length) + png[24:29]
    return png[:12] + head + pack(">I", crc32(head)) + png[33:]


async def test_an_unavailable_image_fails_its_job(tmp_path: Path) -> None:
    async with open_caller(Behaviour()) as caller:
        path = tmp_path / "image.png"
        path.write_bytes(image())
        url = caller.simulator.publish(path)
        cases: list[tuple[str, str]] = [
            (f"{caller.simulator.url}/files/nothing", "HTTP 404."),
            ("http://127.0.0.1:1/x.png", "ConnectError."),
            ("file:///etc/hostname", "The image must be a public URL."),
            ("lake.jpg", "The image must be a public URL."),
            ("data:text/plain;base64,eA==", "The data URI is not a base64 image."),
            ("data:image/png;base64,?", "The data URI is not valid base64."),
        ]
        for bad, expected in cases:
            result = await caller.result(await caller.job(first_frame_image_url=bad))
            assert result["status"] == "failed"
            assert result["error"].endswith(expected)
        caller.simulator.faults.append(Fault.drop("file"))
        result = await caller.result(await caller.job(first_frame_image_url=url))
        assert result["status"] == "failed"


async def test_an_image_is_fetched_without_credentials_when_the_run_starts(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    path = tmp_path / "my image.png"
    path.write_bytes(image())
    async with open_caller(Behaviour(queue_seconds=5, run_seconds=5), clock=clock) as caller:
        url = caller.simulator.publish(path)
        request_id = await caller.job(first_frame_image_url=url)
        await caller.status(request_id)
        assert fetches(caller) == []
        clock.now += 5
        await caller.status(request_id)
        await caller.status(request_id)
        assert fetches(caller) == [False]


def fetches(caller: Caller) -> list[bool]:
    """Return for every fetch of an image whether it had credentials."""
    return [seen.authorized for seen in caller.simulator.requests if seen.route == "file"]


async def test_a_bad_image_may_be_rejected_at_submit_and_then_costs_nothing() -> None:
    async with open_caller(Behaviour(images="at_submit")) as caller:
        answer = await caller.submit(
            first_frame_image_url=data_uri(image(100, 100)),
            last_frame_image_url=data_uri(image(400, 4000)),
        )
        assert answer.status_code == 422
        assert refusals(answer.json()) == {
            "first_frame_image_url": TOO_SMALL,
            "last_frame_image_url": TOO_LONG,
        }
        assert caller.simulator.accepted == []
        good = await caller.job(first_frame_image_url=data_uri(image()))
        assert (await caller.result(good))["status"] == "succeeded"


def refusals(body: dict[str, Any]) -> dict[str, str]:
    return {error["loc"][-1]: error["msg"] for error in body["detail"]}


async def test_data_uris_may_be_rejected() -> None:
    async with open_caller(Behaviour(data_uris=False)) as caller:
        request_id = await caller.job(first_frame_image_url=data_uri(image()))
        assert (await caller.result(request_id))["error"] == "The image must be a public URL."


async def test_images_may_be_left_unfetched() -> None:
    async with open_caller(Behaviour(images="never")) as caller:
        request_id = await caller.job(first_frame_image_url="http://127.0.0.1:1/x.png")
        assert (await caller.result(request_id))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("media", "size", "expected"),
    [
        ("fetched", 15 * 1024 * 1024 - 1, None),
        ("fetched", 15 * 1024 * 1024, "File size must be less than 15 MB."),
        ("fetched", None, "The audio could not be downloaded: HTTP 404."),
        ("ignored", None, None),
    ],
)
async def test_an_audio_file_is_fetched_only_where_that_is_asked_for(
    tmp_path: Path, media: Literal["fetched", "ignored"], size: int | None, expected: str | None
) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3" + bytes((size or 3) - 3))
    async with open_caller(Behaviour(media=media)) as caller:
        url = caller.simulator.publish(path) if size else f"{caller.simulator.url}/files/none"
        arguments = {"prompt": "A lake", "audios": [url]}
        submitted = await caller.http.post("/v1/models/bytedance/seedance-2.0/pro", json=arguments)
        result = await caller.result(submitted.json()["request_id"])
    assert result.get("error") == expected
