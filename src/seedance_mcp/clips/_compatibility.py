"""Whether clips can be joined by copying their packets."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm

from ._source import Source

# Where FFmpeg makes them finer by itself, and a tick is short enough for a frame not to be seen.
_MIN_TICKS = 10_000
_MAX_TICKS = 100_000_000  # of a second; it has to fit 32 bits


def common_ticks(sources: Sequence[Source]) -> int:
    """Return how many ticks of a second all time bases convert to exactly; 0 for too many."""
    if any(source.time_base.numerator != 1 for source in sources):
        return 0
    ticks = lcm(*(source.time_base.denominator for source in sources))
    while ticks < _MIN_TICKS:
        ticks *= 2
    return ticks if ticks <= _MAX_TICKS else 0


def may_copy_video(sources: Sequence[Source]) -> bool:
    """Return whether packets of the video may be copied, with new times and parameter sets."""
    return (
        all(source.avc and source.whole for source in sources)
        and len({source.form for source in sources}) == 1
        and all(_same_rate(*pair) for pair in pairwise(sources))
        and common_ticks(sources) > 0
    )


def _same_rate(one: Source, other: Source) -> bool:
    """Return whether both have the same time between frames, but for rounding."""
    difference = one.interval * one.time_base - other.interval * other.time_base
    return abs(difference) <= max(_rounding(one), _rounding(other))


def _rounding(source: Source) -> Fraction:
    """Return by how many seconds a rate may seem to differ that does not."""
    # In coarser ticks, 23.976 and 24 frames a second may differ by less than one.
    return source.time_base if source.interval >= 2000 else Fraction(0)


def may_copy_audio(sources: Sequence[Source]) -> bool:
    """Return whether packets of the audio may be copied; clips without any do not matter."""
    tracks = [source.audio for source in sources if source.audio]
    return (
        len({track.form for track in tracks}) == 1
        and all(track.uniform for track in tracks)
        and (tracks[0].form.codec, tracks[0].form.profile) == ("aac", "LC")
    )
