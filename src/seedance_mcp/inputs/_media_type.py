"""Reads the type of a video or audio file from its first bytes."""

from seedance_mcp.models.model import FileKind

from ._errors import NotMedia
from ._image_header import describe

ENOUGH_BYTES = 512
"""How many bytes tell every type, and text from other data."""

SAFE_TYPES: dict[FileKind, tuple[str, str]] = {"video": ("MP4", "MOV"), "audio": ("WAV", "MP3")}
"""The types that RunComfy is known to take (client)."""

_ONLY_SOUND = frozenset({"WAV", "MP3", "M4A", "AAC", "MP2", "FLAC", "AIFF", "AMR"})

# A file without a ftyp box is as old as QuickTime.
_BOXES = {b"moov": "MOV", b"mdat": "MOV", b"wide": "MOV", b"free": "MOV", b"skip": "MOV"}
_BRANDS = {b"qt  ": "MOV", b"M4A ": "M4A", b"M4B ": "M4A", b"M4P ": "M4A"}
_FORMS = {b"WAVE": "WAV", b"AVI ": "AVI"}
_MAGIC = {
    b"ID3": "MP3",
    b"\x1aE\xdf\xa3": "WebM or Matroska",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"FORM": "AIFF",
    b"#!AMR": "AMR",
    b"FLV": "FLV",
    b"\0\0\1\xba": "MPEG",
    b"\0\0\1\xb3": "MPEG",
    b"0&\xb2u": "WMV or WMA",
}
_OTHER = {b"PK\3\4": "a ZIP archive", b"\x1f\x8b": "a gzip archive"}
_LAYERS = {0: "AAC", 1: "MP3", 2: "MP2", 3: "MP2"}
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b")


def read_media_type(start: bytes, kind: FileKind) -> str | None:
    """Return the type of a file by its first bytes, such as MP4; None if it is unknown.

    Raises:
        NotMedia: It is certainly no file of this kind.
    """
    found = _identify(start)
    if found is None:
        other = next((name for magic, name in _OTHER.items() if start.startswith(magic)), None)
        other = describe(start) or other or ("text" if _is_text(start) else None)
        if other:
            raise NotMedia(other)
    elif kind == "video" and found in _ONLY_SOUND:
        raise NotMedia(f"an audio file ({found})")
    return found


def _identify(start: bytes) -> str | None:
    name = start[4:8]
    if name == b"ftyp" and not describe(start):
        return _BRANDS.get(start[8:12], "MP4")
    if start.startswith((b"RIFF", b"RF64")):
        return _FORMS.get(start[8:12])
    known = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    return known or _BOXES.get(name) or _frame_type(start)


def _frame_type(start: bytes) -> str | None:
    """Return the type of what begins with a frame of MPEG audio, or with an MPEG packet."""
    if len(start) > 188 and start[0] == start[188] == 0x47:
        return "MPEG-TS"
    if len(start) < 4 or start[0] != 0xFF or start[1] & 0xE0 != 0xE0:
        return None
    version, layer = start[1] >> 3 & 3, start[1] >> 1 & 3
    # AAC has no bit rate here, and all frames of MPEG audio have one (ISO 11172-3).
    valid = layer == 0 or (start[2] >> 4 != 0xF and start[2] >> 2 & 3 != 3)
    return _LAYERS[layer] if version != 1 and valid else None


def _is_text(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(start):  # the last character may be cut off
            return False
    return not _CONTROL & frozenset(start)
