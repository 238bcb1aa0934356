"""What the values of variables may be, and how they are read."""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What a client did not expand, and what examples have in place of a token.
_PLACEHOLDER = re.compile(r".*\$\{.*\}|\$\w+$|%\w+%$|<.*>$|your[-_]", re.IGNORECASE)

_VARIABLE = re.compile(r"\$\{([^}]*)\}|\$(\w+)|%(\w+)%", re.ASCII)

# What Claude Desktop leaves where an option of a bundle was left out.
_LEFT_OUT = re.compile(r"\$\{user_config\.\w+\}")

MIN_KEY_BYTES = 32
"""How long a key must be, so that it cannot be guessed."""

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def is_unset(value: str) -> bool:
    """Return whether a variable counts as unset: it is blank, or names an option left out."""
    return not value.strip() or bool(_LEFT_OUT.fullmatch(value.strip()))


def check_token(value: str) -> str:
    """Return a token if it is printable ASCII without white space (client), and no placeholder.

    Raises:
        ValueError: It is not one; the message does not repeat it.
    """
    token = value.strip()
    if not (token.isascii() and token.isprintable()) or " " in token or _PLACEHOLDER.match(token):
        raise ValueError("not a token")
    return token


def check_key(value: str) -> str:
    """Return a key if it has at least 32 bytes and is no placeholder.

    Raises:
        ValueError: It is not one; the message does not repeat it.
    """
    key = value.strip()
    if len(key.encode("utf-8", "surrogatepass")) < MIN_KEY_BYTES or _PLACEHOLDER.match(key):
        raise ValueError("not a key")
    return key


def cli_token_file(given: Mapping[str, str]) -> Path | None:
    """Return where the CLI keeps its token (client); None if the home folder is unknown.

    `given` are the environment variables that are set.
    """
    home = given.get("HOME") or given.get("USERPROFILE")
    if folder := given.get("RUNCOMFY_CONFIG_DIR"):
        path = Path(folder)
    elif config := given.get("XDG_CONFIG_HOME"):
        path = Path(config) / "runcomfy"
    elif home:
        path = Path(home) / ".config" / "runcomfy"
    else:
        return None
    return path / "token.json"


def read_cli_token(file: Path) -> str:
    """Return the token in the CLI's file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has no valid token.
    """
    try:
        return check_token(json.loads(file.read_text("utf-8"))["access_token"])
    except (LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError("no token") from None


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address always means this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_origin(value: str) -> str:
    """Return a base URL if it is safe to send the token there."""
    url = value.strip()
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError if it is out of range
    if not url.isascii() or not url.isprintable() or set(url) & set(" ?#@"):
        raise ValueError("not an origin")
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if not encrypted or not parts.hostname:
        raise ValueError("not a safe origin for a token")
    # One origin has one owner in the ledger, however it is written.
    netloc = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])
    # RunComfy's own documentation writes it with the version, which every request adds.
    return parts._replace(netloc=netloc).geturl().rstrip("/").removesuffix("/v1").rstrip("/")


def check_database(value: str) -> str:
    """Return the URL of a PostgreSQL database; psycopg alone reads the rest of it.

    Raises:
        ValueError: It is not one; the message does not repeat it, as it may hold a password.
    """
    url = value.strip()
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("not a database")
    return url


def check_issuer(value: str) -> str:
    """Return the URL of an OAuth issuer, byte for byte, since tokens must name the same.

    Raises:
        ValueError: It is neither https nor on this machine, or has a query or a fragment.
    """
    url = value.strip()
    check_origin(url)
    return url


def check_audience(value: str) -> str:
    """Return an audience: printable ASCII without white space.

    Raises:
        ValueError: It is not one.
    """
    audience = value.strip()
    if not (audience.isascii() and audience.isprintable()) or " " in audience:
        raise ValueError("not an audience")
    return audience


def check_folder(value: Path) -> Path:
    """Return a folder if it is the same one wherever the client starts the server."""
    try:
        folder = value.expanduser()
    except RuntimeError as error:
        raise ValueError("unknown home folder") from error
    if not folder.is_absolute():
        raise ValueError("not an absolute path")
    return folder


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Return a path with its variables replaced, which many clients leave to the server.

    Each is `$NAME`, `${NAME}` or `%NAME%`. The path is empty if one of them is unknown.
    """
    names = {found[0]: found[found.lastindex or 0] for found in _VARIABLE.finditer(value)}
    if not all(variables.get(name) for name in names.values()):
        return ""
    return _VARIABLE.sub(lambda found: variables[names[found[0]]], value)


def lower(value: Any) -> Any:
    """Return a word in small letters, without blanks around it."""
    return value.strip().lower() if isinstance(value, str) else value


def listed(value: Any) -> Any:
    """Return the words of a list with commas, none of them for the word none."""
    words = [word.strip().lower() for word in value.split(",")] if isinstance(value, str) else value
    return () if words == ["none"] else words
