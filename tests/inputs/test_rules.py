"""Images behind URLs, checked against the model's rules through a real server on loopback."""

import httpx
import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models
from tests.support.image_cases import FIRST, JPEG, PASS, SMALL, TABLE, THIRTY, WRONG, page
from tests.support.image_host import ImageHost, serve_images
from tests.support.sample_images import HTML, png

pytestmark = pytest.mark.anyio

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]


def preflight(*, check: bool = True) -> Preflight:
    """Return a preflight that may fetch from loopback."""
    plain = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    return Preflight(check=check, allow_private=True, local_files=False, transport=plain)


async def found(host: ImageHost, path: str = "/image") -> str:
    """Return the refusal of an image, or its warnings, or nothing."""
    arguments = {"prompt": "A lake", FIRST: host.url(path), "resolution": "480p"}
    try:
        checked = await preflight().check(MODEL, arguments)
    except InputError as error:
        return error.message
    assert checked.arguments == arguments
    return "\n".join(checked.warnings)


def test_the_table_has_at_least_60_images() -> None:
    assert len(TABLE) >= 60


@pytest.mark.parametrize("name", TABLE)
async def test_an_image_is_checked_against_the_rules(name: str) -> None:
    served, expected = TABLE[name]
    async with serve_images(image=served) as host:
        assert await found(host) == expected


async def test_a_large_image_is_checked_by_its_first_64_kilobytes_where_ranges_work() -> None:
    async with serve_images(image=page(png(640, 480, length=25_000_000), ranges=True)) as host:
        assert await found(host) == PASS
        assert (host.sent, len(host.requests)) == (64 * 1024, 1)


async def test_a_host_that_refuses_ranges_is_asked_once_more_and_no_further_than_its_head() -> None:
    large = page(png(640, 480, length=THIRTY + 99), refuses=403)
    async with serve_images(image=large) as host:
        assert "File size must be less than 30 MB" in await found(host)
    ranges = [[line for line in head.split("\r\n") if "Range" in line] for head in host.requests]
    assert ranges == [["Range: bytes=0-65535"], []]
    assert host.sent < THIRTY


async def test_a_host_that_is_overloaded_is_not_asked_a_second_time() -> None:
    async with serve_images(image=page(HTML, status=503)) as host:
        await found(host)
    assert len(host.requests) == 1


async def test_a_broken_rule_about_pixels_ends_the_download() -> None:
    heavy = png(300, 480, length=THIRTY + 99)
    async with serve_images(image=page(heavy, length="none")) as host:
        assert await found(host) == SMALL + "300 x 480 pixels."
    assert host.sent < THIRTY


async def test_nothing_is_fetched_where_checking_is_turned_off() -> None:
    async with serve_images(image=page(HTML)) as host:
        arguments = {"prompt": "A lake", FIRST: host.url()}
        checked = await preflight(check=False).check(MODEL, arguments)
        assert (checked.arguments, checked.warnings) == (arguments, ())
        assert host.connections == 0


async def test_a_request_carries_nothing_that_identifies_the_user() -> None:
    async with serve_images(image=page(JPEG)) as host:
        await found(host, "/image?signature=a%20b#fragment")
        port = host.port
    assert host.requests[0].splitlines()[:-1] == [
        "GET /image?signature=a%20b HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: seedance-mcp",
        "Accept: image/*",
        "Accept-Encoding: identity",
        "Range: bytes=0-65535",
        "Connection: close",
    ]


async def test_a_host_that_refuses_connections_is_refused() -> None:
    async with serve_images() as host:
        pass
    assert await found(host) == WRONG + "its host refused the connection."
