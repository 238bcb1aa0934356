"""Where each clip lies in the joined one, and what writes its video there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ._source import Source

if TYPE_CHECKING:
    from ._source import AnyPacket


@dataclass(frozen=True, kw_only=True)
class Span:
    """A clip's place, in seconds.

    Attributes:
        first: The number of its first frame that counts: 1 where frame 0 doubles the one before.
        start: When that frame is shown in the joined clip.
        length: How long the clip lasts there.
    """

    source: Source
    first: int
    start: Fraction
    length: Fraction

    @property
    def shown_from(self) -> Fraction:
        """When its first frame that counts is shown in the clip itself."""
        shown = self.source.shown
        return shown[min(self.first, len(shown) - 1)] * self.source.time_base


class VideoTrack:
    """Takes the packets of one clip's video after the other, and yields packets to write.

    Attributes:
        total: How many frames it will return; `done` of them it has.
        seconds: How far it has come in the joined clip.
    """

    spans: Sequence[Span]
    total: int
    done: int = 0
    seconds: Fraction = Fraction(0)

    def begin(self, number: int) -> None:
        """Go on to the clip of that number."""
        raise NotImplementedError

    def push(self, packet: "AnyPacket") -> "Iterator[list[AnyPacket]]":
        """Take a packet of the clip's video, or the empty one at its end; yield frame by frame.

        Raises:
            UnreadableClip: The clip is damaged.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Check that the clip was there to its end.

        Raises:
            UnreadableClip: It was not.
        """
        raise NotImplementedError

    def finish(self) -> "list[AnyPacket]":
        """Return what is left after the last clip."""
        return []


def rounded(value: Fraction) -> int:
    """Return the nearest whole number, a half rounded up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
