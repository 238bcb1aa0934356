"""Images of this machine: which are sent unchanged, and how others are converted."""

import re
from collections.abc import Callable
from contextlib import chdir
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.preflight import (
    FIRST,
    JPEG,
    LAST,
    check_local,
    data_uri,
    decoded,
    sent_image,
    too_long_to_send,
    write_image,
)
from tests.support.sample_images import animated, make_image, noise, rotated
from tests.support.wording import ONLY_URLS_DOCUMENTED

pytestmark = pytest.mark.anyio


async def test_a_jpeg_is_sent_unchanged(tmp_path: Path) -> None:
    assert await sent_image(write_image(tmp_path, JPEG)) == ("image/jpeg", JPEG)


async def test_a_png_is_sent_unchanged_whatever_its_name(tmp_path: Path) -> None:
    plain = make_image("PNG")
    assert await sent_image(write_image(tmp_path, plain, "lake.jpg")) == ("image/png", plain)


async def test_a_file_url_is_read_as_a_path(tmp_path: Path) -> None:
    write_image(tmp_path, JPEG, "a lake.jpg")
    assert await sent_image((tmp_path / "a lake.jpg").as_uri()) == ("image/jpeg", JPEG)
    host = (tmp_path / "a lake.jpg").as_uri().replace("file://", "FILE://localhost")
    assert await sent_image(host) == ("image/jpeg", JPEG)


@pytest.mark.parametrize("name", ["a b#1?.jpg", "100%.jpg", "100%25.jpg", "sjö.jpg"])
async def test_an_unescaped_file_url_is_read_as_a_path(name: str, tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG, name)
    assert await sent_image(f"file://{path}") == ("image/jpeg", JPEG)
    assert await sent_image((tmp_path / name).as_uri()) == ("image/jpeg", JPEG)


async def test_a_file_name_may_contain_a_colon(tmp_path: Path) -> None:
    write_image(tmp_path, JPEG, "shot10:30.jpg")
    with chdir(tmp_path):
        assert await sent_image("shot10:30.jpg") == ("image/jpeg", JPEG)


async def test_base64_may_be_wrapped_or_unpadded() -> None:
    # What follows the image's end is not sent.
    head, _, body = data_uri(JPEG + b"\0" * (-len(JPEG) % 3 + 1)).partition(",")
    assert body.endswith("==")
    wrapped = "\r\n".join(body[at : at + 76] for at in range(0, len(body), 76)) + "\n"
    for form in (wrapped, body.rstrip("="), wrapped.replace("=", "")):
        assert await sent_image(f"{head},{form}") == ("image/jpeg", JPEG)


async def test_a_link_to_an_image_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(write_image(tmp_path, JPEG))
    assert await sent_image(str(tmp_path / "link.jpg")) == ("image/jpeg", JPEG)


async def test_an_image_in_a_data_uri_is_sent_unchanged() -> None:
    assert await sent_image(data_uri(JPEG)) == ("image/jpeg", JPEG)
    assert await sent_image("DATA:;base64," + data_uri(JPEG).partition(",")[2]) == (
        "image/jpeg",
        JPEG,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_image("WEBP"),
        lambda: make_image("WEBP", lossless=True),
        lambda: animated("WEBP"),
        lambda: make_image("GIF"),
        lambda: animated("GIF"),
        lambda: make_image("BMP"),
        lambda: make_image("TIFF"),
        lambda: make_image("TIFF", mode="I;16"),
        lambda: make_image("TIFF", mode="CMYK"),
        lambda: make_image("TIFF", mode="RGBA"),
        lambda: make_image("JPEG2000"),
        lambda: make_image("PPM"),
    ],
)
async def test_types_that_runcomfy_may_refuse_are_converted_to_jpeg(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    media_type, data = await sent_image(write_image(tmp_path, make()))
    image = decoded(data)
    assert (media_type, image.format, image.mode, image.size) == (
        "image/jpeg",
        "JPEG",
        "RGB",
        (640, 480),
    )


async def test_16_bits_a_channel_become_8_without_clipping(tmp_path: Path) -> None:
    sink = BytesIO()
    Image.new("I;16", (640, 480), 0x8000).save(sink, "TIFF")
    _, data = await sent_image(write_image(tmp_path, sink.getvalue()))
    assert decoded(data).getpixel((320, 240)) == (128, 128, 128)


async def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    sink = BytesIO()
    Image.new("RGBA", (640, 480), (255, 0, 0, 0)).save(sink, "WEBP", lossless=True)
    _, data = await sent_image(write_image(tmp_path, sink.getvalue()))
    assert decoded(data).getpixel((320, 240)) == (255, 255, 255)


async def test_an_oversized_image_is_converted_before_it_is_scaled_down(tmp_path: Path) -> None:
    media_type, data = await sent_image(write_image(tmp_path, too_long_to_send()))
    assert (media_type, decoded(data).size) == ("image/jpeg", (1500, 1500))


async def test_an_oversized_image_is_scaled_down_as_little_as_needed(tmp_path: Path) -> None:
    _, data = await sent_image(write_image(tmp_path, noise((4000, 3000), "BMP")))
    image = decoded(data)
    assert image.format == "JPEG"
    assert 2500 < image.width < 4000
    assert abs(image.width / image.height - 4 / 3) < 0.005


async def test_a_rotated_photo_is_turned_upright(tmp_path: Path) -> None:
    _, data = await sent_image(write_image(tmp_path, rotated(6)))
    assert (decoded(data).size, decoded(data).getexif().get(0x0112)) == ((480, 640), None)


async def test_two_local_frames_get_one_warning(tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG)
    checked = await check_local(path, last=path)
    line = f"{FIRST} and {LAST} are {ONLY_URLS_DOCUMENTED}"
    assert checked.warnings == (line,)
    assert checked.arguments[FIRST] == checked.arguments[LAST]
    assert re.match("data:image/jpeg;base64,", checked.arguments[FIRST])
