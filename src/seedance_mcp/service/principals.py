"""Whom a call is made for: each principal sees, and may spend, only what is its own."""

from dataclasses import dataclass

from pydantic import SecretStr

RUNCOMFY = "runcomfy:"
"""What the names of principals begin with that bring a RunComfy token of their own."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whom a call is made for.

    Attributes:
        name: What tells principals apart, such as `token:alice`; empty for this machine's user, and
            `runcomfy:` for one that its token tells apart.
        token: The RunComfy token that it brought; None to use the server's.
    """

    name: str = ""
    token: SecretStr | None = None


MACHINE_USER = Principal()
"""Whoever can start a process here: the caller over stdio, and on a loopback address."""
