"""Text that came from outside, cut to what may be shown."""


def one_line(text: str, limit: int = 60) -> str:
    """Cut a text that came from outside to one printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
