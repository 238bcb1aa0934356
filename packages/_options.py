"""Every setting as packages offer it; all but the wording is read from `Settings`."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from seedance_mcp.settings import Settings

Kind = Literal["string", "number", "boolean", "directory"]
KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "boolean"),
    (int, "number"),
    (Decimal, "number"),
    (Path, "directory"),
)


@dataclass(frozen=True, kw_only=True)
class Option:
    """A setting, for a person.

    Attributes:
        name: Its name in `Settings`.
        title: What a form calls it.
        sets: What it sets, in sentences.
        asked: Whether forms ask for it; the others are only listed.
    """

    name: str
    title: str
    sets: str
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
        sets="The token of your RunComfy account, from your RunComfy profile.",
        asked=True,
    ),
    Option(
        name="model",
        title="Models",
        sets=(
            "The Seedance models to make clips with, by id or short name (lite, 2.5-720p),"
            " separated by commas."
        ),
        asked=True,
    ),
    Option(
        name="output_dir",
        title="Folder for clips",
        sets="Where clips are saved. Left out: the folder seedance among your videos.",
        asked=True,
    ),
    Option(
        name="max_cost_usd_per_day",
        title="Daily limit in USD",
        sets="The most that the clips of 24 hours may cost, in USD. Left out: no limit.",
        asked=True,
    ),
    Option(
        name="ask_above_usd",
        title="Ask above USD",
        sets="Ask before a clip is bought that costs more than this, in USD. Left out: never.",
    ),
    Option(
        name="auto_download",
        title="Save every clip",
        sets="Save every clip as soon as it is done.",
        asked=True,
    ),
    Option(
        name="wait_seconds",
        title="Seconds to wait",
        sets="How many seconds a call waits for its clip by default.",
    ),
    Option(
        name="max_jobs_per_hour",
        title="Jobs an hour",
        sets="How many jobs may be begun within an hour, a guard against runaway agents.",
    ),
    Option(
        name="state_dir",
        title="State folder",
        sets="Where the ledger of all jobs is. Left out: the platform's state folder.",
    ),
    Option(
        name="base_url",
        title="RunComfy's Model API",
        sets="The address of RunComfy's Model API.",
    ),
    Option(
        name="history_days",
        title="Days of history",
        sets="How many days jobs stay in the ledger after they ended.",
    ),
    Option(
        name="local_files",
        title="Local images",
        sets="Accept images of the server's machine. Left out: only over stdio.",
    ),
    Option(
        name="check_images",
        title="Check images",
        sets="Check files behind URLs before a clip is bought.",
    ),
    Option(
        name="allow_private_urls",
        title="Private addresses",
        sets="Also allow URLs of files with plain http or private addresses.",
    ),
    Option(
        name="attachments",
        title="Attachments",
        sets="What is added to a result: none, or a list of preview and link, with commas.",
    ),
    Option(
        name="portable_schemas",
        title="Portable schemas",
        sets="List schemas without enums of numbers, for Gemini through LangChain.",
    ),
    Option(
        name="state_key",
        title="State key",
        sets="Signs what users agreed to. Left out: a key in the state folder.",
    ),
    Option(
        name="log_level",
        title="Log level",
        sets="What is logged to stderr: debug, info, warning, error or critical.",
    ),
)
TOKEN = OPTIONS[0]
ASKED = tuple(option for option in OPTIONS if option.asked)
