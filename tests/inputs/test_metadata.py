"""What leaves of a local image: its image, upright, in colours as shown, and nothing else."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat, PngImagePlugin

from seedance_mcp.inputs._metadata import strip_metadata
from tests.support.image_cases import TURNED
from tests.support.image_host import Page, serve_images
from tests.support.preflight import (
    FIRST,
    JPEG,
    LAST,
    check_urls,
    data_uri,
    decoded,
    sent_image,
    write_image,
)
from tests.support.sample_images import animated, cmyk_profile, make_image, rotated

pytestmark = pytest.mark.anyio

HOME = b"52.5200 N, 13.4050 E: where I live"
ORIENTATION, GPS = 0x0112, 0x8825
PNG = make_image("PNG")


def photo(size: tuple[int, int] = (400, 310)) -> Image.Image:
    """Draw an image that is different in every orientation."""
    image = Image.new("RGB", size, "teal")
    image.paste("white", (0, 0, 200, 100))
    image.paste("red", (0, 0, 80, 50))
    return image


def exif(orientation: int = 1) -> Image.Exif:
    """Return what a phone writes about a photo."""
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[0x010F] = HOME.decode()
    tags.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0)})
    return tags


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    sink = BytesIO()
    image.save(sink, kind, **how)
    return sink.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + crc


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def mpo(first: bytes, second: bytes) -> bytes:
    """Put two JPEGs into one file, as phones do; Pillow 11.1 writes damaged ones."""
    at, index = 20, 12 + 3 * 12 + 2
    size = len(first) + 8 + index + 32
    head = struct.pack("<4sIH", b"II*\0", 8, 3)
    version = struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    count, entries = (
        struct.pack("<HHII", *entry) for entry in ((0xB001, 4, 1, 2), (0xB002, 7, 32, index))
    )
    images = struct.pack("<IIIHH", 0x20030000, size, 0, 0, 0)
    images += struct.pack("<IIIHH", 0, len(second), size - at - 8, 0, 0)
    body = head + version + count + entries + bytes(4) + images
    return first[:at] + segment(0xE2, b"MPF\0" + body) + first[at:] + second


def alike(one: Image.Image, other: Image.Image) -> bool:
    """Return whether two images are alike but for what a JPEG loses."""
    same_size = one.size == other.size
    return same_size and max(ImageStat.Stat(ImageChops.difference(one, other)).mean) < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_a_phones_photo_leaves_upright_and_without_where_it_was_taken(kind: str) -> None:
    for orientation in range(1, 9):
        taken = saved(photo(), kind, exif=exif(orientation), xmp=HOME, quality=95)
        media_type, sent = await sent_image(data_uri(taken))
        image, shown = decoded(sent), ImageOps.exif_transpose(decoded(taken))
        assert (media_type, image.format, dict(image.getexif())) == (
            f"image/{kind.lower()}",
            kind,
            {},
        )
        assert alike(image, shown)
        if kind == "PNG":
            assert image.tobytes() == shown.tobytes()
        assert HOME not in sent


async def test_metadata_of_a_jpeg_is_cut_out_without_a_loss(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + b"XYZ " + bytes(200)
    plain = saved(photo(), "JPEG", icc_profile=profile, progressive=True)
    notes = b"".join(segment(marker, HOME) for marker in (0xE1, 0xE2, 0xED, 0xEF, 0xFE))
    at = plain.index(b"\xff\xdb")
    whole = plain[:at] + notes + plain[at:] + HOME
    for data in (plain, whole):
        assert await sent_image(write_image(tmp_path, data)) == ("image/jpeg", plain)
    assert decoded(plain).info["icc_profile"] == profile


async def test_metadata_of_a_png_is_cut_out_without_a_loss(tmp_path: Path) -> None:
    colours = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"sRGB", b"\0")
    plain = PNG[:33] + colours + PNG[33:]
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", HOME.decode())
    notes.add_itxt("XML:com.adobe.xmp", HOME.decode())
    noted = saved(decoded(PNG), "PNG", pnginfo=notes, exif=exif())
    assert HOME in noted
    noted = noted[:33] + colours + chunk(b"prVt", HOME) + noted[33:]
    for data in (plain, noted, plain + HOME, plain + HOME * 300_000):
        assert await sent_image(write_image(tmp_path, data)) == ("image/png", plain)


async def test_of_several_images_in_a_file_the_first_leaves(tmp_path: Path) -> None:
    several = mpo(JPEG, saved(photo(), "JPEG"))
    assert (decoded(several).format, getattr(decoded(several), "n_frames", 1)) == ("MPO", 2)
    assert await sent_image(write_image(tmp_path, several)) == ("image/jpeg", JPEG)
    moving = animated("PNG")
    media_type, sent = await sent_image(write_image(tmp_path, moving))
    image = decoded(sent)
    assert (media_type, getattr(image, "n_frames", 1), b"fdAT" in sent) == ("image/png", 1, False)
    assert image.tobytes() == decoded(moving).tobytes()


async def test_a_cmyk_jpeg_leaves_as_rgb_in_the_colours_of_its_profile(tmp_path: Path) -> None:
    printed = Image.new("CMYK", (640, 480), (0, 255, 255, 0))
    green, damaged = cmyk_profile((46, -52, 50)), bytes(16) + b"CMYK" + bytes(99)
    for profile, shown in ((None, (255, 0, 0)), (green, (0, 128, 0)), (damaged, (255, 0, 0))):
        path = write_image(tmp_path, saved(printed, "JPEG", icc_profile=profile))
        media_type, sent = await sent_image(path)
        image = decoded(sent)
        assert (media_type, image.mode, image.info.get("icc_profile")) == (
            "image/jpeg",
            "RGB",
            None,
        )
        assert alike(image, Image.new("RGB", (640, 480), shown))


def deep_png(colour_type: int, channels: int, *more: bytes) -> bytes:
    """Return a PNG of 16 bits a channel, of one value, half of the highest."""
    row = b"\0" + b"\x80\x12" * channels * 400
    size = struct.pack(">IIBBBBB", 400, 400, 16, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(row * 400))
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    return head + b"".join(more) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("colour_type", "channels", "mode"), [(0, 1, "L"), (2, 3, "RGB"), (4, 2, "LA"), (6, 4, "RGBA")]
)
async def test_a_png_of_16_bits_leaves_with_8_in_the_same_colours(
    colour_type: int, channels: int, mode: str, tmp_path: Path
) -> None:
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    path = write_image(tmp_path, deep_png(colour_type, channels, gamma, chunk(b"tEXt", HOME)))
    media_type, sent = await sent_image(path)
    image = decoded(sent)
    value = 128 if channels == 1 else (128,) * channels
    assert (media_type, image.mode, image.getpixel((9, 9))) == ("image/png", mode, value)
    assert (image.info["gamma"], HOME in sent) == (1.0, False)


async def test_a_turned_png_keeps_what_is_transparent(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (400, 310), (255, 0, 0, 0))
    few = photo().quantize(4)
    for image, how in ((clear, {}), (few, {"transparency": 1})):
        taken = saved(image, "PNG", exif=exif(6), **how)
        _, sent = await sent_image(write_image(tmp_path, taken))
        shown = ImageOps.exif_transpose(decoded(taken)).convert("RGBA")
        assert decoded(sent).convert("RGBA").tobytes() == shown.tobytes()


async def test_a_turned_image_behind_a_url_gets_a_warning() -> None:
    png, webp = (saved(photo(), kind, exif=exif(3)) for kind in ("PNG", "WEBP"))
    turned = TURNED, TURNED.replace(FIRST, LAST)
    expected = {"jpeg": turned, "png": turned, "webp": turned, "upright": (), "one": ()}
    bodies = {"jpeg": rotated(6), "png": png, "webp": webp, "upright": JPEG, "one": rotated(1)}
    async with serve_images(**{name: Page(body=body) for name, body in bodies.items()}) as host:
        urls = {name: host.url(f"/{name}") for name in bodies}
        warnings = {name: (await check_urls(url, url)).warnings for name, url in urls.items()}
    assert warnings == expected


@given(
    st.lists(st.tuples(st.sampled_from([0xE1, 0xE3, 0xEC, 0xED, 0xFE]), st.binary(max_size=99))),
    st.binary(max_size=99),
)
def test_no_segment_with_metadata_stays_in_a_jpeg(
    notes: list[tuple[int, bytes]], behind: bytes
) -> None:
    at = JPEG.index(b"\xff\xdb")
    whole = JPEG[:at] + b"".join(segment(*note) for note in notes) + JPEG[at:] + behind
    assert strip_metadata("JPEG", whole) == JPEG


@given(st.sampled_from([("JPEG", JPEG), ("PNG", PNG)]), st.integers(0, 999), st.binary())
def test_a_damaged_file_is_stripped_or_not_understood(
    sample: tuple[str, bytes], at: int, noise: bytes
) -> None:
    kind, data = sample
    stripped = strip_metadata(kind, data[:at] + noise + data[at + len(noise) :])
    assert stripped is None or len(stripped) <= len(data) + len(noise)


def test_a_file_of_endless_parts_is_not_stripped() -> None:
    assert strip_metadata("PNG", PNG[:33] + chunk(b"teXt", b"") * 60_000 + PNG[33:]) is None
    assert strip_metadata("JPEG", JPEG[:2] + segment(0xFE, b"") * 60_000 + JPEG[2:]) is None
