"""Headers of arbitrary bytes are read or refused, quickly, and raise nothing else."""

import random
import struct
import time

import pytest

from seedance_mcp.inputs._errors import NotAnImage, UnsupportedImage
from seedance_mcp.inputs._image_header import Header, read_header
from tests.support.sample_images import (
    SEED,
    animated,
    far_jpeg,
    heic,
    lossless_webp,
    make_image,
    rotated,
)

SAMPLES = {
    "JPEG": make_image("JPEG"),
    "rotated JPEG": rotated(6),
    "PNG": make_image("PNG"),
    "GIF": make_image("GIF"),
    "WebP": make_image("WEBP"),
    "lossless WebP": lossless_webp(),
    "animated WebP": animated("WEBP"),
    "BMP": make_image("BMP"),
    "TIFF": make_image("TIFF"),
    "HEIC": heic(640, 480),
}


def attempt(data: bytes, *, whole: bool) -> Header | None:
    try:
        return read_header(data, whole=whole)
    except (NotAnImage, UnsupportedImage):
        return None


@pytest.mark.parametrize("name", SAMPLES)
def test_a_header_is_read_as_soon_as_the_bytes_contain_it(
    name: str,
) -> None:
    data = SAMPLES[name]
    seen = [read_header(data[:length], whole=False) for length in range(min(len(data), 3000))]
    headers = [header for header in seen if header]
    if not headers:  # what stands at the end of the file
        headers = [header for header in [read_header(data, whole=True)] if header]
    first = next((at for at, header in enumerate(seen) if header), len(seen))
    assert {(header.width, header.height) for header in headers} == {(640, 480)}
    assert seen[:first] == [None] * first


@pytest.mark.parametrize("name", SAMPLES)
def test_a_garbled_header_raises_only_its_own_errors(name: str) -> None:
    chance = random.Random(SEED)
    start = SAMPLES[name][:400]
    for _ in range(500):
        garbled = bytearray(start)
        for _ in range(chance.randint(1, 8)):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        cut = bytes(garbled[: chance.randrange(len(garbled))])
        for data in (bytes(garbled), cut):
            for whole in (True, False):
                header = attempt(data, whole=whole)
                assert header is None or min(header.width, header.height) > 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff" + b"\xe4\0\2\xff" * 7_000_000,
        b"\xff\xd8" + b"\xff" * 28_000_000,
        struct.pack(">I8s", 16, b"ftypheic") + b"heic" + b"\0\0\0\x08free" * 3_500_000,
        b"\0\0\0\x10ftypheic" + b"heic" + struct.pack(">I", 28_000_000) + b"meta" + b"ispe" * 7**8,
    ],
)
def test_an_endless_header_is_given_up_quickly(data: bytes) -> None:
    began = time.process_time()
    assert attempt(data, whole=True) is None
    assert time.process_time() - began < 0.5


def test_a_far_size_is_found() -> None:
    assert read_header(far_jpeg(5_000_000), whole=True) == Header(
        kind="JPEG", width=640, height=480
    )
