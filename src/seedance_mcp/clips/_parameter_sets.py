"""H.264 in MP4s: NAL units behind their lengths, and the parameter sets that decode them.

An MP4 keeps them in a record of its own (avcC), one SPS and one PPS most times. Joined clips have
several: these go into the stream, in front of each key frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SLICES = range(1, 6)  # the coded image itself
_IDR, _DELIMITER = 5, 9


@dataclass(frozen=True)
class Avc:
    """An avcC record: how long the lengths in front of NAL units are, and the parameter sets."""

    length_size: int
    parameter_sets: tuple[bytes, ...]

    @property
    def in_band(self) -> bytes:
        """The parameter sets as NAL units of the stream."""
        return b"".join(
            len(unit).to_bytes(self.length_size, "big") + unit for unit in self.parameter_sets
        )


def parse_avcc(record: bytes | None) -> Avc | None:
    """Return what an avcC record says; None if it is none, or its sets have no room in-band."""
    if not record or len(record) < 7 or record[0] != 1:
        return None
    length_size = (record[4] & 3) + 1
    try:
        sps, rest = _sets(record[6:], record[5] & 31)
        pps, _ = _sets(rest[1:], rest[0])
    except IndexError:
        return None
    if not sps or not pps or max(map(len, sps + pps)) >= 1 << 8 * length_size:
        return None
    return Avc(length_size, sps + pps)


def _sets(data: bytes, count: int) -> tuple[tuple[bytes, ...], bytes]:
    sets: list[bytes] = []
    for _ in range(count):
        length = data[0] << 8 | data[1]
        if not length or len(data) < 2 + length:
            raise IndexError
        sets.append(data[2 : 2 + length])
        data = data[2 + length :]
    return tuple(sets), data


def nal_units(packet: bytes | memoryview, length_size: int) -> Iterator[tuple[int, int, int]]:
    """Yield type, start and end of each NAL unit, the length in front left out.

    Raises:
        ValueError: The lengths do not fit the packet.
    """
    at = 0
    while at < len(packet):
        start = at + length_size
        at = start + int.from_bytes(packet[at:start], "big")
        if not start < at <= len(packet):
            raise ValueError("damaged NAL units")
        yield packet[start] & 31, start, at


def is_idr(packet: bytes | memoryview, length_size: int) -> bool:
    """Return whether a packet is an image before which a decoder may forget everything.

    Raises:
        ValueError: It is damaged, or holds no image at all.
    """
    kinds = {kind for kind, _, _ in nal_units(packet, length_size)}
    if kinds.isdisjoint(_SLICES):
        raise ValueError("no image")
    return _IDR in kinds


def with_parameter_sets(packet: bytes, avc: Avc) -> bytes:
    """Return a packet with the parameter sets in front; but a delimiter stays the first."""
    kind, _, end = next(nal_units(packet, avc.length_size))
    at = end if kind == _DELIMITER else 0
    return packet[:at] + avc.in_band + packet[at:]
