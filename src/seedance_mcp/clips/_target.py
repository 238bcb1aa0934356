"""The joined MP4 while it is written."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import OutputContainer

    from ._source import AnyPacket


@contextmanager
def open_target(path: Path) -> "Generator[OutputContainer]":
    """Open an MP4 to write; every error of FFmpeg inside is taken for one of writing.

    Raises:
        OSError: It cannot be written.
    """
    import av
    from av.error import FFmpegError

    try:
        # Absolute, since FFmpeg takes what stands before a colon for a protocol.
        with av.open(str(path.absolute()), "w", format="mp4") as container:
            yield container
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def new_packet(data: bytes) -> "AnyPacket":
    """Return a packet with a copy of its data, which may outlive it in the muxer."""
    from av import Packet

    # PyAV 17 frees the data of `Packet(data)` while the muxer still waits for other packets.
    packet = Packet(len(data))
    packet.update(data)
    return packet
