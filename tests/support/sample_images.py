"""Images of every kind, most of them small, and files that only look like images."""

import random
import struct
import zlib
from io import BytesIO

from PIL import Image

SEED = 7


def make_image(
    kind: str, size: tuple[int, int] = (640, 480), mode: str = "RGB", **how: object
) -> bytes:
    """Return an image of one colour, which makes a short file."""
    sink = BytesIO()
    Image.new(mode, size).save(sink, kind, **how)
    return sink.getvalue()


def noise(size: tuple[int, int], kind: str) -> bytes:
    """Return an image of noise, which no format compresses; repeated tiles make it quick."""
    tile = Image.frombytes("RGB", (500, 500), random.Random(SEED).randbytes(750_000))
    image = Image.new("RGB", size)
    for left in range(0, size[0], 500):
        for top in range(0, size[1], 500):
            image.paste(tile, (left, top))
    sink = BytesIO()
    image.save(sink, kind)
    return sink.getvalue()


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (640, 480), color) for color in ("red", "green", "blue")]
    sink = BytesIO()
    frames[0].save(sink, kind, save_all=True, append_images=frames[1:])
    return sink.getvalue()


def rotated(orientation: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a JPEG with an EXIF orientation."""
    image = Image.new("RGB", size)
    image.paste("white", (0, 0, 100, 100))
    exif = image.getexif()
    exif[0x0112] = orientation
    sink = BytesIO()
    image.save(sink, "JPEG", exif=exif)
    return sink.getvalue()


def png(width: int, height: int, *, length: int = 200) -> bytes:
    """Return the head of a PNG of this size, padded with zeros to `length` bytes."""
    claim = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + claim + struct.pack(">I", zlib.crc32(claim))
    )
    return head.ljust(length, b"\0")


def far_jpeg(before: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a JPEG whose size comes after so many bytes of application data."""
    jpeg = make_image("JPEG", size)
    note = b"\xff\xe4" + struct.pack(">H", 60_000) + bytes(59_998)
    return jpeg[:2] + note * (before // 60_000 + 1) + jpeg[2:]


def lossless_webp() -> bytes:
    return make_image("WEBP", lossless=True)


def heic(width: int, height: int, *, brand: bytes = b"heic", turns: int | None = None) -> bytes:
    """Return as much of a HEIC or AVIF as has its size, after the size of a thumbnail."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), name) + body

    small = box(b"ispe", struct.pack(">III", 0, 160, 120))
    large = box(b"ispe", struct.pack(">III", 0, width, height))
    turn = box(b"irot", bytes([turns])) if turns is not None else b""
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", small + large + turn)))
    return box(b"ftyp", brand + bytes(4) + b"mif1" + brand) + meta + box(b"mdat", bytes(500))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"></svg>'
HTML = b"<!DOCTYPE html><html><body>Please sign in to see this image.</body></html>"

ENDLESS_MARKERS = b"\xff\xd8" + b"\xff\x01" * 9_900 + b"\xff\xe4\xff\xff" + bytes(90_000)
"""The head of a JPEG: thousands of markers, then a segment of 64 KB, and never a size."""


def cmyk_profile(lab: tuple[int, int, int]) -> bytes:
    """Return a colour profile by which magenta and yellow, printed together, make one colour."""

    def entry(lightness: float, a: float, b: float) -> bytes:
        return bytes([round(lightness * 255 / 100), round(a + 128), round(b + 128)])

    grid = b""
    for inks in range(16):
        count = (inks >> 1).bit_count()
        grid += entry(*lab) if inks == 0b0110 else entry(0 if inks & 1 else 100 - 25 * count, 0, 0)
    same = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes([0, 0, 0, 0, 4, 3, 2, 0]) + matrix + same * 4 + grid + same * 3
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {
        b"desc": b"desc" + struct.pack(">II5s", 0, 5, b"test") + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + white,
        b"A2B0": table,
    }
    index, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, tag in tags.items():
        index += name + struct.pack(">II", start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    kind = struct.pack(">4sI4s4s4s", b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head = struct.pack(">I", start + len(body)) + kind + bytes(12) + b"acsp" + bytes(28)
    return (head + white).ljust(128, b"\0") + index + body
