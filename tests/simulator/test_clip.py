# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Iterator
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import pytest
from PIL import Image, ImageStat

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.simulator import _clip as clip
from seedance_mcp.simulator._rendering import require_libraries
from tests.support.image_likeness import psnr
from tests.support.simulator_caller import DAWN, DUSK, image

BLACK = (0, 0, 0)


def frames(path: Path) -> Iterator[Image.Image]:
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            yield cast("Image.Image", frame.to_image())


def upper_colour(image: Image.Image) -> tuple[int, ...]:
    """Return the average colour of the upper half, which has no mark."""
    upper = image.crop((0, 0, image.width, image.height // 2))
    return tuple(round(mean) for mean in ImageStat.Stat(upper).mean)


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("width", "height", "asked", "size"),
    [
        (457, 301, 120, (182, 120)),
        (301, 457, 120, (80, 120)),
        pytest.param(311, 311, 480, (480, 480), marks=pytest.mark.stress),
    ],
)
def test_a_clip_has_the_images_shape_and_the_exact_number_of_frames(
    tmp_path: Path, width: int, height: int, asked: int, size: tuple[int, int]
) -> None:
    path = tmp_path / "clip.mp4"
    clip.render(path, image(width, height), None, height=asked, seconds=5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 24
        assert stream.frames == 120
        assert (stream.width, stream.height) == size
        assert container.duration == 5_000_000
        assert sum(1 for _ in container.decode(stream)) == 120


@pytest.mark.parametrize(
    ("aspect", "size"), [(16 / 9, (214, 120)), (9 / 16, (68, 120)), (21 / 9, (280, 120))]
)
def test_a_clip_may_have_another_shape_than_its_image(
    tmp_path: Path, aspect: float, size: tuple[int, int]
) -> None:
    path = tmp_path / "clip.mp4"
    clip.render(path, image(colour=DAWN), None, height=120, seconds=1, aspect=aspect)
    first_frame, *_ = frames(path)
    assert first_frame.size == size
    assert near(upper_colour(first_frame), DAWN)


def test_ten_seconds_are_twice_as_many_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    clip.render(path, image(), None, height=60, seconds=10)
    assert sum(1 for _ in frames(path)) == 240


def test_a_player_can_start_before_the_whole_file_has_arrived(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    clip.render(path, image(), None, height=60, seconds=1)
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")


def test_a_clip_begins_with_the_first_image_and_ends_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    last = image(640, 320, colour=DUSK)
    clip.render(path, image(colour=DAWN), last, height=120, seconds=1)
    first_frame, *_, last_frame = frames(path)
    assert near(upper_colour(first_frame), DAWN)
    assert near(upper_colour(last_frame), DUSK)


def test_a_clip_without_a_last_image_zooms_into_the_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "clip.mp4"
    framed = Image.new("RGB", (400, 400), DUSK)
    framed.paste(DAWN, (20, 20, 380, 380))
    first = BytesIO()
    framed.save(first, "PNG")
    clip.render(path, first.getvalue(), None, height=200, seconds=1)
    first_frame, *_, last_frame = frames(path)
    assert near(pixel(first_frame, (3, 3)), DUSK)
    assert near(pixel(last_frame, (3, 3)), DAWN)


def pixel(image: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    value = image.getpixel(at)
    assert isinstance(value, tuple)
    return tuple(round(channel) for channel in value)


def test_every_frame_says_simulated_in_its_lower_left_corner(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    clip.render(path, image(colour=BLACK), None, height=240, seconds=1)
    for frame in frames(path):
        corner = frame.crop((0, 200, 130, 240)).convert("L")
        rest = frame.crop((0, 0, 240, 180)).convert("L")
        assert sum(corner.histogram()[120:]) > 150
        assert sum(rest.histogram()[20:]) == 0


def test_an_image_that_lies_on_its_side_is_rotated_upright(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = image(400, 320, format="JPEG", exif=exif)
    clip.render(path, lying, None, height=100, seconds=1)
    assert next(frames(path)).size == (80, 100)
    assert Image.open(BytesIO(clip.still(lying))).size == (320, 400)


def test_rendering_stops_when_the_caller_stops_it(tmp_path: Path) -> None:
    drawn: list[None] = []

    def stop_at_the_third() -> None:
        drawn.append(None)
        if len(drawn) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        clip.render(
            tmp_path / "clip.mp4",
            image(),
            None,
            height=60,
            seconds=5,
            each_frame=stop_at_the_third,
        )


def test_missing_libraries_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'seedance-mcp\[video\]'"):
        require_libraries(find=lambda _module: None)


def continued(path: Path, sent: bytes, size: tuple[int, int], image_format: str = "PNG") -> bytes:
    """Render a clip from an image, and return its last frame as the next image to be sent."""
    clip.render(path, sent, None, height=size[1], seconds=1)
    *_, last = frames(path)
    drawn = BytesIO()
    last.save(drawn, image_format, quality=90, subsampling=0)
    return drawn.getvalue()


def lake(size: tuple[int, int]) -> bytes:
    """Return an image with fine and coarse detail, of which each part differs from the others."""
    whole = resources.files("seedance_mcp.simulator") / "sample_images" / "lake.jpg"
    drawn = BytesIO()
    Image.open(BytesIO(whole.read_bytes())).resize(size).save(drawn, "PNG")
    return drawn.getvalue()


@pytest.mark.parametrize(
    ("size", "image_format"),
    [((426, 240), "PNG"), ((240, 426), "PNG"), ((426, 240), "JPEG")],
)
def test_a_clip_begins_with_the_very_frame_that_it_continues(
    tmp_path: Path, size: tuple[int, int], image_format: str
) -> None:
    sent = continued(tmp_path / "1.mp4", lake(size), size, image_format)
    continued(tmp_path / "2.mp4", sent, size)
    shown = next(frames(tmp_path / "2.mp4"))
    assert psnr(shown, Image.open(BytesIO(sent)).convert("RGB")) > 40


def test_a_continued_clip_has_one_mark(tmp_path: Path) -> None:
    # Where nothing else is, what a second mark leaves behind would be seen.
    size = (426, 240)
    plain = image(*size, colour=DAWN)
    once = continued(tmp_path / "1.mp4", plain, size)
    thrice = continued(tmp_path / "3.mp4", continued(tmp_path / "2.mp4", once, size), size)
    assert psnr(corner_of(thrice), corner_of(once)) > 30


def corner_of(drawn: bytes) -> Image.Image:
    """Return the part of a frame in which the mark is, and into which it would move."""
    frame = Image.open(BytesIO(drawn))
    return frame.crop((0, frame.height * 2 // 3, frame.width // 2, frame.height))


def test_an_image_without_the_mark_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    sent = lake((426, 240))
    clip.render(path, sent, None, height=240, seconds=1)
    upper = (0, 0, 426, 190)
    shown, whole = next(frames(path)), Image.open(BytesIO(sent)).convert("RGB")
    assert psnr(shown.crop(upper), whole.crop(upper)) > 38
