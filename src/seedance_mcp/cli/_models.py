"""`seedance-mcp models`: what clips can be made with, here and in RunComfy's catalogue."""

import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.service.model_list import add, list_models, refresh, remove
from seedance_mcp.settings import Settings, load_settings

from ._output import print_lines
from ._table import plain, table

HEAD = ("", "MODEL", "NAME", "KNOWN", "SECONDS", "USD", "LIMITS")
LIMITS = 6

MOST_COLUMNS = 10_000
"""How wide a line may be where there is no terminal."""


def models(options: Namespace) -> None:
    """List models, or add, refresh or remove one.

    Raises:
        SeedanceError: A setting is wrong, a model is unknown, or RunComfy did not answer.
    """
    settings = load_settings(options.environment)
    run = {"add": _add, "refresh": _refresh, "remove": _remove}.get(options.action, _list)
    anyio.run(run, settings, options)


async def _list(settings: Settings, options: Namespace) -> None:
    live, search = options.live, options.search
    listed, problems = await list_models(settings, Clock(), live=live, search=search)
    _warn(problems)
    if options.json:
        print_lines([json.dumps(listed, indent=2)])
    elif not listed:
        print_lines(["No model matches."])
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else MOST_COLUMNS
        print_lines(
            table(HEAD, [_row(facts) for facts in listed], columns=columns, flexible=LIMITS)
        )


async def _add(settings: Settings, options: Namespace) -> None:
    model, problems = await add(settings, Clock(), options.id)
    print_lines([f"Added {model.model_id} as {model.short_name}.", *map(_not_understood, problems)])
    line = f"To make clips with it, set SEEDANCE_MODEL={model.short_name} and restart the server."
    print_lines([line, "Several models can be set, separated by commas."])


async def _refresh(settings: Settings, _: Namespace) -> None:
    refreshed, problems = await refresh(settings, Clock())
    _warn(problems)
    if not refreshed:
        print_lines(["No models are added; `seedance-mcp models add MODEL_ID` adds one."])
    for one in refreshed:
        changes = one.error or f"{'; '.join(one.changes) or 'as before'}."
        print_lines([f"{one.model_id}: {changes}", *map(_not_understood, one.problems)])
    if failed := [one.model_id for one in refreshed if one.error]:
        raise ConfigurationError(f"Not refreshed: {', '.join(failed)}.")


async def _remove(settings: Settings, options: Namespace) -> None:
    print_lines([f"Removed {remove(settings, options.id)}."])


def _row(facts: Mapping[str, Any]) -> list[str]:
    price, unit = facts.get("base_price_usd"), facts.get("price_unit")
    shown = f"{price} a {unit}" if isinstance(price, int | float) and unit else ""
    if facts.get("in_catalogue") is False:
        shown = "not in the catalogue"
    cells = [
        "*" if facts["configured"] else "",
        facts["model_id"],
        facts.get("short_name", ""),
        facts["known"] or "",
        facts.get("seconds", ""),
        shown,
        "; ".join(facts.get("limits", ())) or str(facts.get("display_name") or ""),
    ]
    return [plain(cell) for cell in cells]


def _not_understood(problem: str) -> str:
    return f"Not understood, and left out: {problem}."


def _warn(problems: Iterable[str]) -> None:
    sys.stderr.writelines(f"seedance-mcp: The file of an added model, {p}\n" for p in problems)
