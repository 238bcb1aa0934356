"""What clips can be made with, here and in RunComfy's catalogue, for a person at a terminal."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError, SeedanceError
from seedance_mcp.models.choice import choose_models, nearest_name
from seedance_mcp.models.differences import differences
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.settings import Settings

from .added_models import add_model, load_added_models, refresh_model, remove_model

_LIVE_FACTS = ("display_name", "kind", "base_price_usd", "price_unit")


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """An added model that was fetched again.

    Attributes:
        changes: How its published schema differs from before, a line each.
        problems: What of it was not understood.
        error: Why the file stays as it was, None if it does not.
    """

    model_id: str
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    error: str | None = None


async def list_models(
    settings: Settings, clock: Clock, *, live: bool, search: str | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return facts about each model, as JSON, and why files of added ones are left out.

    With `live`, prices and all other models come from RunComfy's catalogue. A search finds what is
    in the catalogue, known here or not.

    Raises:
        SeedanceError: RunComfy did not answer, or there is no token.
    """
    bundled = load_models()
    added, problems = load_added_models(settings.state_dir, bundled)
    known = bundled | added
    entries = await _search(settings, clock, search or "") if live or search else None
    configured = _configured(settings, known)
    listed = entries or {} if search else {**known, **(entries or {})}
    facts = [
        {
            "model_id": name,
            "configured": name in configured,
            "known": "added" if name in added else "bundled" if name in bundled else None,
            **(_file_facts(known[name]) if name in known else {}),
            **(_live_facts(name, entries) if entries is not None else {}),
        }
        for name in listed
    ]
    return facts, problems


async def _search(settings: Settings, clock: Clock, text: str) -> dict[str, Mapping[str, Any]]:
    async with _open_client(settings, clock) as client:
        return {entry["model_id"]: entry for entry in await client.search_models(text)}


def _configured(settings: Settings, known: Mapping[str, Model]) -> set[str]:
    """Return the ids that SEEDANCE_MODEL names, none if it is wrong."""
    with suppress(ConfigurationError):
        return {model.model_id for model in choose_models(settings.model, known)}
    return set()


async def add(settings: Settings, clock: Clock, model_id: str) -> tuple[Model, list[str]]:
    """Fetch a model and keep it; return it, and what of its schema was not understood.

    Raises:
        SeedanceError: It is bundled or unknown, or RunComfy did not answer.
    """
    async with _open_client(settings, clock) as client:
        return await add_model(client, settings.state_dir, model_id, _day(clock))


async def refresh(settings: Settings, clock: Clock) -> tuple[list[Refreshed], list[str]]:
    """Fetch every added model again; return how each changed, and why files are left out."""
    added, problems = load_added_models(settings.state_dir, load_models())
    async with _open_client(settings, clock) as client:
        return [
            await _refresh_one(client, settings, clock, one) for one in added.values()
        ], problems


def remove(settings: Settings, name: str) -> str:
    """Forget an added model, by its id or short name, and return its id.

    Raises:
        ConfigurationError: No such model was added, or its file cannot be deleted.
    """
    added, _ = load_added_models(settings.state_dir, load_models())
    by_name = {model.short_name: model for model in added.values()} | added
    if name not in by_name:
        near = nearest_name(name, added)
        raise ConfigurationError(
            f"No such model was added.{f' Did you mean {near}?' if near else ''}"
        )
    remove_model(settings.state_dir, by_name[name])
    return by_name[name].model_id


async def _refresh_one(
    client: RunComfyClient, settings: Settings, clock: Clock, model: Model
) -> Refreshed:
    try:
        schema, problems = await refresh_model(client, settings.state_dir, model, _day(clock))
    except SeedanceError as error:
        return Refreshed(model_id=model.model_id, error=error.message)
    changes = tuple(line for line in differences(model, schema) if line not in problems)
    return Refreshed(model_id=model.model_id, changes=changes, problems=tuple(problems))


def _file_facts(model: Model) -> dict[str, Any]:
    return {
        "short_name": model.short_name,
        "seconds": _lengths(model),
        "limits": list(_limits(model)),
        "source": model.source,
        "read_on": model.read_on,
    }


def _live_facts(model_id: str, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    entry = entries.get(model_id, {})
    return {"in_catalogue": model_id in entries, **{key: entry.get(key) for key in _LIVE_FACTS}}


def _lengths(model: Model) -> str:
    """Return how many seconds a clip may have, "" if nothing says so."""
    prop = model.properties.get(model.pricing.get("seconds", ""), {})
    if "enum" in prop:
        return ", ".join(map(str, prop["enum"]))
    least, most = prop.get("minimum"), prop.get("maximum")
    return f"{least} to {most}" if least is not None and most is not None else ""


def _limits(model: Model) -> Iterator[str]:
    """Yield what each argument but the length allows, such as "resolution 480p 720p"."""
    files = {file.name for file in model.files()}
    for name, prop in model.properties.items():
        if name == model.pricing.get("seconds"):
            continue
        if "enum" in prop:
            yield f"{name} {' '.join(map(str, prop['enum']))}"
        elif "maxItems" in prop:
            yield f"{name} up to {prop['maxItems']}"
        elif name in files:
            yield name


@asynccontextmanager
async def _open_client(settings: Settings, clock: Clock) -> AsyncGenerator[RunComfyClient, None]:
    async with open_http(settings.base_url, settings.plain_token, clock) as http:
        yield RunComfyClient(http)


def _day(clock: Clock) -> str:
    return f"{clock.now():%Y-%m-%d}"
