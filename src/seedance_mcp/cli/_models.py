"""`seedance-mcp models`: what clips can be made with, here and in RunComfy's catalogue."""

import io
import json
import shutil
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio

from seedance_mcp.clock import Clock, utc_now
from seedance_mcp.errors import ConfigurationError, SeedanceError
from seedance_mcp.models.choice import choose_models, nearest_name
from seedance_mcp.models.differences import differences
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.service.added_models import (
    add_model,
    load_added_models,
    refresh_model,
    remove_model,
)
from seedance_mcp.settings import Settings, load_settings

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
    # A terminal whose encoding lacks a character shows a question mark instead of failing.
    cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="replace")
    settings = load_settings(options.environment)
    run = {"add": _add, "refresh": _refresh, "remove": _remove}.get(options.action, _list)
    anyio.run(run, settings, options)


async def _list(settings: Settings, options: Namespace) -> None:
    bundled = load_models()
    added = _added(settings, bundled)
    live: dict[str, Mapping[str, Any]] | None = None
    if options.live or options.search:
        async with _open_client(settings) as client:
            found = await client.search_models(options.search or "")
        live = {entry["model_id"]: entry for entry in found}
    known = bundled | added
    chosen: set[str] = set()
    with suppress(ConfigurationError):
        chosen = {model.model_id for model in choose_models(settings.model, known)}
    # A search is for what the catalogue has, whether it is known here or not.
    names = live if live is not None and options.search else {**known, **(live or {})}
    listed = [
        _describe(name, known.get(name), live, configured=name in chosen, added=name in added)
        for name in names
    ]
    if options.json:
        _print([json.dumps(listed, indent=2)])
        return
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else MOST_COLUMNS
    rows = [_row(facts) for facts in listed]
    _print(table(HEAD, rows, columns=columns, flexible=LIMITS) if rows else ["No model matches."])


def _describe(
    model_id: str,
    model: Model | None,
    live: Mapping[str, Mapping[str, Any]] | None,
    *,
    configured: bool,
    added: bool,
) -> dict[str, Any]:
    """Return what is known of a model, as JSON."""
    facts: dict[str, Any] = {"model_id": model_id, "configured": configured, "known": None}
    if model is not None:
        facts |= {
            "known": "added" if added else "bundled",
            "short_name": model.short_name,
            "seconds": _lengths(model),
            "limits": list(_limits(model)),
            "source": model.source,
            "read_on": model.read_on,
        }
    if live is not None:
        entry = live.get(model_id, {})
        facts |= {"in_catalogue": model_id in live}
        facts |= {
            key: entry.get(key) for key in ("display_name", "kind", "base_price_usd", "price_unit")
        }
    return facts


def _row(facts: Mapping[str, Any]) -> list[str]:
    price, unit = facts.get("base_price_usd"), facts.get("price_unit")
    shown = f"{price} a {unit}" if isinstance(price, int | float) and unit else ""
    if facts.get("in_catalogue") is False:
        shown = "not in the catalogue"
    limits = "; ".join(facts.get("limits", ())) or str(facts.get("display_name") or "")
    cells = [
        "*" if facts["configured"] else "",
        facts["model_id"],
        facts.get("short_name", ""),
        facts["known"] or "",
        facts.get("seconds", ""),
        shown,
        limits,
    ]
    return [plain(cell) for cell in cells]


def _lengths(model: Model) -> str:
    prop = model.properties.get(model.pricing.get("seconds", ""), {})
    if "enum" in prop:
        return ", ".join(map(str, prop["enum"]))
    least, most = prop.get("minimum"), prop.get("maximum")
    return f"{least} to {most}" if least is not None and most is not None else ""


def _limits(model: Model) -> Iterable[str]:
    """Yield what each argument but the length allows, such as "resolution 480p 720p"."""
    for name, prop in model.properties.items():
        if name == model.pricing.get("seconds"):
            continue
        if "enum" in prop:
            yield f"{name} {' '.join(map(str, prop['enum']))}"
        elif "maxItems" in prop:
            yield f"{name} up to {prop['maxItems']}"
        elif any(file.name == name for file in model.files()):
            yield name


async def _add(settings: Settings, options: Namespace) -> None:
    async with _open_client(settings) as client:
        model, problems = await add_model(client, settings.state_dir, options.id, _today())
    _print([f"Added {model.model_id} as {model.short_name}."])
    _print(f"Not understood, and left out: {problem}" for problem in problems)
    line = f"To make clips with it, set SEEDANCE_MODEL={model.short_name} and restart the server."
    _print([line, "Several models can be set, separated by commas."])


async def _refresh(settings: Settings, _: Namespace) -> None:
    added = _added(settings, load_models())
    failed: list[str] = []
    async with _open_client(settings) as client:
        for model in added.values():
            try:
                schema, problems = await refresh_model(client, settings.state_dir, model, _today())
            except SeedanceError as error:
                failed.append(model.model_id)
                _print([f"{model.model_id}: not refreshed. {error.message}"])
                continue
            changes = [line for line in differences(model, schema) if line not in problems]
            _print([f"{model.model_id}: {'; '.join(changes) or 'as before'}."])
            _print(f"Not understood, and left out: {problem}" for problem in problems)
    if not added:
        _print(["No models are added; `seedance-mcp models add MODEL_ID` adds one."])
    if failed:
        raise ConfigurationError(f"Not refreshed: {', '.join(failed)}.")


async def _remove(settings: Settings, options: Namespace) -> None:
    added = _added(settings, load_models())
    names = {model.short_name: model for model in added.values()} | added
    if options.id not in names:
        near = nearest_name(options.id, added)
        hint = f" Did you mean {near}?" if near else ""
        raise ConfigurationError(f"No such model was added.{hint}")
    remove_model(settings.state_dir, names[options.id])
    _print([f"Removed {names[options.id].model_id}."])


def _added(settings: Settings, bundled: Mapping[str, Model]) -> dict[str, Model]:
    added, problems = load_added_models(settings.state_dir, bundled)
    for problem in problems:
        sys.stderr.write(f"seedance-mcp: The file of an added model, {problem}\n")
    return added


@asynccontextmanager
async def _open_client(settings: Settings) -> AsyncGenerator[RunComfyClient, None]:
    async with open_http(settings.base_url, settings.plain_token, Clock()) as http:
        yield RunComfyClient(http)


def _today() -> str:
    return f"{utc_now():%Y-%m-%d}"


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
