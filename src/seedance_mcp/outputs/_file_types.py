"""Which kind of file bytes begin: told by themselves, never by the name that they come under."""

import re

HEAD_BYTES = 12
"""How much of a file tells its kind."""

_SIGNATURES = {
    "image": {
        ".jpg": rb"\xff\xd8\xff",
        ".png": rb"\x89PNG\r\n\x1a\n",
        ".webp": rb"RIFF....WEBP",
        ".gif": rb"GIF8[79]a",
        ".avif": rb"....ftypavi[fs]",
        ".heic": rb"....ftyp(hei[cx]|mif1)",
    },
    "video": {".mp4": rb"....ftyp"},
}


def extension(kind: str, head: bytes) -> str | None:
    """Give the extension of a file, with its dot, by its first bytes.

    Args:
        kind: What it should be, a video or an image.
        head: At least `HEAD_BYTES` of it, if it has so many.

    Returns:
        None where it is no such thing.
    """
    found = (
        ending
        for ending, signature in _SIGNATURES[kind].items()
        if re.match(signature, head[:HEAD_BYTES], re.DOTALL)
    )
    return next(found, None)
