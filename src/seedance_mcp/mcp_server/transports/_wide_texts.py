"""Measures the texts of a body that take up to four bytes a character once they are parsed."""

MOST_WIDE_BYTES = 256 * 1024
"""How long those may be in all; an image is ASCII."""


def wide_bytes(body: bytes) -> int:
    """Return how long the texts of a JSON body are in all that have characters beyond ASCII."""
    if body.isascii() and b"\\u" not in body:
        return 0
    total = size = 0
    wide = False
    for part in body.split(b'"'):
        size += len(part)
        wide = wide or b"\\u" in part or not part.isascii()
        # Otherwise the quote is a part of the text, or may be.
        if not part.endswith(b"\\"):
            total += size if wide else 0
            size, wide = 0, False
    return total + (size if wide else 0)
