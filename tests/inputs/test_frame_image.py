"""The frame of a clip as it is sent: the PNG itself, or the best JPEG that fits."""

import base64
import random
from collections.abc import Sequence
from io import BytesIO

import pytest
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from seedance_mcp.inputs._data_uri import MAX_URI_CHARACTERS
from seedance_mcp.inputs._errors import RuleViolated, UnusableFile
from seedance_mcp.inputs.frame_image import load_frame
from seedance_mcp.models.model import FileRule
from tests.support.sample_images import make_image, noise

MEGABYTE = 1024 * 1024


def under(megabytes: float) -> list[FileRule]:
    message = "The file is too large."
    rule = FileRule(quantity="file_size_mb", comparison="<", bound=megabytes, message=message)
    return [rule]


def load(png: bytes, rules: Sequence[FileRule] = ()) -> tuple[str, bytes]:
    """Return the media type and the bytes that are sent."""
    uri, header = load_frame(png, rules, lambda: None)
    head, _, body = uri.partition(";base64,")
    data = base64.b64decode(body)
    with Image.open(BytesIO(data)) as image, Image.open(BytesIO(png)) as frame:
        assert image.size == frame.size == (header.width, header.height)
        assert image.format == header.kind
    assert len(uri) <= MAX_URI_CHARACTERS
    return head, data


def test_a_png_that_fits_is_sent_byte_for_byte() -> None:
    png = make_image("PNG", (1280, 720))
    assert load(png) == ("data:image/png", png)
    assert load(png, under(len(png) / MEGABYTE + 1e-6)) == ("data:image/png", png)


def test_one_that_is_exactly_as_large_as_the_limit_that_it_must_stay_under_does_not_fit() -> None:
    png = noise((200, 200), "PNG")
    assert load(png, under((len(png) + 1) / MEGABYTE)) == ("data:image/png", png)
    assert load(png, under(len(png) / MEGABYTE))[0] == "data:image/jpeg"


def test_a_larger_one_is_sent_as_the_best_jpeg_that_fits_with_every_colour() -> None:
    # Its data: URI would have just over 6 MiB.
    size, sink = (1260, 1260), BytesIO()
    pixels = random.Random(7).randbytes(3 * size[0] * size[1])
    Image.frombytes("RGB", size, pixels).save(sink, "PNG", compress_level=0)
    media_type, data = load(sink.getvalue())
    with Image.open(BytesIO(data)) as image:
        assert (media_type, get_sampling(image)) == ("data:image/jpeg", 0)
    assert len(data) > 0.8 * len(pixels)


@pytest.mark.parametrize("megabytes", [0.01, 0.05, 0.11])
def test_a_models_own_limit_counts_too_and_no_better_jpeg_would_keep_it(megabytes: float) -> None:
    png = noise((200, 200), "PNG")
    _, data = load(png, under(megabytes))
    sizes = [jpeg_bytes(png, quality) for quality in range(1, 101)]
    assert len(data) == max(size for size in sizes if size < megabytes * MEGABYTE)


def jpeg_bytes(png: bytes, quality: int) -> int:
    sink = BytesIO()
    with Image.open(BytesIO(png)) as image:
        image.save(sink, "JPEG", quality=quality, subsampling=0)
    return sink.tell()


def test_one_that_no_jpeg_makes_small_enough_is_refused() -> None:
    with pytest.raises(UnusableFile, match=r"^It is too large to send at its own size\.$"):
        load(noise((200, 200), "PNG"), under(0.001))


def test_one_that_breaks_a_rule_is_refused_before_it_is_converted() -> None:
    rule = FileRule(quantity="width_pixels", comparison=">", bound=300, message="Too narrow.")
    with pytest.raises(RuleViolated, match=r"^Too narrow\. It is 200 x 200 pixels\.$"):
        load(noise((200, 200), "PNG"), [rule, *under(0.001)])


def test_a_cancelled_call_converts_nothing() -> None:
    def cancel() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        load_frame(noise((200, 200), "PNG"), under(0.05), cancel)
