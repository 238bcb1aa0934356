"""Checks of what this program runs on and with: versions, packages, proxies, certificates."""

import platform
import re
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from seedance_mcp.proxies import read_proxies
from seedance_mcp.text import quoted

from .finding import Finding, fault, ok, warning

FindVersion = Callable[[str], str | None]

_PACKAGES = ("seedance-mcp", "mcp", "httpx", "pydantic")
_OPTIONAL = {
    "av": ("PyAV", "without it no clip is continued, joined, previewed or simulated"),
    "pillow": ("Pillow", "without it no local image can be sent"),
}


def find_version(package: str) -> str | None:
    """Return a package's version, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_versions(version_of: FindVersion) -> list[Finding]:
    """Return which versions run."""
    named = [f"{package} {version_of(package) or 'of unknown version'}" for package in _PACKAGES]
    return [ok("versions", ", ".join([f"Python {platform.python_version()}", *named]) + ".")]


def check_packages(version_of: FindVersion) -> list[Finding]:
    """Check the packages that only a part of the users needs."""
    versions = {package: version_of(package) for package in _OPTIONAL}
    missing = [
        warning(
            "packages",
            f"{name} is not installed: {loss}.",
            "If you need that, install seedance-mcp[video].",
        )
        for package, (name, loss) in _OPTIONAL.items()
        if versions[package] is None
    ]
    there = [f"{name} {versions[package]}" for package, (name, _) in _OPTIONAL.items()]
    return missing or [ok("packages", f"{' and '.join(there)} are installed.")]


def check_proxies() -> list[Finding]:
    """Check the proxy of the environment; whether it works is for the network to show."""
    proxies = read_proxies()
    unreadable = [
        warning(
            "proxy",
            f"NO_PROXY has an entry that cannot be read, and is left out: {quoted(entry)}.",
            "Write a host name, .domain or an address there.",
        )
        for entry in proxies.unreadable[:5]
    ]
    if proxies.url:
        message = f"Requests to https go through {without_credentials(proxies.url)}."
        return [ok("proxy", message), *unreadable]
    return unreadable or [ok("proxy", "None is used for https.")]


def without_credentials(url: str) -> str:
    """Return the scheme, host and port of a proxy's URL, which may not be one."""
    scheme, mark, rest = url.rpartition("://")
    # A password may have any character, "/" and "@" included.
    host = rest.rpartition("@")[2].partition("/")[0]
    known = re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,15}", scheme)
    shown = host if re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", host) else "(a URL in another form)"
    return f"{scheme}{mark}{shown}" if known else shown


def check_certificates(environment: Mapping[str, str]) -> list[Finding]:
    """Check the files of the environment that say which authorities are trusted."""
    named = {
        name: environment[name]
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
        if environment.get(name)
    }
    missing = [
        fault(
            "certificates",
            f"{name} is {quoted(value, 200)}, but that {kind} does not exist.",
            f"Correct {name}, or remove it: then the usual authorities are trusted.",
        )
        for name, value in named.items()
        for kind in ["file" if name == "SSL_CERT_FILE" else "folder"]
        if not (Path(value).is_file() if kind == "file" else Path(value).is_dir())
    ]
    used = [f"{name}, {quoted(value, 200)}," for name, value in named.items()]
    trusted = f"Those in {used[0]} are trusted." if used else "The usual authorities are trusted."
    return missing or [ok("certificates", trusted)]
