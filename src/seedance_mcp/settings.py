"""The settings, read once from the environment, which only this module reads."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Literal

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
from pydantic_settings import EnvSettingsSource, NoDecode, SettingsConfigDict

from .errors import ConfigurationError
from .hosting_settings import HostingSettings
from .setting_values import (
    check_folder,
    check_key,
    check_origin,
    check_token,
    cli_token_file,
    expanded,
    is_unset,
    listed,
    lower,
    read_cli_token,
)

_PATHS = (
    *("SEEDANCE_STATE_DIR", "SEEDANCE_OUTPUT_DIR", "SEEDANCE_ACCESS_TOKENS"),
    *("RUNCOMFY_CONFIG_DIR", "XDG_CONFIG_HOME"),
)

DEFAULT_BASE_URL = "https://model-api.runcomfy.net"
"""RunComfy's Model API (page)."""

TOKEN_VARIABLES = ("RUNCOMFY_API_TOKEN", "RUNCOMFY_TOKEN", "RUNCOMFY_API_KEY")
"""The variables that may hold the token; the first one set wins (client: all are in use)."""


def _default(folder: Callable[[], Path]) -> Path:
    """Return a default folder, an empty path where it would be in a home that is unknown."""
    try:
        return folder()
    except RuntimeError:
        return Path()


_FOLDER = "the absolute path of a folder, in which ~ and every variable is known"


class Settings(HostingSettings):
    """The settings; each description completes the sentence "the variable must be …".

    Unless it has an alias, the variable of a setting is SEEDANCE_ and its name in capitals.
    """

    model_config = SettingsConfigDict(
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(validation_alias=lambda name: f"SEEDANCE_{name.upper()}"),
    )

    token: Annotated[SecretStr, BeforeValidator(check_token)] | None = Field(
        None,
        validation_alias=AliasChoices(*TOKEN_VARIABLES),
        description="a RunComfy token: printable ASCII without white space, and no placeholder",
    )
    base_url: Annotated[str, AfterValidator(check_origin)] = Field(
        DEFAULT_BASE_URL,
        validation_alias="RUNCOMFY_API_BASE_URL",
        description="an https URL, or an http URL of this machine",
    )
    model: str = Field(
        "bytedance/seedance-1-0/lite/image-to-video",
        description="the ids or short names of models, separated by commas",
    )
    state_dir: Annotated[Path, AfterValidator(check_folder)] = Field(
        default_factory=lambda: _default(lambda: platformdirs.user_state_path("seedance-mcp")),
        validate_default=True,
        description=_FOLDER,
    )
    output_dir: Annotated[Path, AfterValidator(check_folder)] = Field(
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
    ask_above_usd: Decimal | None = Field(
        None, ge=0, le=1_000_000, description="a number of USD from 0 to 1000000"
    )
    state_key: Annotated[SecretStr, BeforeValidator(check_key)] | None = Field(
        None, description="a secret of at least 32 bytes, and no placeholder"
    )
    history_days: int = Field(90, ge=1, le=36_500, description="a whole number from 1 to 36500")
    allow_private_urls: bool = Field(default=False, description="true or false")
    check_images: bool = Field(default=True, description="true or false")
    local_files: bool | None = Field(None, description="true or false")
    auto_download: bool = Field(default=False, description="true or false")
    attachments: Annotated[
        frozenset[Literal["preview", "link"]], NoDecode, BeforeValidator(listed)
    ] = Field(
        "preview",
        validate_default=True,
        description="none, or a comma-separated list of preview and link",
    )
    portable_schemas: bool = Field(default=False, description="true or false")
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(lower)
    ] = Field("warning", description="one of debug, info, warning, error, critical")

    @property
    def plain_token(self) -> str | None:
        """Return the token itself, which must reach no log, message or answer; None without one."""
        return self.token.get_secret_value() if self.token else None

    @property
    def plain_state_key(self) -> str | None:
        """Return the key itself, as secret as the token; None if the state folder has it."""
        return self.state_key.get_secret_value() if self.state_key else None

    @property
    def secrets(self) -> list[str]:
        """Return what no log line may show."""
        values = (getattr(self, name) for name in Settings.model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]

    @classmethod
    def settings_customise_sources(cls, *_: Any, init_settings: Any, **__: Any) -> tuple[Any, ...]:
        """Read arguments only; `load_settings` passes the environment."""
        return (init_settings,)


@dataclass(frozen=True, kw_only=True)
class SettingsReading:
    """The settings as far as they can be read.

    Attributes:
        settings: Those that are wrong have their defaults; a wrong folder is that of the temporary
            files, since its default may be unknown.
        problems: What is wrong, by setting, such as `wait_seconds`.
        token_source: The variable or the file that the token is from, None without a token.
    """

    settings: Settings
    problems: Mapping[str, ConfigurationError]
    token_source: str | Path | None


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings from environment variables, and the token also from the CLI's file.

    A variable that is empty, or `${user_config.NAME}`, counts as unset.

    Raises:
        ConfigurationError: A variable is wrong; the message says what it must be.
    """
    reading = read_settings(environ)
    for problem in reading.problems.values():
        raise problem
    return reading.settings


def read_settings(environ: Mapping[str, str]) -> SettingsReading:
    """Return the settings as in `load_settings`, with everything that is wrong with them."""
    given = _given(environ)
    source = EnvSettingsSource(Settings)
    # pydantic-settings would also read MODEL and LOG_LEVEL, which other programs use.
    source.env_vars = {name.lower(): given[name] for name in variables() if name in given}
    values, problems = source(), dict[str, ConfigurationError]()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems = _problems(error, given)
        kept = {name: value for name, value in values.items() if _field(name) not in problems}
        for folder in {"state_dir", "output_dir"} & problems.keys():
            kept[folder] = Path(gettempdir())
        settings = Settings(**kept)
    token_source = next((name for name in TOKEN_VARIABLES if name in given), None)
    if token_source is None and (file := find_cli_token(environ)):
        with suppress(OSError, ValueError):
            token = SecretStr(read_cli_token(file))
            settings = settings.model_copy(update={"token": token})
            token_source = file
    return SettingsReading(settings=settings, problems=problems, token_source=token_source)


def find_cli_token(environ: Mapping[str, str]) -> Path | None:
    """Return where RunComfy's CLI keeps its token, None if that is not an absolute path."""
    file = cli_token_file(_given(environ))
    with suppress(ValueError):
        return file and check_folder(file)
    return None


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set, those of folders expanded."""
    given = {name: value.strip() for name, value in environ.items() if not is_unset(value)}
    return given | {name: expanded(given[name], environ) for name in _PATHS if name in given}


def variables() -> dict[str, str]:
    """Return what each variable must be, in the order in which they are read."""
    found: dict[str, str] = {}
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias]
        found |= dict.fromkeys(map(str, names), str(field.description))
    return found


def _problems(error: ValidationError, given: Mapping[str, str]) -> dict[str, ConfigurationError]:
    """Return an error for each wrong setting, in their order."""
    places = [str(each["loc"][0]) for each in error.errors(include_input=False, include_url=False)]
    # Chained, pydantic's error would show the value, which may be a token.
    return {_field(place): _configuration_error(place, given) for place in places}


def _field(place: str) -> str:
    """Return the setting that pydantic names by its variable, or by itself."""
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        if place in (alias.choices if isinstance(alias, AliasChoices) else [alias]):
            return name
    return place


def _configuration_error(place: str, given: Mapping[str, str]) -> ConfigurationError:
    """Return an error that names the variable but not its value, which may be a secret."""
    if place in Settings.model_fields:  # a default is wrong
        place = str(Settings.model_fields[place].validation_alias)
    tokens = (name for name in TOKEN_VARIABLES if name in given)
    name = next(tokens, place) if place in TOKEN_VARIABLES else place
    if name in _PATHS and name not in given:
        return ConfigurationError(
            f"{name} must be set to the absolute path of a folder, since the user's home folder is"
            " unknown (HOME is not set)."
        )
    return ConfigurationError(f"{name} must be {variables()[name]}.")
