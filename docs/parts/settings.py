"""The tables of settings: names, defaults and what is allowed are those of the program."""

from collections.abc import Iterable
from typing import cast

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from seedance_mcp.cli._setting_flags import SETTING_FLAGS, SettingFlag
from seedance_mcp.hosting_settings import HostingSettings
from seedance_mcp.settings import Settings

from .table import code, table

SETS = {
    "token": (
        "the token; else `RUNCOMFY_TOKEN`, `RUNCOMFY_API_KEY`, or the token file of RunComfy's CLI"
    ),
    "base_url": "the Model API, with or without `/v1`; plain http only on this machine",
    "model": (
        "the model, by id or short name (`lite`); several, separated by commas, have a tool each"
    ),
    "state_dir": "where the ledger is; a folder with file locks, as on a local disk",
    "output_dir": "where clips are downloaded to",
    "wait_seconds": "how long a call waits by default",
    "max_jobs_per_hour": (
        "a guard against runaway agents, for all servers that share the state folder"
    ),
    "max_cost_usd_per_day": (
        "the most that the jobs of 24 hours may cost, for all servers that share the state folder"
    ),
    "ask_above_usd": (
        "ask the user before a clip is bought that is estimated to cost more than this, or whose"
        " price is not known; `0` asks about every clip"
    ),
    "state_key": (
        "signs what users agreed to, and the ids of sessions over HTTP; both count only at servers"
        " with the same key, a yes only with the same ledger"
    ),
    "history_days": (
        "how long jobs stay in the ledger after they ended; a finished clip that was never fetched"
        " stays twice as long"
    ),
    "local_files": "accept local images: `true` over HTTP too, `false` never",
    "auto_download": (
        "download every clip as soon as it is done; over stdio also if no call waits for it, and"
        " those of the last 48 hours"
    ),
    "attachments": (
        "what `get_result` adds to a result besides its text: `preview` (the middle frame of a"
        " downloaded clip) and `link` (a `resource_link` for each video, and for what `join_clips`"
        " made). Some clients fail on links, so they are sent only if asked for, in protocol"
        " revisions that have them (from 2025-06-18)"
    ),
    "portable_schemas": (
        "list an argument whose values are a few numbers (`duration`) with `minimum`, `maximum` and"
        " words instead of `enum`, and leave `additionalProperties` and `format` out; for Gemini"
        " through LangChain or google-genai, which cannot use the tools otherwise. Values are"
        " checked as before"
    ),
    "log_level": "what is logged to stderr",
    "database_url": "keeps the ledger in PostgreSQL; needs the extra `postgres`",
    "access_tokens": (
        "the file of access tokens, one line `NAME:SHA256` for each caller, which"
        " `seedance-mcp token new NAME` adds to"
    ),
    "bring_your_own_token": (
        "callers send a RunComfy token of their own, which pays for their calls"
    ),
    "auth_issuer": "takes tokens of this OAuth issuer; needs the audience",
    "auth_audience": "the audience of its tokens; needs the issuer",
    "max_jobs_per_hour_per_caller": "how many jobs each caller may begin in an hour",
    "max_cost_usd_per_day_per_caller": "the most that each caller's jobs of 24 hours may cost",
    "max_calls_per_minute_per_caller": (
        "how many requests each caller may send in a minute; more are answered with 429"
    ),
    "log_format": "`json` logs one JSON object a line",
}
"""What a setting sets, where there is more to say of it than its flag does."""

HOSTED = tuple(HostingSettings.model_fields)
"""The settings that only a server behind a URL has."""

UNSET = {
    "token": "none",
    "state_dir": "the platform's state folder",
    "output_dir": "the platform's videos folder, `seedance`",
    "max_cost_usd_per_day": "no limit",
    "ask_above_usd": "never",
    "state_key": "a file in the state folder",
    "local_files": "only over stdio",
    "database_url": "SQLite in the state folder",
    "access_tokens": "none",
    "auth_issuer": "none",
    "auth_audience": "none",
    "max_jobs_per_hour_per_caller": "that of the server",
    "max_cost_usd_per_day_per_caller": "that of the server",
}
"""What holds where there is no default to show."""


def settings() -> str:
    """Return the table of the settings of every server, in the order of the program."""
    head = "what it sets (and what it must be; the flag of `install`)"
    return _table(head, (name for name in Settings.model_fields if name not in HOSTED))


def hosting_settings() -> str:
    """Return the table of the settings that only a server behind a URL has."""
    return _table("what it sets (and what it must be)", HOSTED)


def _table(head: str, names: Iterable[str]) -> str:
    fields = Settings.model_fields
    rows = [
        [
            f"{code(_variable(fields[name]))}<br>{_default(name, fields[name])}",
            f"{_sets(name, fields[name])}<br>({_allowed(fields[name])})",
        ]
        for name in names
    ]
    return table(["variable and default", head], *rows)


def _variable(field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)


def _sets(name: str, field: FieldInfo) -> str:
    flag = _flag(field)
    return flag.does if flag and name not in SETS else SETS[name]


def _allowed(field: FieldInfo) -> str:
    """Return what a value must be, and the flag of `install` that sets it."""
    flag = _flag(field)
    return "; ".join([str(field.description), *([code(flag.flag)] if flag else [])])


def _flag(field: FieldInfo) -> SettingFlag | None:
    """Return the flag of a setting, which a secret does not have."""
    return next((each for each in SETTING_FLAGS if each.variable == _variable(field)), None)


def _default(name: str, field: FieldInfo) -> str:
    if name in UNSET:
        return UNSET[name]
    value = cast("object", field.default)
    return code(str(value).lower() if isinstance(value, bool) else value)
