"""Orientation tags, and the other metadata of an image."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from seedance_mcp.inputs._errors import RuleViolated
from seedance_mcp.inputs._image_header import Header, read_header
from seedance_mcp.inputs._orientation import is_sideways
from seedance_mcp.inputs._rules import check_rules
from seedance_mcp.models.model import FileRule
from tests.support.image_cases import TURNED
from tests.support.image_host import Page, serve_images
from tests.support.preflight import (
    FIRST,
    JPEG,
    LAST,
    check_local,
    check_urls,
    decoded,
    sent_image,
    too_long_to_send,
    write_image,
)
from tests.support.sample_images import heic, make_image, png, rotated

pytestmark = pytest.mark.anyio

DIFFER = "their aspect ratios differ."


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def tagged(kind: str, orientation: int, size: tuple[int, int] = (640, 480)) -> bytes:
    return make_image(kind, size, exif=exif(orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_tag_is_read_in_every_format(kind: str, orientation: int) -> None:
    header = read_header(tagged(kind, orientation), whole=True)
    assert header
    assert header.sideways is (orientation > 4)
    assert (header.shown.width, header.shown.height) == (
        (480, 640) if orientation > 4 else (640, 480)
    )


@pytest.mark.parametrize(
    ("turns", "sideways"), [(None, False), (0, False), (1, True), (2, False), (3, True)]
)
def test_a_rotation_is_read_in_a_heic(turns: int | None, sideways: bool) -> None:
    header = read_header(heic(640, 480, turns=turns), whole=True)
    assert header == Header(kind="HEIC", width=640, height=480, sideways=sideways)


def test_a_webp_whose_tag_has_not_arrived_has_an_unknown_orientation() -> None:
    data = tagged("WEBP", 6)
    assert is_sideways("WebP", data[:100]) is None
    assert is_sideways("WebP", data) is True


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_damaged_tag_raises_nothing(cut: int) -> None:
    data = rotated(6)
    at = data.index(b"Exif\0\0")
    for kind, start in {"JPEG": data[: at + 6 + cut], "TIFF": data[at + 6 : at + 6 + cut]}.items():
        assert is_sideways(kind, start) in (True, False)


async def test_one_photo_as_jpeg_and_as_webp_has_one_aspect_ratio(tmp_path: Path) -> None:
    first = write_image(tmp_path, rotated(6), "a.jpg")
    last = write_image(tmp_path, tagged("WEBP", 6), "a.webp")
    assert not [line for line in (await check_local(first, last=last)).warnings if DIFFER in line]


async def test_frames_are_compared_as_they_are_shown(tmp_path: Path) -> None:
    first, last = (
        write_image(tmp_path, rotated(6), "a.jpg"),
        write_image(tmp_path, make_image("PNG"), "a.png"),
    )
    line = f"{FIRST} is 480 x 640 pixels, {LAST} 640 x 480 pixels: {DIFFER}"
    assert line in (await check_local(first, last=last)).warnings
    upright = Page(body=make_image("JPEG", (480, 640)))
    async with serve_images(first=Page(body=rotated(6)), last=upright) as host:
        warnings = (await check_urls(host.url("/first"), host.url("/last"))).warnings
        assert warnings == (TURNED,)


async def test_a_frame_whose_tag_was_not_read_is_not_compared() -> None:
    webp = made_far(tagged("WEBP", 6))
    async with serve_images(first=Page(body=webp, ranges=True), last=Page(body=JPEG)) as host:
        assert (await check_urls(host.url("/first"), host.url("/last"))).warnings == ()


def made_far(webp: bytes) -> bytes:
    """Insert so many bytes before a WebP's orientation tag that it is not read."""
    at = webp.rindex(b"EXIF")
    note = b"JUNK" + struct.pack("<I", 200_000) + bytes(200_000)
    return webp[:at] + note + webp[at:]


def test_only_an_image_that_breaks_a_rule_in_both_orientations_is_refused() -> None:
    narrow = (FileRule(quantity="width/height", comparison="<", bound=1.0, message="No."),)
    check_rules(narrow, Header(kind="JPEG", width=640, height=480, sideways=True))
    check_rules(narrow, Header(kind="JPEG", width=480, height=640, sideways=True))
    for sideways in (False, None):
        with pytest.raises(RuleViolated):
            check_rules(narrow, Header(kind="JPEG", width=640, height=480, sideways=sideways))
    with pytest.raises(RuleViolated):
        check_rules(narrow, Header(kind="JPEG", width=640, height=640, sideways=True))


def rgb_profile() -> bytes:
    """Return the parts of a colour profile that are read here."""
    return bytes(16) + b"RGB " + b"XYZ " + bytes(200)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "JPEG"])
async def test_a_converted_image_keeps_its_colour_profile_and_no_other_metadata(
    kind: str, tmp_path: Path
) -> None:
    tags, home = exif(6), b"Where I live"
    tags[0x010F] = "A camera of mine"
    data = make_image(kind, icc_profile=rgb_profile(), exif=tags, xmp=home, comment=home)
    _, made_of_it = await sent_image(write_image(tmp_path, data))
    image = decoded(made_of_it)
    assert image.info["icc_profile"] == rgb_profile()
    assert (image.size, dict(image.getexif())) == ((480, 640), {})
    assert b"camera of mine" not in made_of_it
    assert home not in made_of_it


async def test_a_grey_profile_is_not_sent_with_an_rgb_image(tmp_path: Path) -> None:
    grey = rgb_profile().replace(b"RGB ", b"GRAY")
    _, made_of_it = await sent_image(
        write_image(tmp_path, make_image("TIFF", mode="L", icc_profile=grey))
    )
    assert "icc_profile" not in decoded(made_of_it).info


DAMAGED = [
    b"Exif\0\0garbage",
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\4ab\0\0\0\0\0\0",
    bytes(7),
    b"MM",
]


@pytest.mark.parametrize("tag", DAMAGED)
async def test_an_image_with_a_damaged_tag_is_still_converted(tag: bytes, tmp_path: Path) -> None:
    for data in (make_image("WEBP", exif=tag), heavy_png(tag)):
        media_type, made_of_it = await sent_image(write_image(tmp_path, data))
        assert (media_type, min(decoded(made_of_it).size) > 400) == ("image/jpeg", True)


def heavy_png(tag: bytes) -> bytes:
    """Make a PNG that is too long to be sent as it is, with a damaged tag."""
    data = too_long_to_send()
    name = b"eXIf" + tag.removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(name) - 4) + name + struct.pack(">I", zlib.crc32(name))
    return data[:33] + chunk + data[33:]


async def test_a_png_tag_counts_only_before_the_pixels() -> None:
    assert is_sideways("PNG", png(640, 480) + b"IDAT" + b"eXIf" + exif(6).tobytes()[6:]) is False
