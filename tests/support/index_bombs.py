"""MP4s of a few kilobytes for whose index FFmpeg would take a gigabyte, or minutes."""

import struct
from collections.abc import Callable
from pathlib import Path

from .sample_clips import SAMPLES, Sample, box, write_boxes, write_sample

_plain = SAMPLES["plain"]


def _index_of_millions(path: Path) -> bytearray:
    """Return a clip whose index names 16 million frames of one byte, for which 1 GB is needed."""
    data = bytearray(_plain(path).read_bytes())
    count = 1 << 24
    struct.pack_into(">II", data, data.index(b"stsz") + 8, 1, count)
    struct.pack_into(">I", data, data.index(b"stsc") + 16, count)
    struct.pack_into(">I", data, data.index(b"stts") + 12, count)
    return data


def _promises_millions(path: Path) -> Path:
    path.write_bytes(_index_of_millions(path))
    return path


def _hides_millions(path: Path) -> Path:
    """Write the same with the type of the box of sizes in the one before it, too."""
    return write_boxes(path, _index_of_millions(path), b"stsz", box(b"free", b"stsz"))


def _long_size(path: Path) -> Path:
    """Write the same with the size of that box in 64 bits, which come behind its type."""
    data = _index_of_millions(path)
    at = data.index(b"stsz") - 4
    size = struct.unpack_from(">I", data, at)[0]
    sizes = struct.pack(">I4sQ", 1, b"stsz", size + 8) + data[at + 8 : at + size]
    del data[at : at + size]
    return write_boxes(path, data, b"stco", sizes)


def _many_edits(path: Path) -> Path:
    """Write a clip whose edit list shows all of it 200,000 times."""
    data = bytearray(_plain(path).read_bytes())
    at = data.index(b"elst") - 4
    size = struct.unpack_from(">I", data, at)[0]
    count = 200_000
    edits = box(b"elst", struct.pack(">II", 0, count) + data[at + 16 : at + 28] * count)
    del data[at : at + size]
    data[at - 4 - 4 : at - 4] = struct.pack(">I", 8)  # its parent, empty now
    return write_boxes(path, data, b"mdia", box(b"edts", edits))


def _many_tracks(path: Path) -> Path:
    """Write a clip with its track a thousand times."""
    data = bytearray(_plain(path).read_bytes())
    at = data.index(b"trak") - 4
    size = struct.unpack_from(">I", data, at)[0]
    return write_boxes(path, data, b"trak", bytes(data[at : at + size]) * 1000)


def _huge_chunks(path: Path) -> Path:
    """Write a clip with sound that is not compressed, in 20 chunks of a billion samples."""
    entry = box(b"sowt", struct.pack(">6xH8xHHHHI", 1, 2, 16, 0, 0, 48000 << 16))
    stbl = [
        box(b"stsd", struct.pack(">II", 0, 1) + entry),
        box(b"stts", struct.pack(">IIII", 0, 1, 2, 1)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1 << 30, 1)),
        box(b"stsz", struct.pack(">III", 0, 4, 2)),
        box(b"stco", struct.pack(">22I", 0, 20, *[48] * 20)),
    ]
    header = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 48000, 48000, 0x55C4, 0))
    handler = box(b"hdlr", struct.pack(">II4s13x", 0, 0, b"soun"))
    media = header + handler + box(b"minf", box(b"stbl", b"".join(stbl)))
    track = box(b"tkhd", struct.pack(">IIIIII60x", 7, 0, 0, 2, 0, 1000)) + box(b"mdia", media)
    return write_boxes(path, bytearray(_plain(path).read_bytes()), b"trak", box(b"trak", track))


def _still_images(path: Path) -> Path:
    """Write a clip that lists 20,000 still images as well."""
    count = 20_000
    infe = [
        box(b"infe", struct.pack(">IHH4sx", 2 << 24, number, 0, b"hvc1")) for number in range(count)
    ]
    items = box(b"iinf", struct.pack(">IH", 0, count) + b"".join(infe))
    places = [struct.pack(">HHHII", number, 0, 1, 48, 20) for number in range(count)]
    iloc = box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, count) + b"".join(places))
    handler = box(b"hdlr", struct.pack(">II4s13x", 0, 0, b"pict"))
    meta = box(b"meta", bytes(4) + handler + iloc + items)
    path.write_bytes(_plain(path).read_bytes() + meta)
    return path


def _fragment_in_media(path: Path) -> Path:
    """Write a clip whose last fragment, of 20 million frames, is found by a table of fragments."""
    muxer = {"movflags": "frag_keyframe+empty_moov+default_base_moof+global_sidx"}
    write_sample(path, Sample(options={"bf": "0", "x264-params": "keyint=2"}, muxer=muxer))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"moof") - 4
    run = data.index(b"trun", at)
    struct.pack_into(">II", data, run + 4, 0, 20_000_000)
    # The size of the last fragment but one, which now ends behind the header of an mdat.
    sizes = data.index(b"sidx") + 36 + 12
    struct.pack_into(">I", data, sizes, struct.unpack_from(">I", data, sizes)[0] + 8)
    end = data.rindex(b"mfra") - 4
    data[at:at] = struct.pack(">I4s", end - at + 8, b"mdat")
    path.write_bytes(data)
    return path


# Each writes one to a path and returns the path.
BOMBS: dict[str, Callable[[Path], Path]] = {
    "promises millions of frames": _promises_millions,
    "hides the box that promises them": _hides_millions,
    "has its size in 64 bits": _long_size,
    "has many edits": _many_edits,
    "has many tracks": _many_tracks,
    "has huge chunks of sound": _huge_chunks,
    "has many still images": _still_images,
    "has a fragment in its media": _fragment_in_media,
}
