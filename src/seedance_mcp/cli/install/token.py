"""Decides where the entry of a client has the token from; best is a place that is not a file.

In this order: the file of RunComfy's CLI, which the server reads by itself; the client, where that
asks for it or has it in its environment; the file of the client, with the token of our environment
or one that the user types.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.setting_values import check_token, read_cli_token
from seedance_mcp.settings import TOKEN_VARIABLES, find_cli_token, read_settings
from seedance_mcp.text import quoted

from .client import Client
from .edits import Json

VARIABLE = TOKEN_VARIABLES[0]
"""The one that entries set and refer to."""

PLACEHOLDER = "your-runcomfy-token"
"""What stands for the token where the entry is printed; the server refuses it."""

ATTEMPTS = 3

_MOVE_CLI = ("RUNCOMFY_CONFIG_DIR", "XDG_CONFIG_HOME")

Ask = Callable[[str], str]
"""Asks the user with a prompt, and returns what they typed, which is not shown."""


@dataclass(frozen=True, kw_only=True)
class TokenSource:
    """Where an entry has the token from.

    Attributes:
        authentication: As in `Server`.
        sentence: What the user should know of it.
        env: What the entry's environment needs for it.
        known: The token, as far as it is known here: the client has the same one.
    """

    authentication: Literal["file", "client", "elsewhere"]
    sentence: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    known: str | None = field(default=None, repr=False)


def find_token(
    client: Client,
    environment: Mapping[str, str],
    *,
    in_file: bool,
    ask: Ask | None,
    existing: Json = None,
) -> TokenSource:
    """Return where the entry of a client has the token from.

    Args:
        client: The client.
        environment: Our environment.
        in_file: Whether the user wants it in the file of the client.
        ask: Asks the user; None if they are not at a terminal.
        existing: The entry that is there already, whose token stays if there is no other.

    Raises:
        ConfigurationError: A token that is there is none, or one is needed and there is none.
    """
    if not in_file and (file := _cli_file(environment)):
        return _of_cli(file, environment)
    if not in_file and client.refers == "asks":
        return TokenSource(
            authentication="client",
            sentence=f"{client.title} asks for the token itself, and keeps it.",
            known=_given(environment),
        )
    if token := _given(environment):
        if client.refers and not in_file:
            return _of_client(client, environment, token)
        return _of_file(token, "your environment")
    kept = _token_in(existing)
    if kept and kept != VARIABLE:
        return _of_file(kept, "the entry that was there")
    if kept and client.refers and not in_file:
        return _of_client(client, environment, None)
    if ask:
        return _of_answer(ask, client, environment, in_file=in_file)
    if in_file:
        raise ConfigurationError(
            f"--token-in-file needs a token: set {VARIABLE}, or run this in a terminal, which asks."
        )
    # A client may hand a reference that it cannot resolve to the server, which refuses it.
    return _none()


def printed_token(client: Client, environment: Mapping[str, str], *, in_file: bool) -> TokenSource:
    """Return where an entry that is only printed has the token from; no token is in it."""
    if not in_file:
        if _cli_file(environment) or client.refers == "asks":
            return find_token(client, environment, in_file=False, ask=None)
        if client.refers:
            return _of_client(client, environment, None)
    return TokenSource(
        authentication="file",
        sentence=f"Replace {PLACEHOLDER} by your token.",
        env={VARIABLE: PLACEHOLDER},
    )


def _cli_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file of RunComfy's CLI if a token is in it."""
    file = find_cli_token(environment)
    with suppress(OSError, ValueError):
        if file and read_cli_token(file):
            return file
    return None


def _of_cli(file: Path, environment: Mapping[str, str]) -> TokenSource:
    # A client need not have the variables of this shell, so that the entry says where the file is.
    moved = any(environment.get(name, "").strip() for name in _MOVE_CLI)
    return TokenSource(
        authentication="elsewhere",
        sentence=f"The server reads the token of RunComfy's CLI, {quoted(str(file), 500)}.",
        env={"RUNCOMFY_CONFIG_DIR": str(file.parent)} if moved else {},
        known=read_cli_token(file),
    )


def _of_client(client: Client, environment: Mapping[str, str], token: str | None) -> TokenSource:
    sentence = f"{client.title} takes the token from {VARIABLE} of its own environment"
    if not environment.get(VARIABLE, "").strip():
        sentence += ", which is not set here"
    sentence += ". An app that is started without a shell may lack it: see --token-in-file."
    return TokenSource(authentication="client", sentence=sentence, known=token)


def _of_file(token: str, origin: str) -> TokenSource:
    return TokenSource(
        authentication="file",
        sentence=f"The token, from {origin}, is in that file, which only you may read.",
        env={VARIABLE: token},
        known=token,
    )


def _none() -> TokenSource:
    return TokenSource(
        authentication="elsewhere",
        sentence=(
            f"There is no token yet, so nothing can be bought: run this with {VARIABLE} set, or"
            " in a terminal, which asks for it."
        ),
    )


def _given(environment: Mapping[str, str]) -> str | None:
    """Return the token of our environment.

    Raises:
        ConfigurationError: It is none.
    """
    variables = {name: environment[name] for name in TOKEN_VARIABLES if name in environment}
    reading = read_settings(variables)
    if problem := reading.problems.get("token"):
        raise problem
    return reading.settings.plain_token


def _token_in(entry: Json) -> str | None:
    """Return the token of an entry, the variable's name if it refers to that, else None."""
    if isinstance(entry, Mapping):
        value = entry.get(VARIABLE)
        with suppress(ValueError):
            if isinstance(value, str):
                return VARIABLE if VARIABLE in value else check_token(value)
        return next(filter(None, map(_token_in, entry.values())), None)
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        return VARIABLE if VARIABLE in entry else None
    return None


def _of_answer(
    ask: Ask, client: Client, environment: Mapping[str, str], *, in_file: bool
) -> TokenSource:
    if token := _typed(ask, client, in_file=in_file):
        return _of_file(token, "your answer")
    return _of_client(client, environment, None) if client.refers else _none()


def _typed(ask: Ask, client: Client, *, in_file: bool) -> str | None:
    """Return a token that the user types, None if they prefer not to."""
    hint, empty = "not shown", "; empty: none for now"
    if in_file:
        empty = ""
    elif client.refers:
        empty = f"; empty: {client.title} takes it from {VARIABLE}"
    for _ in range(ATTEMPTS):
        answer = ask(f"RunComfy token ({hint}{empty}): ").strip()
        if not answer and not in_file:
            return None
        with suppress(ValueError):
            if answer and (token := check_token(answer)):
                return token
        hint = "printable ASCII without white space"
    raise ConfigurationError("That is not a RunComfy token; create one in your RunComfy profile.")
