"""The models that a user has added from RunComfy's catalogue, kept as files of the state folder.

A file holds the catalogue's entry verbatim, which is read anew at every start, by whatever this
version understands of it.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from seedance_mcp.errors import ConfigurationError, ModelUnknown, SeedanceError, UnreadableAnswer
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.models.published import MODEL_ID, read_entry
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.text import one_line, quoted

from ._gone_models import find_nearest
from ._json_files import read_json, write_json

FOLDER = "models"
"""Where in the state folder the files are."""

_MOST_FILES = 200
_SHORT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,24}")


def load_known_models(state_dir: Path) -> tuple[dict[str, Model], list[str]]:
    """Return the bundled and the added models by id, and why added ones are left out."""
    bundled = load_models()
    added, problems = load_added_models(state_dir, bundled)
    return bundled | added, problems


def check_names(written: str, state_dir: Path) -> None:
    """Check that a setting names models that are known here.

    Raises:
        ConfigurationError: A name is unknown; the message has the nearest one.
    """
    known, _ = load_known_models(state_dir)
    choose_models(written, known)


def load_added_models(
    state_dir: Path, bundled: Mapping[str, Model]
) -> tuple[dict[str, Model], list[str]]:
    """Return the added models by id, and why files are left out, a line each.

    One that is bundled by now is left out without a word.
    """
    added: dict[str, Model] = {}
    problems: list[str] = []
    with suppress(OSError):
        for path in sorted((state_dir / FOLDER).glob("*.json"))[:_MOST_FILES]:
            try:
                model = _read(path)
            except (OSError, ValueError, SeedanceError) as error:
                why = error.message if isinstance(error, SeedanceError) else str(error)
                problems.append(f"{quoted(path.name)} is left out: {one_line(why, 200)}")
                continue
            if model.model_id not in bundled:
                taken = [*bundled.values(), *added.values()]
                added[model.model_id] = _with_unique_name(model, taken)
    return added, problems


async def add_model(
    client: RunComfyClient, state_dir: Path, model_id: str, today: str
) -> tuple[Model, list[str]]:
    """Fetch a model's published schema, keep it, and return the model and what was not understood.

    `today` is the day, such as 2026-11-29.

    Raises:
        ConfigurationError: It is known already, or the catalogue does not have it; the message
            names the nearest.
        SeedanceError: The catalogue did not answer, or with nothing that can be used.
    """
    if not MODEL_ID.fullmatch(model_id):
        raise ConfigurationError(f"{quoted(model_id)} is not the id of a model, such as a/b/c.")
    bundled = load_models()
    if model_id in bundled:
        name = bundled[model_id].short_name
        raise ConfigurationError(f"{model_id} is bundled already; set SEEDANCE_MODEL to {name}.")
    added, _ = load_added_models(state_dir, bundled)
    entry, model, problems = await _fetch(client, model_id)
    others = [one for one in (*bundled.values(), *added.values()) if one.model_id != model_id]
    model = replace(_with_unique_name(added.get(model_id, model), others), **_facts(model, today))
    _write(state_dir, model, entry)
    return model, problems


async def refresh_model(
    client: RunComfyClient, state_dir: Path, model: Model, today: str
) -> tuple[Any, list[str]]:
    """Fetch an added model again, and return its published schema and what was not understood.

    Raises:
        SeedanceError: It is gone, or the catalogue did not answer; the file stays as it was.
    """
    entry, read, problems = await _fetch(client, model.model_id)
    _write(state_dir, replace(model, **_facts(read, today)), entry)
    return entry.get("input_schema"), problems


def remove_model(state_dir: Path, model: Model) -> None:
    """Forget an added model.

    Raises:
        ConfigurationError: Its file cannot be deleted.
    """
    try:
        _path(state_dir, model.model_id).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The model's file cannot be deleted: {error}.") from None


async def _fetch(
    client: RunComfyClient, model_id: str
) -> tuple[Mapping[str, Any], Model, list[str]]:
    try:
        entry = await client.model(model_id)
    except ModelUnknown:
        nearest = await find_nearest(client, model_id)
        hint = f" Did you mean {nearest}?" if nearest else ""
        raise ConfigurationError(f"RunComfy's catalogue does not have {model_id}.{hint}") from None
    model, problems = read_entry(entry)
    if model.model_id != model_id:
        raise UnreadableAnswer(f"RunComfy answered about another model, {model.model_id}.")
    return entry, model, problems


def _facts(model: Model, today: str) -> dict[str, Any]:
    return {"input_schema": model.input_schema, "pricing": model.pricing, "read_on": today}


def _with_unique_name(model: Model, others: Iterable[Model]) -> Model:
    """Return a model with a short name that differs from others' also in the names of tools."""
    taken = {re.sub(r"\W", "_", other.short_name) for other in others}
    ends = ("", *(f"-{number}" for number in range(2, len(taken) + 3)))
    names = (f"{model.short_name[: 25 - len(end)]}{end}" for end in ends)
    name = next(name for name in names if re.sub(r"\W", "_", name) not in taken)
    return replace(model, short_name=name)


def _path(state_dir: Path, model_id: str) -> Path:
    """Return where a model is kept, under a name that is safe and its own on every file system."""
    readable = re.sub(r"[^a-z0-9.]+", "-", model_id.lower())[:60].strip(".-")
    return state_dir / FOLDER / f"{readable}-{sha256(model_id.encode()).hexdigest()[:8]}.json"


def _read(path: Path) -> Model:
    kept: Any = read_json(path)
    fields = cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
    model, _ = read_entry(fields.get("entry"))
    name, day = fields.get("short_name"), fields.get("read_on")
    if isinstance(name, str) and _SHORT_NAME.fullmatch(name):
        model = replace(model, short_name=name)
    return replace(model, read_on=one_line(day, 20)) if isinstance(day, str) else model


def _write(state_dir: Path, model: Model, entry: Mapping[str, Any]) -> None:
    kept = {"short_name": model.short_name, "read_on": model.read_on, "entry": dict(entry)}
    try:
        write_json(_path(state_dir, model.model_id), kept)
    except OSError as error:
        raise ConfigurationError(
            f"The model cannot be kept in the state folder: {error}."
        ) from None
