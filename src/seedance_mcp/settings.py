"""The settings, read once from the environment, which only this module reads."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from .errors import ConfigurationError

_PATHS = ("SEEDANCE_STATE_DIR", "SEEDANCE_OUTPUT_DIR", "RUNCOMFY_CONFIG_DIR", "XDG_CONFIG_HOME")

TOKEN_VARIABLES = ("RUNCOMFY_API_TOKEN", "RUNCOMFY_TOKEN", "RUNCOMFY_API_KEY")
"""The variables that may hold the token; the first one set wins (client: all are in use)."""


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address always means this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _token(value: str) -> str:
    """Return a token if it is printable ASCII without white space (client), and no placeholder."""
    token = value.strip()
    if not (token.isascii() and token.isprintable()) or " " in token or _PLACEHOLDER.match(token):
        raise ValueError("not a token")
    return token


# What a client did not expand, and what examples have in place of a token.
_PLACEHOLDER = re.compile(r".*\$\{.*\}|\$\w+$|%\w+%$|<.*>$|your[-_]", re.IGNORECASE)

_VARIABLE = re.compile(r"\$\{([^}]*)\}|\$(\w+)|%(\w+)%", re.ASCII)

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def _origin(value: str) -> str:
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


def _folder(value: Path) -> Path:
    """Return a folder if it is the same one wherever the client starts the server."""
    try:
        folder = value.expanduser()
    except RuntimeError as error:
        raise ValueError("unknown home folder") from error
    if not folder.is_absolute():
        raise ValueError("not an absolute path")
    return folder


def _expanded(value: str, environ: Mapping[str, str]) -> str:
    """Return a path with its variables replaced, which many clients leave to the server.

    Each is `$NAME`, `${NAME}` or `%NAME%`. The path is empty if one of them is unknown.
    """
    names = {found[0]: found[found.lastindex or 0] for found in _VARIABLE.finditer(value)}
    if not all(environ.get(name) for name in names.values()):
        return ""
    return _VARIABLE.sub(lambda found: environ[names[found[0]]], value)


def _default(folder: Callable[[], Path]) -> Path:
    """Return a default folder, an empty path where it would be in a home that is unknown."""
    try:
        return folder()
    except RuntimeError:
        return Path()


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Return the words of a list with commas, none of them for the word none."""
    words = [word.strip().lower() for word in value.split(",")] if isinstance(value, str) else value
    return () if words == ["none"] else words


_FOLDER = "the absolute path of a folder, in which ~ and every variable is known"


class Settings(BaseSettings):
    """The settings; each description completes the sentence "the variable must be …".

    Unless it has an alias, the variable of a setting is SEEDANCE_ and its name in capitals.
    """

    model_config = SettingsConfigDict(
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(validation_alias=lambda name: f"SEEDANCE_{name.upper()}"),
    )

    token: Annotated[SecretStr, BeforeValidator(_token)] | None = Field(
        None,
        validation_alias=AliasChoices(*TOKEN_VARIABLES),
        description="a RunComfy token: printable ASCII without white space, and no placeholder",
    )
    base_url: Annotated[str, AfterValidator(_origin)] = Field(
        "https://model-api.runcomfy.net",
        validation_alias="RUNCOMFY_API_BASE_URL",
        description="an https URL, or an http URL of this machine",
    )
    model: str = Field(
        "bytedance/seedance-1-0/lite/image-to-video",
        description="the id of a model that this server knows",
    )
    state_dir: Annotated[Path, AfterValidator(_folder)] = Field(
        default_factory=lambda: _default(lambda: platformdirs.user_state_path("seedance-mcp")),
        validate_default=True,
        description=_FOLDER,
    )
    output_dir: Annotated[Path, AfterValidator(_folder)] = Field(
        default_factory=lambda: _default(lambda: platformdirs.user_videos_path() / "seedance"),
        validate_default=True,
        description=_FOLDER,
    )
    wait_seconds: int = Field(45, ge=0, le=900, description="a whole number from 0 to 900")
    max_jobs_per_hour: int = Field(
        60, ge=1, le=100_000, description="a whole number from 1 to 100000"
    )
    max_cost_usd_per_day: Decimal | None = Field(
        None, gt=0, le=1_000_000, description="a number of USD over 0 and up to 1000000"
    )
    history_days: int = Field(90, ge=1, le=36_500, description="a whole number from 1 to 36500")
    allow_private_urls: bool = Field(default=False, description="true or false")
    check_images: bool = Field(default=True, description="true or false")
    local_files: bool | None = Field(None, description="true or false")
    auto_download: bool = Field(default=False, description="true or false")
    attachments: Annotated[
        frozenset[Literal["preview", "link"]], NoDecode, BeforeValidator(_listed)
    ] = Field(
        "preview",
        validate_default=True,
        description="none, or a comma-separated list of preview and link",
    )
    portable_schemas: bool = Field(default=False, description="true or false")
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
    ] = Field("warning", description="one of debug, info, warning, error, critical")

    @classmethod
    def settings_customise_sources(cls, *_: Any, init_settings: Any, **__: Any) -> tuple[Any, ...]:
        """Read arguments only; `load_settings` passes the environment."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings from environment variables, and the token also from the CLI's file.

    An empty variable counts as unset.

    Raises:
        ConfigurationError: A variable is wrong; the message says what it must be.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    given |= {name: _expanded(given[name], environ) for name in _PATHS if name in given}
    source = EnvSettingsSource(Settings)
    # pydantic-settings would also read MODEL and LOG_LEVEL, which other programs use.
    source.env_vars = {name.lower(): given[name] for name in _variables() if name in given}
    try:
        settings = Settings(**source())
    except ValidationError as error:
        # Chained, pydantic's error would show the value, which may be a token.
        raise _configuration_error(error, given) from None
    token = None if settings.token else _token_from_file(given)
    return settings.model_copy(update={"token": SecretStr(token)}) if token else settings


def _variables() -> dict[str, str]:
    """Return what each variable must be, in the order in which they are read."""
    variables: dict[str, str] = {}
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias]
        variables |= dict.fromkeys(map(str, names), str(field.description))
    return variables


def _configuration_error(error: ValidationError, given: Mapping[str, str]) -> ConfigurationError:
    """Return an error that names the variable but not its value, which may be a secret."""
    place = str(error.errors(include_input=False, include_url=False)[0]["loc"][0])
    if place in Settings.model_fields:  # a default is wrong
        place = str(Settings.model_fields[place].validation_alias)
    tokens = (name for name in TOKEN_VARIABLES if name in given)
    name = next(tokens, place) if place in TOKEN_VARIABLES else place
    if name in _PATHS and name not in given:
        return ConfigurationError(
            f"{name} must be set to the absolute path of a folder, since the user's home folder is"
            " unknown (HOME is not set)."
        )
    return ConfigurationError(f"{name} must be {_variables()[name]}.")


def _token_from_file(given: Mapping[str, str]) -> str | None:
    """Return the token that RunComfy's own CLI has stored, or None (client)."""
    home = given.get("HOME") or given.get("USERPROFILE")
    if folder := given.get("RUNCOMFY_CONFIG_DIR"):
        path = Path(folder)
    elif config := given.get("XDG_CONFIG_HOME"):
        path = Path(config) / "runcomfy"
    elif home:
        path = Path(home) / ".config" / "runcomfy"
    else:
        return None
    try:
        return _token(json.loads((_folder(path) / "token.json").read_text("utf-8"))["access_token"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
