"""Checking a call's images together: time, warnings and certificates."""

import ssl
from pathlib import Path

import anyio
import httpx
import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from tests.support.certificates import certificate, tls_host
from tests.support.image_host import FakeResolver, ImageHost, Page, RerouteTransport, serve_images
from tests.support.preflight import FIRST, LAST, MODEL, check_urls
from tests.support.sample_images import HTML, make_image
from tests.support.wording import NOT_AN_IMAGE_URL, NOT_CHECKED

pytestmark = pytest.mark.anyio

JPEG = Page(body=make_image("JPEG"))


@pytest.mark.virtual_time
async def test_two_slow_hosts_are_given_5_seconds_together() -> None:
    slow = Page(hangs=True, length="none")
    async with serve_images(first=slow, last=slow) as host:
        began = anyio.current_time()
        checked = await check_urls(host.url("/first"), host.url("/last"))
        took = anyio.current_time() - began
    late = f"{NOT_CHECKED}its host took over 5 s."
    assert checked.warnings == (f"{FIRST} {late}", f"{LAST} {late}")
    assert took == pytest.approx(5.0, abs=0.1)


@pytest.mark.virtual_time
async def test_a_refused_frame_ends_the_wait_for_the_other() -> None:
    async with serve_images(first=Page(hangs=True, length="none"), last=Page(body=HTML)) as host:
        began = anyio.current_time()
        with pytest.raises(InputError) as refused:
            await check_urls(host.url("/first"), host.url("/last"))
        took = anyio.current_time() - began
    assert refused.value.line == (
        f"{LAST} {NOT_AN_IMAGE_URL}it is an HTML page. Nothing was charged."
    )
    assert took < 1


async def test_a_last_frame_at_1080p_gets_a_warning_in_runcomfys_words() -> None:
    async with serve_images(first=JPEG, last=JPEG) as host:
        checked = await check_urls(host.url("/first"), host.url("/last"), resolution="1080p")
    note = "The last frame image will not take effect when the resolution is set to 1080P."
    assert checked.warnings == (f"{LAST}: {note}",)


async def test_frames_of_one_aspect_ratio_get_no_warning() -> None:
    half = Page(body=make_image("JPEG", (961, 720)))
    async with serve_images(first=JPEG, last=half) as host:
        assert (await check_urls(host.url("/first"), host.url("/last"))).warnings == ()


async def test_frames_of_different_aspect_ratios_get_a_warning() -> None:
    high = Page(body=make_image("JPEG", (480, 640)))
    async with serve_images(first=JPEG, last=high) as host:
        checked = await check_urls(host.url("/first"), host.url("/last"))
    line = f"{FIRST} is 640 x 480 pixels, {LAST} 480 x 640 pixels: their aspect ratios differ."
    assert checked.warnings == (line,)


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        ("images.example", ()),
        (
            "other.example",
            (f"{FIRST} {NOT_CHECKED}its host's certificate is not trusted.",),
        ),
    ],
)
async def test_the_certificate_is_checked_against_the_name_though_an_address_is_connected(
    name: str, warnings: tuple[str, ...], tmp_path: Path
) -> None:
    path = certificate(tmp_path, "images.example")
    host = ImageHost(pages={"/a": JPEG})
    real = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=path), trust_env=False)
    async with tls_host(path, host.serve) as port:
        network = RerouteTransport(port, real)
        address = "93.184.215.14"
        preflight = Preflight(
            check=True,
            allow_private=False,
            local_files=False,
            resolve=FakeResolver({name: [[address]]}, OSError),
            transport=network,
        )
        checked = await preflight.check(MODEL, {"prompt": "A lake", FIRST: f"https://{name}/a"})
        assert (checked.warnings, network.dialled) == (warnings, [f"{address}:443"])


async def test_the_default_transport_cannot_reach_loopback() -> None:
    async with serve_images(a=JPEG) as host:
        preflight = Preflight(check=True, allow_private=False, local_files=False)
        for name in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(InputError):
                await preflight.check(
                    MODEL, {"prompt": "A lake", FIRST: f"https://{name}:{host.port}/a"}
                )
        assert host.connections == 0


async def test_the_default_transport_reaches_loopback_where_private_addresses_are_allowed() -> None:
    async with serve_images(a=JPEG) as host:
        preflight = Preflight(check=True, allow_private=True, local_files=False)
        checked = await preflight.check(MODEL, {"prompt": "A lake", FIRST: host.url("/a")})
        assert (checked.warnings, host.connections) == ((), 1)
