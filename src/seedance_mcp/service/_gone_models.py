"""What is said of a model that RunComfy's catalogue no longer has, and what to set instead."""

import logging
import re
from collections.abc import Collection
from datetime import UTC, datetime
from difflib import SequenceMatcher

from seedance_mcp.errors import SeedanceError
from seedance_mcp.models.published import MODEL_ID
from seedance_mcp.runcomfy.client import RunComfyClient

logger = logging.getLogger(__name__)

_MOST_COMPARED = 300


async def find_nearest(client: RunComfyClient, model_id: str) -> str | None:
    """Return the id in the catalogue that is most like a model's, None if there is none.

    It is searched among those of the same family, such as seedance, and else among all.
    """
    # The maker's name comes first.
    family = re.search(r"[a-z]{3,}", model_id.partition("/")[2].lower())
    try:
        for text in dict.fromkeys((family[0] if family else "", "")):
            found = await client.search_models(text)
            ids = [entry["model_id"] for entry in found if MODEL_ID.fullmatch(entry["model_id"])]
            if others := [one for one in ids if one != model_id]:
                return most_like(model_id, others)
    except SeedanceError as error:
        logger.info("No other model was found: %s", error.message)
    return None


def most_like(name: str, ids: list[str]) -> str:
    """Return the id that is most like a name, the first of equals."""
    return max(ids[:_MOST_COMPARED], key=lambda one: SequenceMatcher(None, name, one).ratio())


def describe_gone(
    model_id: str,
    seen: datetime | None,
    nearest: str | None,
    known: Collection[str],
    configured: Collection[str],
) -> str:
    """Return what is wrong with a model, and the setting to change, in a line.

    Args:
        model_id: The model.
        seen: When it was last seen in the catalogue, None if that is not known.
        nearest: The id in the catalogue that is most like it, None if there is none.
        known: The ids of the models that this server has files of.
        configured: Those of the models that SEEDANCE_MODEL names.
    """
    last = f"{seen.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if seen else "a time that is not known"
    return (
        f"RunComfy's catalogue no longer has the model {model_id}, last seen there at {last}."
        f" {_remedy(nearest, known, [one for one in configured if one != model_id])}"
    )


def _remedy(nearest: str | None, known: Collection[str], others: Collection[str]) -> str:
    if nearest is None:
        return (
            "Ask the user to set SEEDANCE_MODEL to another model, one of those that"
            " `seedance-mcp models --live` lists, and to restart the server."
        )
    if nearest in others:
        return (
            f"Use the tool of {nearest}, the nearest model that it has and one of SEEDANCE_MODEL."
        )
    first = "" if nearest in known else f"to run `seedance-mcp models add {nearest}`, "
    return (
        f"Ask the user {first}to set SEEDANCE_MODEL to {nearest}, the nearest model that it has,"
        " and to restart the server."
    )
