"""The types of command-line arguments, each with a message that states what is allowed."""

import re
from argparse import ArgumentTypeError
from contextlib import suppress

MAX_COUNT = 1_000_000

# A name or an address as in a URL, perhaps with a port or a * for any port.
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?:[0-9]{1,5}|\*))?")

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def count(text: str) -> int:
    """Parse a whole number from 1 to `MAX_COUNT`."""
    with suppress(ValueError):
        number = int(text)
        if 1 <= number <= MAX_COUNT:
            return number
    raise ArgumentTypeError(f"expected a whole number from 1 to {MAX_COUNT}, got {text}")


def seconds(text: str) -> float:
    """Parse a finite number of seconds, 0 or more."""
    with suppress(ValueError):
        number = float(text)
        # The comparison is false for NaN, too.
        if 0 <= number < float("inf"):
            return number
    raise ArgumentTypeError(f"expected a number of seconds from 0, got {text}")


def port(text: str) -> int:
    """Parse a TCP port; 0 asks for a free one."""
    with suppress(ValueError):
        number = int(text)
        if 0 <= number <= 65_535:
            return number
    raise ArgumentTypeError(f"expected a port from 0 to 65535, got {text}")


def path(text: str) -> str:
    """Parse the path of an endpoint, such as /mcp."""
    if _PATH.fullmatch(text):
        return text
    raise ArgumentTypeError(f"expected a path such as /mcp, got {text}")


def host_header(text: str) -> str:
    """Parse a name as it stands in the Host of a request: NAME, NAME:PORT or NAME:*."""
    if _HOST.fullmatch(text.lower()):
        return text.lower()
    raise ArgumentTypeError(f"expected NAME, NAME:PORT or NAME:*, got {text}")


def origin(text: str) -> str:
    """Parse the origin of a page, such as https://example.com; its port may be *."""
    scheme, _, host = text.lower().partition("://")
    if scheme in {"http", "https"} and _HOST.fullmatch(host):
        return text.lower()
    raise ArgumentTypeError(f"expected an origin such as https://example.com, got {text}")
