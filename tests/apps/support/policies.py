"""What hosts let an app load: the policies that they send, and how they sandbox its frame."""

from collections.abc import Sequence
from typing import Literal

HostName = Literal["spec", "vscode", "goose", "inspector"]

HOSTS: tuple[HostName, ...] = ("spec", "vscode", "goose", "inspector")

SANDBOXES: dict[HostName, str] = {
    "spec": "allow-scripts allow-same-origin",
    "vscode": "allow-scripts allow-same-origin allow-forms",
    "goose": "allow-scripts allow-same-origin",
    # So the page has no origin.
    "inspector": "allow-scripts allow-forms",
}

_OWN_SOURCES: dict[HostName, str] = {
    "spec": "'self' data:",
    "vscode": "'self' data:",
    "goose": "'self' data: blob:",
    "inspector": "",
}
"""What a page may always show pictures and clips from, besides what it declares."""


def policy(host: HostName, origins: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that declares origins for resources."""
    declared = " ".join(origins)
    own = "" if host == "inspector" else "'self' "
    shown = f"{_OWN_SOURCES[host]} {declared}".strip() or "'none'"
    directives = {
        "default-src": "'none'",
        "script-src": f"{own}'unsafe-inline' {declared}",
        "style-src": f"{own}'unsafe-inline' {declared}",
        "img-src": shown,
        "media-src": shown,
        "font-src": f"{own}{declared}".strip() or "'none'",
        "connect-src": "'self'" if host in {"vscode", "goose"} else "'none'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'self'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in directives.items())
