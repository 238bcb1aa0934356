"""Makes the server of an entry: how it is started, with which settings and which token."""

from collections.abc import Mapping
from pathlib import Path

from seedance_mcp.cli._setting_flags import SETTING_FLAGS
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.service.added_models import check_names
from seedance_mcp.settings import read_settings

from .client import Client, Server
from .edits import with_value
from .token import TokenSource

_HOME = ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_STATE_HOME", "XDG_VIDEOS_DIR")
"""What default folders depend on."""


def make_server(
    client: Client, command: list[str], settings: Mapping[str, str], token: TokenSource
) -> Server:
    """Return the server of a client's entry; what the user sets wins over what the client needs."""
    return Server(
        command=command[0],
        args=command[1:],
        env={**client.settings, **settings, **token.env},
        authentication=token.authentication,
    )


def check_settings(settings: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Check the settings that a user gives, by variable, as the server would.

    Raises:
        ConfigurationError: One is wrong; the message begins with its flag.
    """
    for variable, value in settings.items():
        if not value.strip():
            raise ConfigurationError(f"{_flag(variable)} needs a value.")
    known = {name: environment[name] for name in _HOME if name in environment}
    reading = read_settings({**known, **settings})
    for problem in reading.problems.values():
        variable = problem.message.partition(" ")[0]
        if variable in settings:
            raise ConfigurationError(f"{_flag(variable)}: {problem.message}")
    if "SEEDANCE_MODEL" in settings:
        try:
            check_names(reading.settings.model, reading.settings.state_dir)
        except ConfigurationError as error:
            raise ConfigurationError(f"{_flag('SEEDANCE_MODEL')}: {error.message}") from error


def _flag(variable: str) -> str:
    return next(each.flag for each in SETTING_FLAGS if each.variable == variable)


def snippet(client: Client, server: Server) -> str:
    """Return what a new file of a client would hold."""
    data = with_value(b"", client.form, client.keys(None), client.entry(server)).data
    for extra in client.extras(server):
        data = with_value(data, client.form, extra.keys, extra.value).data
    return data.decode()


def entry_environment(
    server: Server, token: TokenSource, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment that the server will have, as far as it is known here."""
    others = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("SEEDANCE_", "RUNCOMFY_"))
    }
    known = {"RUNCOMFY_API_TOKEN": token.known} if token.known else {}
    return others | dict(server.env) | known


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where what was installed is recorded.

    Raises:
        ConfigurationError: The folder's variable is wrong.
    """
    reading = read_settings(environment)
    if problem := reading.problems.get("state_dir"):
        raise problem
    return reading.settings.state_dir / "installs"
