"""What a browser is told with every answer: nothing but the page's own parts may run or load."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def content_security_policy(html: str, origins: Sequence[str]) -> str:
    """Return the policy for a page whose clips come from here, or from some origins."""
    clips = " ".join(["'self'", *origins])
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(_hashes(html, "script")) or "'none'",
        "style-src": " ".join(_hashes(html, "style")) or "'none'",
        "img-src": clips,
        "media-src": clips,
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _hashes(html: str, tag: str) -> Iterator[str]:
    """Yield what allows each inline block of a page, and no other."""
    for block in re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL):
        yield f"'sha256-{b64encode(sha256(block.encode()).digest()).decode()}'"
