"""The form that most clients share: a command, its arguments and its environment."""

from collections.abc import Callable, Mapping

from seedance_mcp.cli.install.client import NAME, Server
from seedance_mcp.cli.install.edits import Json, Keys
from seedance_mcp.settings import TOKEN_VARIABLES

TOKEN = TOKEN_VARIABLES[0]
"""The variable that an entry keeps the token in, or refers to."""


def environment(server: Server, reference: str | None = None) -> dict[str, str]:
    """Return the variables of an entry; the token's is a reference if the client resolves it.

    Without a `reference`, the client hands its own environment on, or knows no token.
    """
    if server.authentication == "client" and reference:
        return {**server.env, TOKEN: reference}
    return dict(server.env)


def stdio(server: Server, reference: str | None = None) -> dict[str, Json]:
    """Return an entry of `command`, `args` and `env`."""
    variables = environment(server, reference)
    return {"command": server.command, "args": list(server.args), "env": variables}


def under(*containers: str) -> Callable[[bytes | None], Keys]:
    """Return the place of an entry that is the same in every file."""
    return lambda _: (*containers, NAME)


def waiting(seconds: int) -> Mapping[str, str]:
    """Return the setting that lets a call wait for so long."""
    return {"SEEDANCE_WAIT_SECONDS": str(seconds)}
