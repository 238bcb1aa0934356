"""Files in lists, and files that are not images."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs._findings import CheckedInputs
from seedance_mcp.inputs.preflight import Preflight
from tests.support.hostile_urls import LIFTED, NAMES, PUBLIC
from tests.support.image_host import FakeResolver, Page, RerouteTransport, serve_images
from tests.support.list_model import LIST_MODEL
from tests.support.preflight import JPEG, data_uri, write_image
from tests.support.sample_images import HTML, make_image, png
from tests.support.wording import (
    NOT_A_VIDEO_URL,
    NOT_AN_IMAGE_URL,
    ONLY_IMAGES,
    ONLY_URLS_DOCUMENTED,
)

pytestmark = pytest.mark.anyio


def no_such_host() -> OSError:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def check(port: int = 1, **files: Any) -> tuple[CheckedInputs, RerouteTransport]:
    """Check a call; every connection to a public address leads to a port of loopback."""
    network = RerouteTransport(port)
    preflight = Preflight(
        check=True,
        allow_private=False,
        local_files=True,
        resolve=FakeResolver(NAMES, no_such_host),
        transport=network,
    )
    return await preflight.check(LIST_MODEL, {"prompt": "A lake"} | files), network


async def refusal(port: int = 1, **files: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as refused:
        await check(port, **files)
    return refused.value.argument, refused.value.message


async def test_every_image_of_a_list_is_checked(tmp_path: Path) -> None:
    path, url = write_image(tmp_path, JPEG), "https://images.example/a"
    async with serve_images(a=Page(body=JPEG)) as host:
        checked, network = await check(host.port, images=[url, path, data_uri(JPEG)])
    uri = data_uri(JPEG, "image/jpeg")
    assert checked.arguments == {"prompt": "A lake", "images": [url, uri, uri]}
    assert checked.warnings == (f"images[1] and images[2] are {ONLY_URLS_DOCUMENTED}",)
    assert network.dialled == [f"{PUBLIC}:443"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (HTML, f" {NOT_AN_IMAGE_URL}it is an HTML page."),
        (
            png(300, 400),
            (
                ": The uploaded image width and height must not be less than 300 pixels."
                " It is 300 x 400 pixels."
            ),
        ),
    ],
)
async def test_a_bad_image_of_a_list_is_refused_by_its_place(body: bytes, problem: str) -> None:
    async with serve_images(a=Page(body=JPEG), b=Page(body=body)) as host:
        urls = ["https://images.example/a", "https://images.example/b"]
        assert await refusal(host.port, images=urls) == ("images[1]", "images[1]" + problem)


async def test_the_images_of_a_list_may_have_different_aspect_ratios(tmp_path: Path) -> None:
    wide = write_image(tmp_path, make_image("JPEG", (640, 480)), "wide.jpg")
    high = write_image(tmp_path, make_image("JPEG", (480, 640)), "high.jpg")
    checked, _ = await check(images=[wide, high])
    assert [line for line in checked.warnings if "ratio" in line] == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://127.0.0.1/a.mp4", f"its address is not public {LIFTED}"),
        ("https://inside.example/a.mp4", f"its host has an address that is not public {LIFTED}"),
        ("http://images.example/a.mp4", "it begins with http:."),
        ("clip.mp4", ONLY_IMAGES),
        ("data:video/mp4;base64,AAAA", ONLY_IMAGES),
    ],
)
async def test_a_video_must_be_at_a_public_url(url: str, problem: str) -> None:
    files = ["https://images.example/a.mp4", url]
    assert await refusal(videos=files) == ("videos[1]", f"videos[1] {NOT_A_VIDEO_URL}{problem}")


async def test_a_video_is_fetched_from_a_public_address() -> None:
    async with serve_images(a=Page(body=HTML)) as host:
        url = "https://images.example/a"
        problem = f"videos[0] {NOT_A_VIDEO_URL}it is an HTML page."
        assert await refusal(host.port, videos=[url]) == ("videos[0]", problem)
        assert len(host.requests) == 1


async def test_a_video_is_not_looked_up_where_checking_is_turned_off() -> None:
    resolver = FakeResolver(NAMES, no_such_host)
    preflight = Preflight(
        check=False,
        allow_private=False,
        local_files=False,
        resolve=resolver,
        transport=httpx.AsyncHTTPTransport(verify=False),
    )
    given = {"prompt": "A lake", "videos": ["https://inside.example/a.mp4"]}
    assert (await preflight.check(LIST_MODEL, given)).arguments == given
    assert resolver.asked == []
