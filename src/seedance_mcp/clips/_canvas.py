"""Frames brought to the form of the first clip: turned, scaled with bars, in its colours."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

from ._decoding import fill_in_tags, known_tags
from ._display_matrix import is_on_its_side
from ._source import VideoForm

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter import Graph
    from av.video.stream import VideoStream

# As ISO/IEC 23091-2 and FFmpeg number them. Other matrices are taken for BT.709.
_RGB, _BT709, _UNSPECIFIED = 0, 1, 2
_YUV_MATRICES = {_BT709, 4, 5, 6, 7, 9}
_ENCODED = {"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"}


class _Look(NamedTuple):
    """What a frame looks like before it is brought to the form."""

    width: int
    height: int
    pix_fmt: str
    sample_aspect: Fraction
    colorspace: int
    color_range: int
    turned: int  # quarters, counter-clockwise


class Canvas:
    """The form that all frames are brought to: that of a clip as it is shown."""

    def __init__(self, video: "VideoStream", form: VideoForm) -> None:
        context = video.codec_context
        width, height = form.size
        aspect = form.sample_aspect
        if is_on_its_side(form.matrix):
            width, height, aspect = height, width, 1 / aspect
        colorspace, color_range = known_tags(context.colorspace, context.color_range, form.size[1])
        self._look = _Look(
            # Encoders want even sizes, since there is one sample of colour to two pixels.
            width=width + width % 2,
            height=height + height % 2,
            pix_fmt=_encodable(video),
            sample_aspect=aspect,
            colorspace=colorspace if colorspace in _YUV_MATRICES else _BT709,
            color_range=color_range,
            turned=0,
        )
        self._primaries, self._transfer = context.color_primaries, context.color_trc
        self._built: tuple[_Look, Graph] | None = None

    def describe(self, stream: "VideoStream") -> None:
        """Set the form of a stream that is to be encoded."""
        look, context = self._look, stream.codec_context
        stream.width, stream.height, stream.pix_fmt = look.width, look.height, look.pix_fmt
        context.sample_aspect_ratio = look.sample_aspect
        context.colorspace, context.color_range = look.colorspace, look.color_range
        context.color_primaries = self._primaries or _UNSPECIFIED
        context.color_trc = self._transfer or _UNSPECIFIED

    def fit(self, frame: "VideoFrame", sample_aspect: Fraction) -> "VideoFrame":
        """Return a frame in this form, never distorted."""
        turned = round(frame.rotation / 90) % 4
        fill_in_tags(frame)
        if frame.colorspace not in {_RGB, *_YUV_MATRICES}:
            frame.colorspace = _BT709
        look = _Look(
            frame.width,
            frame.height,
            frame.format.name,
            sample_aspect,
            frame.colorspace,
            frame.color_range,
            turned,
        )
        if look == self._look:
            return frame
        if self._built is None or self._built[0] != look:
            self._built = look, _build(look, self._look)
        graph = self._built[1]
        graph.push(frame)
        return cast("VideoFrame", graph.pull())


def _encodable(video: "VideoStream") -> str:
    """Return the pixel format that is nearest to a clip's and can be encoded."""
    name = (video.pix_fmt or "").replace("yuvj", "yuv")
    if name in _ENCODED:
        return name
    deep = any(component.bits > 8 for component in video.format.components)
    return "yuv420p10le" if deep else "yuv420p"


def _build(look: _Look, to: _Look) -> "Graph":
    """Return the filters that bring frames from one form to another."""
    from av.filter import Graph

    graph = Graph()
    steps = [
        graph.add(
            "buffer",
            f"video_size={look.width}x{look.height}:pix_fmt={look.pix_fmt}:time_base=1/90000"
            f":colorspace={look.colorspace}"
            f":range={look.color_range}",
        ),
        *(graph.add("transpose", side) for side in _TURNS[look.turned]),
        *(graph.add(name, arguments) for name, arguments in _scaling(look, to)),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*steps)
    graph.configure()
    return graph


_TURNS = {0: [], 1: ["cclock"], 2: ["clock", "clock"], 3: ["clock"]}


def _scaling(look: _Look, to: _Look) -> list[tuple[str, str]]:
    width, height = _fitting(look, to)
    # To whole samples of colour, which may be one to two pixels.
    x, y = (to.width - width) // 4 * 2, (to.height - height) // 4 * 2
    return [
        (
            "scale",
            f"{width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int{_to_yuv(look, to)}",
        ),
        ("format", to.pix_fmt),
        *_recolouring(look, to),
        ("pad", f"{to.width}:{to.height}:{x}:{y}:black"),
    ]


def _to_yuv(look: _Look, to: _Look) -> str:
    matrix = look.colorspace if look.colorspace in _YUV_MATRICES else to.colorspace
    return f":out_color_matrix={matrix}:out_range={to.color_range}"


def _recolouring(look: _Look, to: _Look) -> list[tuple[str, str]]:
    """Return the filter from one matrix to another, which scaling would do less exactly."""
    if look.colorspace == to.colorspace or look.colorspace not in _YUV_MATRICES:
        return []
    # Only the matrix is to change, so both sides get the same for the rest.
    same = ":".join(f"{side}primaries=bt709:{side}trc=bt709" for side in ("i", ""))
    matrices = f"ispace={look.colorspace}:space={to.colorspace}"
    tone = to.color_range
    return [
        (
            "colorspace",
            f"{matrices}:{same}:irange={tone}:range={tone}:format={to.pix_fmt.removesuffix('le')}",
        )
    ]


def _fitting(look: _Look, to: _Look) -> tuple[int, int]:
    """Return the largest size within a form that keeps the shape of what is shown."""
    width, height, aspect = look.width, look.height, look.sample_aspect
    if look.turned % 2:
        width, height, aspect = height, width, 1 / aspect
    # How wide it is at the height of 1, in pixels of the form.
    shape = Fraction(width, height) * aspect / to.sample_aspect
    if shape * to.height >= to.width:
        return to.width, _even(to.width / shape, to.height)
    return _even(shape * to.height, to.width), to.height


def _even(length: Fraction, most: int) -> int:
    return min(most, max(2, 2 * round(length / 2)))
