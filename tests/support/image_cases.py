"""Images by name, each with the refusal or warning that it must get."""

import gzip
import zlib
from dataclasses import replace

from .image_host import MEGABYTE, Page
from .sample_images import (
    HTML,
    SVG,
    animated,
    far_jpeg,
    heic,
    lossless_webp,
    make_image,
    png,
    rotated,
)
from .wording import NOT_AN_IMAGE_URL, NOT_CHECKED

FIRST = "first_frame_image_url"

LARGE = f"{FIRST}: The uploaded image width and height must not exceed 6000 pixels. It is "
SMALL = f"{FIRST}: The uploaded image width and height must not be less than 300 pixels. It is "
RATIO = f"{FIRST}: The aspect ratio range should be between 0.4 and 2.5. It is "
HEAVY = f"{FIRST}: File size must be less than 30 MB. It is "
WRONG = f"{FIRST} {NOT_AN_IMAGE_URL}"
UNCHECKED = f"{FIRST} {NOT_CHECKED}"
ODD = f"{FIRST} is of type %s, which RunComfy may not accept; JPEG and PNG are safest."
TURNED = (
    f"{FIRST} is meant to be shown turned or mirrored, and only its EXIF orientation says so, which"
    " RunComfy may ignore; use an upright copy."
)
THIRTY = 30 * MEGABYTE


JPEG = make_image("JPEG")
PNG = make_image("PNG")


def page(body: bytes, **more: object) -> Page:
    return replace(Page(body=body), **more)  # pyright: ignore[reportArgumentType] - each by its name


PASS = ""
TABLE: dict[str, tuple[Page, str]] = {
    # Every rule, on both sides of its bound; the comparisons are strict.
    "301 wide": (page(png(301, 400)), PASS),
    "300 wide": (page(png(300, 400)), SMALL + "300 x 400 pixels."),
    "299 wide": (page(png(299, 400)), SMALL + "299 x 400 pixels."),
    "301 high": (page(png(400, 301)), PASS),
    "300 high": (page(png(400, 300)), SMALL + "400 x 300 pixels."),
    "299 high": (page(png(400, 299)), SMALL + "400 x 299 pixels."),
    "301 both": (page(png(301, 301)), PASS),
    "1 pixel": (page(png(1, 1)), SMALL + "1 x 1 pixels."),
    "5999 wide": (page(png(5999, 3000)), PASS),
    "6000 wide": (page(png(6000, 3000)), LARGE + "6000 x 3000 pixels."),
    "6001 wide": (page(png(6001, 3000)), LARGE + "6001 x 3000 pixels."),
    "5999 high": (page(png(3000, 5999)), PASS),
    "6000 high": (page(png(3000, 6000)), LARGE + "3000 x 6000 pixels."),
    "6001 high": (page(png(3000, 6001)), LARGE + "3000 x 6001 pixels."),
    "5999 both": (page(png(5999, 5999)), PASS),
    "ratio under 2.5": (page(png(2499, 1000)), PASS),
    "ratio of 2.5": (page(png(2500, 1000)), RATIO + "2500 x 1000 pixels, width/height 2.5."),
    "ratio over 2.5": (page(png(2501, 1000)), RATIO + "2501 x 1000 pixels, width/height 2.501."),
    "ratio over 0.4": (page(png(401, 1000)), PASS),
    "ratio of 0.4": (page(png(400, 1000)), RATIO + "400 x 1000 pixels, width/height 0.4."),
    "ratio under 0.4": (page(png(399, 1000)), RATIO + "399 x 1000 pixels, width/height 0.399."),
    "under 30 MB": (page(png(640, 480, length=THIRTY - 1)), PASS),
    "30 MB": (page(png(640, 480, length=THIRTY)), HEAVY + "30 MB (31,457,280 bytes)."),
    "over 30 MB": (
        page(png(640, 480, length=THIRTY + MEGABYTE)),
        HEAVY + "31 MB (32,505,856 bytes).",
    ),
    "30 MB, ranges": (
        page(png(640, 480, length=THIRTY), ranges=True),
        HEAVY + "30 MB (31,457,280 bytes).",
    ),
    "under 30 MB, ranges": (page(png(640, 480, length=THIRTY - 1), ranges=True), PASS),
    "a bomb": (page(png(20_000, 20_000)), LARGE + "20000 x 20000 pixels."),
    "the largest bomb": (
        page(png(2**32 - 1, 2**32 - 1)),
        LARGE + "4294967295 x 4294967295 pixels.",
    ),
    "no pixels": (page(png(0, 480)), WRONG + "it is a damaged PNG."),
    # Every format.
    "JPEG": (page(JPEG), PASS),
    "progressive JPEG": (page(make_image("JPEG", progressive=True)), PASS),
    "grey JPEG": (page(make_image("JPEG", mode="L")), PASS),
    "CMYK JPEG": (page(make_image("JPEG", mode="CMYK")), PASS),
    "small JPEG": (page(make_image("JPEG", (300, 300))), SMALL + "300 x 300 pixels."),
    "MPO": (page(animated("MPO")), PASS),
    "PNG": (page(PNG), PASS),
    "PNG with alpha": (page(make_image("PNG", mode="RGBA")), PASS),
    "PNG with a palette": (page(make_image("PNG", mode="P")), PASS),
    "16-bit PNG": (page(make_image("PNG", mode="I;16")), PASS),
    "animated PNG": (page(animated("PNG")), PASS),
    "WebP": (page(make_image("WEBP")), PASS),
    "lossless WebP": (page(lossless_webp()), PASS),
    "animated WebP": (page(animated("WEBP")), PASS),
    "small WebP": (page(make_image("WEBP", (300, 301))), SMALL + "300 x 301 pixels."),
    "small lossless WebP": (
        page(make_image("WEBP", (299, 301), lossless=True)),
        SMALL + "299 x 301 pixels.",
    ),
    "small WebP with alpha": (
        page(animated("WEBP").replace(b"\x7f\x02\0\xdf\x01\0", b"\x00\x01\0\xdf\x01\0", 1)),
        SMALL + "257 x 480 pixels.",
    ),
    "GIF": (page(make_image("GIF")), ODD % "GIF"),
    "animated GIF": (page(animated("GIF")), ODD % "GIF"),
    "small GIF": (page(make_image("GIF", (300, 300))), SMALL + "300 x 300 pixels."),
    "BMP": (page(make_image("BMP")), ODD % "BMP"),
    "TIFF": (page(make_image("TIFF")), ODD % "TIFF"),
    "16-bit TIFF": (page(make_image("TIFF", mode="I;16")), ODD % "TIFF"),
    "CMYK TIFF": (page(make_image("TIFF", mode="CMYK")), ODD % "TIFF"),
    "TIFF with its size at its end": (
        page(make_image("TIFF", compression="tiff_lzw"), ranges=True),
        ODD % "TIFF",
    ),
    "HEIC": (page(heic(4032, 3024)), ODD % "HEIC"),
    "large HEIC": (page(heic(8064, 6048)), LARGE + "8064 x 6048 pixels."),
    "AVIF": (page(heic(4032, 3024, brand=b"avif")), ODD % "AVIF"),
    "animated AVIF": (page(heic(640, 480, brand=b"avis")), ODD % "AVIF"),
    "small AVIF": (page(heic(300, 480, brand=b"avif")), SMALL + "300 x 480 pixels."),
    "JPEG 2000": (
        page(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)),
        UNCHECKED + "it is of type JPEG 2000, which cannot be measured here.",
    ),
    # A camera's orientation: sizes are those stored.
    "orientation 1": (page(rotated(1)), PASS),
    **{f"orientation {n}": (page(rotated(n)), TURNED) for n in range(2, 9)},
    "on its side, narrow": (
        page(rotated(6, (400, 1000))),
        RATIO + "400 x 1000 pixels, width/height 0.4.",
    ),
    # Not an image, or not a whole one.
    "cut off in its pixels": (page(JPEG[:-500]), PASS),
    "cut off in its head": (page(JPEG[:60]), WRONG + "it is a damaged JPEG."),
    "cut off in a PNG's head": (page(PNG[:20]), WRONG + "it is a damaged PNG."),
    "cut off at once": (page(JPEG[:3]), WRONG + "it is a damaged JPEG."),
    "garbled": (page(JPEG[:2] + b"\xff\xe0\0\x02" + bytes(50)), WRONG + "it is a damaged JPEG."),
    "SVG": (
        page(SVG, headers={"Content-Type": "image/svg+xml"}),
        WRONG + 'it is an SVG, which has no pixels ("image/svg+xml").',
    ),
    "HTML called .png": (
        page(HTML, headers={"Content-Type": "text/html; charset=utf-8"}),
        WRONG + 'it is an HTML page ("text/html").',
    ),
    "HTML called image/png": (
        page(HTML, headers={"Content-Type": "image/png"}),
        WRONG + 'it is an HTML page ("image/png").',
    ),
    "an image called text/html": (page(JPEG, headers={"Content-Type": "text/html"}), PASS),
    "text": (page(b"Not found" * 20), WRONG + "it is not an image."),
    "JSON": (page(b'{"error": "expired"}' * 9), WRONG + "it is not an image."),
    "PDF": (page(b"%PDF-1.7" + bytes(99)), WRONG + "it is a PDF."),
    "XML": (page(b'<?xml version="1.0"?><Error/>'.ljust(99)), WRONG + "it is XML."),
    "a video": (
        page(b"\0\0\0\x18ftypisom" + bytes(99)),
        WRONG + "it is a video or audio file.",
    ),
    "empty": (page(b""), WRONG + "it is empty."),
    "empty, ranges": (page(b"", ranges=True), WRONG + "it is empty."),
    # Ways to send an image.
    "ranges": (page(JPEG, ranges=True), PASS),
    "size behind 200 KB of notes": (page(far_jpeg(200_000)), PASS),
    "size behind 200 KB of notes, ranges": (page(far_jpeg(200_000), ranges=True), PASS),
    "small, behind 200 KB of notes, ranges": (
        page(far_jpeg(200_000, (300, 300)), ranges=True),
        SMALL + "300 x 300 pixels.",
    ),
    "ranges without a total": (page(far_jpeg(200_000), ranges=True, length="none"), PASS),
    "too heavy, ranges without a total": (
        page(png(640, 480, length=THIRTY + 99), ranges=True, length="none"),
        HEAVY + "30 MB (31,457,280 bytes) or more.",
    ),
    "chunked": (page(JPEG, length="chunked"), PASS),
    "without length": (page(JPEG, length="none"), PASS),
    "too heavy, without length": (
        page(png(640, 480, length=THIRTY), length="none"),
        HEAVY + "30 MB (31,457,280 bytes) or more.",
    ),
    "shorter than promised": (page(JPEG, length="long"), PASS),
    "much shorter than promised": (
        page(JPEG[:60], length="long"),
        UNCHECKED + "its host closed the connection early.",
    ),
    "gzip": (page(gzip.compress(JPEG), headers={"Content-Encoding": "gzip"}), PASS),
    "deflate": (page(zlib.compress(JPEG), headers={"Content-Encoding": "deflate"}), PASS),
    "deflate without its header": (
        page(zlib.compress(JPEG, wbits=-15), headers={"Content-Encoding": "deflate"}),
        PASS,
    ),
    "a byte at a time, gzip": (
        page(gzip.compress(JPEG), headers={"Content-Encoding": "gzip"}, length="chunked", chunk=1),
        PASS,
    ),
    **{
        f"encoded as {encoding or 'nothing'}": (
            page(JPEG, headers={"Content-Encoding": encoding}),
            PASS,
        )
        for encoding in ("", "none", "identity", "UTF-8", "binary", "aws-chunked")
    },
    "gzip, ranges": (
        page(gzip.compress(far_jpeg(200_000)), headers={"Content-Encoding": "gzip"}, ranges=True),
        PASS,
    ),
    "a gzip bomb": (
        page(gzip.compress(png(640, 480, length=THIRTY)), headers={"Content-Encoding": "gzip"}),
        HEAVY + "30 MB (31,457,280 bytes) or more.",
    ),
    "small, gzip": (
        page(gzip.compress(make_image("PNG", (9, 9))), headers={"Content-Encoding": "gzip"}),
        SMALL + "9 x 9 pixels.",
    ),
    "gzip that is not gzip": (
        page(JPEG, headers={"Content-Encoding": "gzip"}),
        WRONG + "its host sends it as gzip, but it is not.",
    ),
    "brotli": (
        page(b"?", headers={"Content-Encoding": "br"}),
        UNCHECKED + 'its host encodes it as "br".',
    ),
    # Hosts that refuse, and hosts that only fail.
    **{
        f"HTTP {status}": (page(HTML, status=status), WRONG + f"its host answered {status}.")
        for status in (400, 401, 402, 403, 404, 410, 451)
    },
    **{
        f"HTTP {status}": (page(HTML, status=status), UNCHECKED + f"its host answered {status}.")
        for status in (304, 405, 408, 416, 429, 500, 502, 503, 504)
    },
    **{
        f"HTTP {status} to a range": (page(JPEG, refuses=status), PASS)
        for status in (400, 401, 403, 404, 405, 406, 412, 416, 500, 501)
    },
    "HTTP 403 to the rest only": (page(far_jpeg(200_000), ranges=True, refuses_rest=403), PASS),
    "too heavy, HTTP 416 to a range": (
        page(png(640, 480, length=THIRTY), refuses=416),
        HEAVY + "30 MB (31,457,280 bytes).",
    ),
    **{
        f"Content-Range: {span}": (page(JPEG, status=206, headers={"Content-Range": span}), PASS)
        for span in ("Bytes 0-99/9999999", "BYTES  0-99/*", "bytes=0-99/9999", "bytes: 0-9/99")
    },
    "another range": (
        page(JPEG, status=206, headers={"Content-Range": "bytes 5-99/1000"}),
        UNCHECKED + "its host sent another part than requested.",
    ),
    "several ranges": (
        page(JPEG, status=206, headers={"Content-Type": "multipart/byteranges"}),
        UNCHECKED + "its host sent another part than requested.",
    ),
}
