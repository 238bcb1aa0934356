"""The type of a file by its first bytes; the URL and the headers may say anything."""

import re

HEAD_BYTES = 12
"""How many of its first bytes show a file's type."""

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
    """Return the extension, with its dot, of a "video" or "image"; None if it is something else."""
    for suffix, signature in _SIGNATURES[kind].items():
        if re.match(signature, head[:HEAD_BYTES], re.DOTALL):
            return suffix
    return None
