"""Every setting as packages offer it; all but the titles is read from the program."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from seedance_mcp.cli._setting_flags import SETTING_FLAGS
from seedance_mcp.settings import Settings

Kind = Literal["string", "number", "boolean", "directory"]
KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "boolean"),
    (int, "number"),
    (Decimal, "number"),
    (Path, "directory"),
)

SECRETS = {
    "RUNCOMFY_API_TOKEN": "the token of your RunComfy account, from your RunComfy profile",
    "SEEDANCE_STATE_KEY": "signs what users agreed to; left out: a key in the state folder",
}
"""What the settings set that have no flag."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """A setting, for a person.

    Attributes:
        name: Its name in `Settings`.
        title: What a form calls it.
        asked: Whether forms ask for it; the others are only listed.
    """

    name: str
    title: str
    asked: bool = False

    @property
    def _field(self) -> FieldInfo:
        return Settings.model_fields[self.name]

    @property
    def variable(self) -> str:
        """Return its environment variable, the first one if there are several."""
        alias = self._field.validation_alias
        return str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)

    @property
    def sets(self) -> str:
        """Return what it sets, as a sentence."""
        does = SECRETS | {each.variable: each.does for each in SETTING_FLAGS}
        return f"{does[self.variable][:1].upper()}{does[self.variable][1:]}."

    @property
    def secret(self) -> bool:
        """Return whether it must not be seen."""
        return "SecretStr" in str(self._field.annotation)

    @property
    def kind(self) -> Kind:
        """Return what its value is."""
        types = {self._field.annotation, *get_args(self._field.annotation)}
        kinds: list[Kind] = [kind for type_, kind in KINDS if type_ in types]
        return kinds[0] if kinds else "string"

    @property
    def default(self) -> str | int | bool | None:
        """Return its default, None if it has none or each machine has its own."""
        return self._field.default if self._field.default_factory is None else None

    @property
    def bounds(self) -> dict[str, Any]:
        """Return the least and the largest value, where there are any, by "min" and "max"."""
        return {
            key: getattr(rule, name)
            for rule in self._field.metadata
            for name, key in (("ge", "min"), ("gt", "min"), ("le", "max"))
            if hasattr(rule, name)
        }


OPTIONS: Sequence[Option] = (
    Option(
        name="token",
        title="RunComfy token",
        asked=True,
    ),
    Option(
        name="model",
        title="Models",
        asked=True,
    ),
    Option(
        name="output_dir",
        title="Folder for clips",
        asked=True,
    ),
    Option(
        name="max_cost_usd_per_day",
        title="Daily limit in USD",
        asked=True,
    ),
    Option(
        name="ask_above_usd",
        title="Ask above USD",
    ),
    Option(
        name="auto_download",
        title="Save every clip",
        asked=True,
    ),
    Option(
        name="wait_seconds",
        title="Seconds to wait",
    ),
    Option(
        name="max_jobs_per_hour",
        title="Jobs an hour",
    ),
    Option(
        name="state_dir",
        title="State folder",
    ),
    Option(
        name="base_url",
        title="RunComfy's Model API",
    ),
    Option(
        name="history_days",
        title="Days of history",
    ),
    Option(
        name="local_files",
        title="Local images",
    ),
    Option(
        name="check_images",
        title="Check images",
    ),
    Option(
        name="allow_private_urls",
        title="Private addresses",
    ),
    Option(
        name="attachments",
        title="Attachments",
    ),
    Option(
        name="portable_schemas",
        title="Portable schemas",
    ),
    Option(
        name="state_key",
        title="State key",
    ),
    Option(
        name="log_level",
        title="Log level",
    ),
)
TOKEN = OPTIONS[0]
ASKED = tuple(option for option in OPTIONS if option.asked)
