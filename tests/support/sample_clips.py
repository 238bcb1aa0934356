"""Tiny real MP4s in every form that a clip may have, each frame of them with its number in it.

A frame shows its number in eight black or white blocks in its top sixth; below them are gradients.
Its planes are made here and not by swscale, so that a test knows every sample of what it encoded.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import pi, sin
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from PIL import Image

WIDTH, HEIGHT = 64, 48
FRAMES = 6
LIMITED, FULL = ColorRange.MPEG, ColorRange.JPEG
# As ISO/IEC 23091-2 numbers them.
BT709, UNSPECIFIED, BT601_625, BT601_525 = 1, 2, 5, 6


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How a sample clip is made.

    Attributes:
        numbers: The numbers of its frames, in the order in which they are shown.
        ticks: When each frame is shown, in units of `time_base`; by default one a frame.
        sample_aspect: How wide a pixel is, of a height of 1.
        audio_seconds: How long its audio track is; it has none for 0.
        hertz: The tone of it; it is silent for 0.
        options: Options of the encoder.
        muxer: Options of the muxer.
    """

    codec: str = "libx264"
    numbers: Sequence[int] = range(FRAMES)
    width: int = WIDTH
    height: int = HEIGHT
    pix_fmt: str = "yuv420p"
    time_base: Fraction = Fraction(1, 24)
    ticks: Sequence[int] | None = None
    colorspace: int = UNSPECIFIED
    color_range: int = ColorRange.UNSPECIFIED
    sample_aspect: Fraction = Fraction(1)
    audio_seconds: float = 0
    audio_rate: int = 48000
    audio_layout: str = "stereo"
    hertz: int = 0
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    muxer: Mapping[str, str] = field(default_factory=dict[str, str])


WITHOUT_B_FRAMES = {"bf": "0"}
# The frame that is shown last is decoded before two others.
B_FRAMES = {
    "bf": "3",
    "x264-params": "b-adapt=0:b-pyramid=normal:scenecut=0:keyint=250:rc-lookahead=10",
}
OPEN_GOP = {
    "bf": "2",
    "x264-params": "b-adapt=0:open-gop=1:keyint=4:min-keyint=4:scenecut=0:bluray-compat=1",
}


def write_sample(path: Path, sample: Sample) -> Path:
    """Write a sample clip, and return its path."""
    options = dict(sample.muxer)
    with av.open(str(path), "w", format="mp4", options=options) as container:
        video = _add_video(container, sample)
        audio = _add_audio(container, sample) if sample.audio_seconds else None
        for number, tick in zip(sample.numbers, _ticks(sample), strict=True):
            frame = numbered_frame(sample, number)
            frame.pts, frame.time_base = tick, sample.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio:
            for frame in _tone(sample):
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def _add_video(container: OutputContainer, sample: Sample) -> VideoStream:
    rate = round(1 / sample.time_base)
    video = cast("VideoStream", container.add_stream(sample.codec, rate=rate))
    video.width, video.height, video.pix_fmt = sample.width, sample.height, sample.pix_fmt
    quiet = {"x265-params": "log-level=none"} if sample.codec == "libx265" else {}
    video.options = {"preset": "veryfast", "crf": "4", **quiet, **sample.options}
    context = video.codec_context
    context.time_base, context.sample_aspect_ratio = sample.time_base, sample.sample_aspect
    context.colorspace, context.color_range = sample.colorspace, sample.color_range
    return video


def _ticks(sample: Sample) -> Sequence[int]:
    return range(len(sample.numbers)) if sample.ticks is None else sample.ticks


def _add_audio(container: OutputContainer, sample: Sample) -> AudioStream:
    return container.add_stream("aac", rate=sample.audio_rate, layout=sample.audio_layout)


def _tone(sample: Sample) -> Iterator[av.AudioFrame]:
    rate = sample.audio_rate
    for number in range(round(sample.audio_seconds * rate / 1024)):
        frame = av.AudioFrame(format="fltp", layout=sample.audio_layout, samples=1024)
        frame.sample_rate, frame.pts, frame.time_base = rate, number * 1024, Fraction(1, rate)
        turns = (2 * pi * sample.hertz * (number * 1024 + n) / rate for n in range(1024))
        wave = array("f", (sin(turn) / 2 for turn in turns)).tobytes()
        for plane in frame.planes:
            plane.update(wave.ljust(plane.buffer_size, b"\0"))
        yield frame


def numbered_frame(sample: Sample, number: int) -> av.VideoFrame:
    """Return the frame with a number, as its encoder gets it."""
    frame = av.VideoFrame(sample.width, sample.height, sample.pix_fmt)
    frame.color_range, frame.colorspace = sample.color_range, sample.colorspace
    deep = "10" in sample.pix_fmt
    for plane, rows in zip(frame.planes, numbered_planes(sample, number), strict=True):
        lines = [struct.pack(f"<{len(row)}H", *row) if deep else bytes(row) for row in rows]
        plane.update(b"".join(line.ljust(plane.line_size, b"\0") for line in lines))
    return frame


def numbered_planes(sample: Sample, number: int) -> list[list[list[int]]]:
    """Return the samples of Y, Cb and Cr of a frame: rows of numbers in the clip's bit depth."""
    width, height = sample.width, sample.height
    whole = "444" in sample.pix_fmt
    halves = (
        (range(width), range(height))
        if whole
        else (range((width + 1) // 2), range((height + 1) // 2))
    )
    scale = 4 if "10" in sample.pix_fmt else 1
    luma = [
        [_luma(x / width, y / height, number) * scale for x in range(width)] for y in range(height)
    ]
    blue = [[(64 + 128 * y // len(halves[1])) * scale for _ in halves[0]] for y in halves[1]]
    red = [
        [(48 + number * 5 % 32 + 112 * x // len(halves[0])) * scale for x in halves[0]]
        for _ in halves[1]
    ]
    return [luma, blue, red]


def _luma(x: float, y: float, number: int) -> int:
    """Return the luma at a place, of which 1 is the far edge."""
    if y < 1 / 6:
        return 220 if number >> int(x * 8) & 1 else 30
    return 60 + number * 7 % 60 + int(90 * x)


def number_of(frame: av.VideoFrame) -> int:
    """Return the number that stands in a decoded frame, of any size that is not turned."""
    grey = frame.reformat(format="gray")
    plane = bytes(grey.planes[0])
    y = grey.height // 12
    places = [y * grey.planes[0].line_size + (2 * bit + 1) * grey.width // 16 for bit in range(8)]
    return sum((plane[at] > 125) << bit for bit, at in enumerate(places))


def numbers_shown(path: Path) -> list[int]:
    """Return the numbers of all frames of a clip, as PyAV shows them, in that order."""
    with av.open(str(path)) as container:
        return [number_of(frame) for frame in container.decode(video=0)]


def _plain(path: Path) -> Path:
    return write_sample(path, Sample(options=WITHOUT_B_FRAMES))


def _hides_leading_frames(path: Path) -> Path:
    """Write a clip whose edit list begins at its third frame, which is not a key frame."""
    return _with_edit(write_sample(path, Sample(options=B_FRAMES)), skip=2, length=FRAMES - 2)


def _hides_last_frames(path: Path) -> Path:
    """Write a clip whose edit list ends two frames before its last one."""
    return _with_edit(write_sample(path, Sample(options=B_FRAMES)), skip=0, length=FRAMES - 2)


def _with_edit(path: Path, *, skip: int, length: int) -> Path:
    """Change a clip's edit list: leave out its first `skip` frames, show `length` after them."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # behind the type, the version, flags and the count
    delay = struct.unpack_from(">i", data, at + 4)[0]
    movie = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    struct.pack_into(">Ii", data, at, length * movie // 24, delay + skip * media // 24)
    path.write_bytes(data)
    return path


def turned(path: Path, degrees: int) -> Path:
    """Change a clip's matrix, so that it is shown turned by so many degrees, clockwise."""
    rows = {
        90: (0, 1, -1, 0),
        180: (-1, 0, 0, -1),
        270: (0, -1, 1, 0),
    }
    a, b, c, d = (value << 16 for value in rows[degrees])
    data = bytearray(path.read_bytes())
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def _turned(degrees: int) -> Callable[[Path], Path]:
    return lambda path: turned(_plain(path), degrees)


def _odd_title(path: Path) -> Path:
    """Write a clip whose title is not UTF-8."""
    title = box(b"\xa9nam", box(b"data", struct.pack(">II", 1, 0) + b"caf\xe9"))
    return _tagged(_plain(path), title)


def _made(sample: Sample) -> Callable[[Path], Path]:
    return lambda path: write_sample(path, sample)


def _coloured(colorspace: int, color_range: int, *, pix_fmt: str = "yuv420p") -> Sample:
    return Sample(
        colorspace=colorspace, color_range=color_range, pix_fmt=pix_fmt, options=WITHOUT_B_FRAMES
    )


_UNTAGGED = Sample(options=WITHOUT_B_FRAMES)
_TALL = replace(_UNTAGGED, width=32, height=720, numbers=range(2))

# With the matrix that they are shown with, and whether with the full range.
COLOURED: dict[str, tuple[Sample, int, bool]] = {
    "10-bit": (_coloured(BT709, LIMITED, pix_fmt="yuv420p10le"), BT709, False),
    "bt709 limited": (_coloured(BT709, LIMITED), BT709, False),
    "bt709 full": (_coloured(BT709, FULL), BT709, True),
    "bt601 limited": (_coloured(BT601_525, LIMITED), BT601_525, False),
    "bt601 full": (_coloured(BT601_625, FULL), BT601_625, True),
    "untagged, 720 lines": (_TALL, BT709, False),
    "untagged, 718 lines": (replace(_TALL, height=718), BT601_525, False),
}


def _says(words: bytes) -> Callable[[Path], Path]:
    """Return what writes a clip with a text in it."""

    def write(path: Path) -> Path:
        data = bytearray(_plain(path).read_bytes())
        return write_boxes(path, data, b"mdia", box(b"udta", box(b"text", words)))

    return write


def _late(path: Path) -> Path:
    """Write a clip in fragments whose last begins at the latest time that there is."""
    SAMPLES["fragmented"](path)
    data = bytearray(path.read_bytes())
    at = -1
    for number in range(FRAMES // 2):
        at = data.index(b"tfdt", at + 1)
        struct.pack_into(">q", data, at + 8, (1 << 63) - 4096 + 1024 * number)
    path.write_bytes(data)
    return path


# Each writes a clip to a path and returns the path.
SAMPLES: dict[str, Callable[[Path], Path]] = {
    "plain": _plain,
    "B-frames": _made(Sample(options=B_FRAMES)),
    "several key frames": _made(
        Sample(options={"x264-params": "keyint=4:min-keyint=4:scenecut=0", "bf": "2"})
    ),
    "open GOPs": _made(Sample(options=OPEN_GOP, numbers=range(11))),
    "one frame": _made(replace(_UNTAGGED, numbers=[5])),
    "hides leading frames": _hides_leading_frames,
    "hides last frames": _hides_last_frames,
    "starts before zero": _made(
        Sample(
            options=WITHOUT_B_FRAMES,
            ticks=range(-2, FRAMES - 2),
            muxer={"use_editlist": "1", "avoid_negative_ts": "disabled"},
        )
    ),
    "no edit list": _made(Sample(options=B_FRAMES, muxer={"use_editlist": "0"})),
    "variable rate": _made(Sample(ticks=[0, 1, 5, 6, 20, 21], options=B_FRAMES)),
    "odd time base": _made(Sample(time_base=Fraction(1001, 30000), options=B_FRAMES)),
    "audio is longer": _made(Sample(audio_seconds=1, options=B_FRAMES)),
    "says words that are types of boxes": _says(b"The trunk at Costco, Elstree, by inference."),
    "fragmented": _made(
        Sample(
            options={"x264-params": "keyint=2:min-keyint=2", "bf": "0"},
            muxer={"movflags": "frag_keyframe+empty_moov"},
        )
    ),
    "as late as can be": _late,
    **{name: _made(sample) for name, (sample, _, _) in COLOURED.items()},
    "odd title": _odd_title,
    "turned by 90": _turned(90),
    "turned by 180": _turned(180),
    "turned by 270": _turned(270),
    "HEVC": _made(Sample(codec="libx265")),
}


def _truncated(path: Path) -> Path:
    """Write a clip with its index in front, and half of its frames missing."""
    write_sample(path, Sample(options=WITHOUT_B_FRAMES, muxer={"movflags": "+faststart"}))
    data = path.read_bytes()
    path.write_bytes(data[: (data.index(b"mdat") + len(data)) // 2])
    return path


def _without_index(path: Path) -> Path:
    """Write a clip that ends before its index, which stands at its end."""
    data = _plain(path).read_bytes()
    path.write_bytes(data[: data.index(b"moov")])
    return path


def _promises_more(path: Path) -> Path:
    """Write a clip whose last two frames lie, by its index, behind the end of the file."""
    write_sample(path, Sample(options=WITHOUT_B_FRAMES, muxer={"movflags": "+faststart"}))
    data = bytearray(path.read_bytes())
    sizes = data.index(b"stsz") + 12
    count = struct.unpack_from(">I", data, sizes)[0]
    for at in (sizes + 4 * (count - 1), sizes + 4 * count):
        struct.pack_into(">I", data, at, len(data))
    path.write_bytes(data)
    return path


def _empty_last_frame(path: Path) -> Path:
    """Write a clip whose last frame has its place in the index but nothing in it to decode."""
    write_sample(path, Sample(options=WITHOUT_B_FRAMES, muxer={"movflags": "+faststart"}))
    data = bytearray(path.read_bytes())
    sizes = data.index(b"stsz") + 12
    size = struct.unpack_from(">I", data, sizes + 4 * FRAMES)[0]
    data[-size:] = struct.pack(">IB", size - 4, 12).ljust(size, b"\xff")  # filler
    path.write_bytes(data)
    return path


def _skips_last_frames(path: Path) -> Path:
    """Write a clip of MPEG-4 whose last two frames say that they have no image of their own."""
    muxer = {"movflags": "+faststart"}
    write_sample(path, Sample(codec="mpeg4", options=WITHOUT_B_FRAMES, muxer=muxer))
    data = bytearray(path.read_bytes())
    sizes = data.index(b"stsz") + 12
    *_, before, last = struct.unpack_from(f">{FRAMES}I", data, sizes + 4)
    for size, end in (before, len(data) - last), (last, len(data)):
        data[end - size : end] = b"\0\0\1\xb6\x5a\xdf".ljust(size, b"\xff")
    path.write_bytes(data)
    return path


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box of an MP4."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


_CONTAINERS = b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"


def write_boxes(path: Path, data: bytearray, before: bytes, boxes: bytes) -> Path:
    """Write an MP4, whose index is at its end, with boxes in front of the first of a kind."""
    at = data.index(before) - 4
    for kind in _CONTAINERS:
        start = data.index(kind) - 4
        size = struct.unpack_from(">I", data, start)[0]
        if start < at < start + size:
            struct.pack_into(">I", data, start, size + len(boxes))
    data[at:at] = boxes
    path.write_bytes(data)
    return path


def _unknown_codec(path: Path) -> Path:
    path.write_bytes(_plain(path).read_bytes().replace(b"avc1", b"zzz1"))
    return path


def _hides_all_frames(path: Path) -> Path:
    """Write a clip whose edit list shows a second that has no frame."""
    return _with_edit(write_sample(path, Sample(options=B_FRAMES)), skip=100, length=24)


def _sound(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=48000)
        for frame in _tone(Sample(audio_seconds=0.2)):
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def _sound_with_cover(path: Path) -> Path:
    """Write a file of sound with a cover image, which FFmpeg takes for a video of one frame."""
    image = _png(path).read_bytes()
    return _tagged(_sound(path), box(b"covr", box(b"data", struct.pack(">II", 14, 0) + image)))


def _tagged(path: Path, tag: bytes) -> Path:
    """Add a tag to the index of a file, which is at its end."""
    handler = box(b"hdlr", struct.pack(">II4s12xx", 0, 0, b"mdir"))
    tags = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", tag)))
    return write_boxes(path, bytearray(path.read_bytes()), b"trak", tags)


def _written(data: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


def _png(path: Path) -> Path:
    Image.new("RGB", (WIDTH, HEIGHT), (9, 99, 199)).save(path, "PNG")
    return path


# The same for files that are no clips, or damaged ones.
UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "truncated": _truncated,
    "without its index": _without_index,
    "promises more frames": _promises_more,
    "an empty last frame": _empty_last_frame,
    "skipped last frames": _skips_last_frames,
    "text": _written(b"This is text.\n" * 100),
    "playlist": _written(b"#EXTM3U\n#EXTINF:1,\nother.mp4\n"),
    "empty": _written(b""),
    "PNG": _png,
    "audio only": _sound,
    "audio with a cover": _sound_with_cover,
    "unknown codec": _unknown_codec,
    "hides all frames": _hides_all_frames,
}


def last_frame(path: Path) -> av.VideoFrame:
    """Return what PyAV shows last of a clip that it decodes from the start."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return max(frames, key=lambda frame: frame.pts or 0)
