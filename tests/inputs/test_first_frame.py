"""Posters of the images that clips begin with: small, upright, and of no harm to the server."""

import struct
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seedance_mcp.inputs._shrinking import MOST_SCANS, shrink_image
from seedance_mcp.inputs.first_frame import (
    FETCH_SECONDS,
    MOST_AT_ONCE,
    MOST_FETCHED_BYTES,
    MOST_UNDER_WAY,
    FirstFrames,
)
from seedance_mcp.models.model import load_models
from seedance_mcp.one_at_a_time import OneAtATime
from tests.support.hostile_urls import NAMES, PUBLIC
from tests.support.image_host import FakeResolver, Page, RerouteTransport, serve_images
from tests.support.preflight import FIRST, LAST, MODEL, data_uri, write_image
from tests.support.sample_images import HTML, SVG, heic, make_image, noise, png
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

JPEG = make_image("JPEG")
COLOURS = ["red", "green", "blue", "white"]
TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By the EXIF orientation, how an upright image is stored."""

KINDS = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "WEBP": ["RGB", "RGBA"],
}


def first_frames(**options: Any) -> FirstFrames:
    """Return the makers of posters as a server that may reach this machine has them."""
    chosen: dict[str, Any] = {"fetches": True, "allow_private": True, "turns": OneAtATime()}
    return FirstFrames(**(chosen | options))


async def poster(value: str, **options: Any) -> bytes | None:
    """Return the poster of a call whose first frame is a value."""
    return await first_frames(**options).make_poster(MODEL, {"prompt": "A lake", FIRST: value})


def opened(jpeg: bytes | None) -> Image.Image:
    """Return a poster's image, which must be an RGB JPEG without metadata, within the bounds."""
    assert jpeg is not None
    assert len(jpeg) <= 30_000
    image = Image.open(BytesIO(jpeg))
    image.load()
    assert (image.format, image.mode, max(image.size) <= 320) == ("JPEG", "RGB", True)
    assert not image.getexif()
    assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return image


def shrink(data: bytes) -> bytes | None:
    return shrink_image(data, lambda: None)


def corners(image: Image.Image) -> list[str]:
    """Return the nearest of the colours in each quarter of an image."""
    width, height = image.size
    places = [(width * x // 4, height * y // 4) for y in (1, 3) for x in (1, 3)]
    named = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "white": (255,) * 3}

    def nearest(place: tuple[int, int]) -> str:
        pixel = image.getpixel(place)
        assert isinstance(pixel, tuple)
        return min(
            named, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, named[name], strict=True))
        )

    return [nearest(place) for place in places]


def quarters(size: tuple[int, int]) -> Image.Image:
    """Return an image with another colour in each quarter."""
    image = Image.new("RGB", (2, 2))
    for number, colour in enumerate(COLOURS):
        image.paste(colour, (number % 2, number // 2, number % 2 + 1, number // 2 + 1))
    return image.resize(size, Image.Resampling.NEAREST)  # pyright: ignore[reportUnknownMemberType]


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from([(kind, mode) for kind, modes in KINDS.items() for mode in modes]),
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    noisy=st.booleans(),
    seed=st.integers(0, 9),
)
def test_whatever_an_image_is_its_poster_is_small_and_of_its_shape(
    kind: tuple[str, str], size: tuple[int, int], *, noisy: bool, seed: int
) -> None:
    file_type, mode = kind
    length = {"1": (size[0] + 7) // 8 * size[1]}.get(
        mode, size[0] * size[1] * {"I;16": 2}.get(mode, len(Image.new(mode, (1, 1)).getbands()))
    )
    image = Image.new(mode, size)
    if noisy:
        image = Image.frombytes(mode, size, Random(seed).randbytes(length))
    sink = BytesIO()
    image.save(sink, file_type)
    shown = opened(shrink(sink.getvalue()))
    scale = min(1.0, 320 / max(size))
    wanted = [max(1, side * scale) for side in size]
    shares = {shown.size[at] / wanted[at] for at in (0, 1) if wanted[at] > 30}
    # Where it compresses badly, it gets smaller, but never out of shape.
    assert max(shown.size) >= 0.25 * max(wanted) - 1
    assert max(shares, default=1) <= min(shares, default=1) * 1.1


@pytest.mark.parametrize("orientation", TURNED_BACK)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_a_poster_is_upright_and_without_metadata(kind: str, orientation: int) -> None:
    stored = quarters((600, 450)).transpose(TURNED_BACK[orientation])
    exif = stored.getexif()
    exif[0x0112], exif[0x010F] = orientation, "the camera"
    exif.get_ifd(0x8825)[1] = "N"
    sink = BytesIO()
    stored.save(sink, kind, exif=exif, icc_profile=b"a profile", comment=b"a comment")
    made = await poster(data_uri(sink.getvalue()))
    assert (opened(made).size, corners(opened(made))) == ((320, 240), COLOURS)


@pytest.mark.parametrize(
    ("kind", "mode", "how"),
    [
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("GIF", "P", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
    ],
)
async def test_a_poster_shows_the_colours_of_an_image_of_any_kind(
    kind: str, mode: str, how: dict[str, Any]
) -> None:
    sink = BytesIO()
    quarters((1600, 900)).convert(mode).save(sink, kind, **how)
    assert corners(opened(await poster(data_uri(sink.getvalue())))) == COLOURS


async def test_what_is_transparent_is_white() -> None:
    made = await poster(data_uri(make_image("PNG", (900, 900), "RGBA")))
    assert corners(opened(made)) == ["white"] * 4


def _many_scans(count: int) -> bytes:
    """Return a JPEG that goes over its pixels so many times, the last one again and again."""
    jpeg = make_image("JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    scans = count - jpeg.count(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * scans + jpeg[-2:]


def _large_webp(width: int, height: int) -> bytes:
    """Return the head of a WebP of this size."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body + bytes(100)


def _frame_larger_than_its_gif() -> bytes:
    gif = bytearray(make_image("GIF", (8, 8), "P"))
    at = gif.index(b"\x2c\0\0\0\0\x08\0\x08\0")
    gif[at + 5 : at + 9] = struct.pack("<HH", 65535, 65535)
    return bytes(gif)


HOSTILE = {
    "nothing": b"",
    "HTML": HTML,
    "SVG": SVG,
    "HEIC": heic(640, 480),
    "TIFF": make_image("TIFF"),
    "a PNG cut off": noise((500, 500), "PNG")[:9000],
    "a JPEG cut off": noise((500, 500), "JPEG")[:9000],
    "a PNG of 3.6 gigapixels": png(60_000, 60_000),
    "a PNG of one pixel too many": png(6000, 6001),
    "a WebP of 16,000 pixels a side": _large_webp(16_000, 16_000),
    "a JPEG of too many scans": _many_scans(MOST_SCANS + 1),
    "a GIF whose frame is larger than itself": _frame_larger_than_its_gif(),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_image_or_takes_too_much_to_decode_has_no_poster(name: str) -> None:
    assert await poster(data_uri(HOSTILE[name])) is None


async def test_a_jpeg_of_as_many_scans_as_encoders_make_has_a_poster() -> None:
    opened(await poster(data_uri(_many_scans(MOST_SCANS))))


@pytest.mark.parametrize("uri", ["data:image/png;base64,AAA!", "data:image/png,abc", "data:"])
async def test_data_that_are_not_base64_have_no_poster(uri: str) -> None:
    assert await poster(uri) is None


@pytest.mark.parametrize(
    "page",
    [
        Page(body=JPEG),
        Page(body=JPEG, ranges=True),
        Page(body=JPEG, length="chunked", chunk=100),
        Page(body=noise((500, 400), "PNG"), ranges=True, length="none"),
    ],
)
async def test_an_image_behind_a_url_has_a_poster(page: Page) -> None:
    async with serve_images(image=page) as host:
        made = await poster(host.url())
    assert made == shrink(page.body)
    opened(made)


@pytest.mark.parametrize(
    "page",
    [
        Page(status=404),
        Page(status=500),
        Page(body=HTML, headers={"Content-Type": "image/jpeg"}),
        Page(body=noise((500, 500), "JPEG"), length="long"),
        Page(body=JPEG, headers={"Content-Encoding": "gzip"}),
        Page(status=302, headers={"Location": "/image"}),
        Page(status=302, headers={"Location": "file:///etc/passwd"}),
    ],
)
async def test_what_a_host_sends_in_place_of_an_image_has_no_poster(page: Page) -> None:
    async with serve_images(image=page) as host:
        assert await poster(host.url()) is None


async def test_only_so_much_of_a_file_is_fetched() -> None:
    async with serve_images(image=Page(body=JPEG + bytes(40_000_000), length="none")) as host:
        assert await poster(host.url()) is None
        # What was on its way comes on top.
        assert host.sent < MOST_FETCHED_BYTES + 8_000_000


@pytest.mark.virtual_time
async def test_a_host_that_hangs_is_given_up() -> None:
    async with serve_images(image=Page(hangs=True, length="none")) as host:
        assert await poster(host.url()) is None
    assert anyio.current_time() == pytest.approx(5, abs=0.5)


async def drip(stream: ByteStream) -> None:
    """Send the beginning of an image, and then a byte a second."""
    async with stream:
        with suppress(anyio.BrokenResourceError):
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + JPEG[:100])
            while True:
                await anyio.sleep(1)
                await stream.send(b"\0")


@pytest.mark.virtual_time
async def test_a_host_that_drips_bytes_is_given_up_in_time() -> None:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, drip)
        port: int = listener.extra(SocketAttribute.local_port)
        assert await poster(f"http://127.0.0.1:{port}/image") is None
        tasks.cancel_scope.cancel()
    assert anyio.current_time() == pytest.approx(FETCH_SECONDS, abs=0.5)


@pytest.mark.virtual_time
async def test_only_so_many_hosts_are_waited_for_and_the_others_calls_get_none_at_once() -> None:
    frames, made = first_frames(), list[bytes | None]()

    async def make(url: str) -> None:
        made.append(await frames.make_poster(MODEL, {"prompt": "A lake", FIRST: url}))

    hanging = Page(hangs=True, length="none")
    # What was given up neither keeps its place nor leaves more of them.
    for times in (1, 2):
        async with serve_images(image=hanging) as host, anyio.create_task_group() as tasks:
            for _ in range(MOST_UNDER_WAY + 5):
                tasks.start_soon(make, host.url())
            await anyio.sleep(1)
            assert (made, host.connections) == ([None] * 5 * times, MOST_AT_ONCE)
            tasks.cancel_scope.cancel()
    async with serve_images(image=Page(body=JPEG)) as host:
        await make(host.url())
    opened(made[-1])


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.png",
        "https://inside.example/a.png",
        "https://both.example/a.png",
        "https://2130706433/a.png",
        "https://images.example:8443/a.png",
        "https://unknown.example/a.png",
        "http://images.example/a.png",
    ],
)
async def test_no_address_that_is_not_public_is_connected_to(url: str) -> None:
    resolver = FakeResolver(NAMES, OSError)
    network = RerouteTransport(port=9)
    assert await poster(url, allow_private=False, resolve=resolver, transport=network) is None
    assert network.dialled == []


async def test_a_redirect_to_an_address_that_is_not_public_is_not_followed() -> None:
    page = Page(status=302, headers={"Location": "https://inside.example/a.png"})
    async with serve_images(image=page, **{"a.png": Page(body=JPEG)}) as host:
        network = RerouteTransport(host.port)
        made = await poster(
            "https://images.example/image",
            allow_private=False,
            resolve=FakeResolver(NAMES, OSError),
            transport=network,
        )
    assert (made, network.dialled) == (None, [f"{PUBLIC}:443"])


async def test_no_url_is_fetched_where_images_are_not_checked() -> None:
    async with serve_images(image=Page(body=JPEG)) as host:
        assert await poster(host.url(), fetches=False) is None
        assert host.connections == 0
    opened(await poster(data_uri(JPEG), fetches=False))


async def test_no_file_of_this_machine_is_read(tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG)
    for value in (path, f"file://{path}", "~/a.png", "C:\\a.png", "a.png", "seedance://jobs/a"):
        assert await poster(value) is None


PEAK = """
import resource, sys
from pathlib import Path
from seedance_mcp.inputs._shrinking import shrink_image

data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert shrink_image(data, lambda: None)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.stress
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss is in other units")
@pytest.mark.parametrize(
    ("kind", "size", "mode", "how"),
    [
        ("PNG", (6000, 6000), "RGBA", {}),
        ("GIF", (6000, 6000), "P", {}),
        ("WEBP", (4000, 3000), "RGB", {}),
        ("JPEG", (6000, 6000), "RGB", {"progressive": True, "subsampling": 0}),
        ("JPEG", (6000, 6000), "CMYK", {"progressive": True}),
    ],
)
def test_the_largest_images_take_a_bounded_share_of_memory(
    tmp_path: Path, kind: str, size: tuple[int, int], mode: str, how: dict[str, Any]
) -> None:
    path = write_image(tmp_path, make_image(kind, size, mode, **how))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert int(done.stdout) < 350


async def test_an_image_that_no_clip_begins_with_makes_no_poster() -> None:
    given = {"prompt": "A lake", LAST: data_uri(JPEG)}
    assert await first_frames().make_poster(MODEL, given) is None
    references = load_models()["bytedance/seedance-2.0/pro"]
    given = {"prompt": "A lake", "images": [data_uri(JPEG)]}
    assert await first_frames().make_poster(references, given) is None
