"""Checks of the models: whether RunComfy has them as they are here, and what a clip costs."""

from collections.abc import Iterable, Mapping
from typing import Any

import anyio

from seedance_mcp.errors import ConfigurationError, ModelUnknown, SeedanceError
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.differences import differences
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import RunComfyHttp
from seedance_mcp.service._gone_models import find_nearest
from seedance_mcp.service.added_models import load_known_models
from seedance_mcp.settings import Settings
from seedance_mcp.spending.pricing import Price, format_usd, read_price, to_microdollars

from .finding import Finding, fault, ok, warning

_SEARCH_SECONDS = 1.5
"""How long the nearest of a model that is gone may be looked for."""


def configured_models(settings: Settings) -> tuple[list[Model], list[Finding]]:
    """Return the models that the settings name, and what is wrong with the names."""
    known, problems = load_known_models(settings.state_dir)
    remedy = "Add that model again with seedance-mcp models add, or remove the file."
    unread = [warning("model", f"{problem.rstrip('.')}.", remedy) for problem in problems]
    try:
        return choose_models(settings.model, known), unread
    except ConfigurationError as error:
        remedy = "Set SEEDANCE_MODEL to names out of this list, or remove it."
        return [], [*unread, fault("model", error.message, remedy)]


async def check_model(http: RunComfyHttp, model: Model, settings: Settings) -> list[Finding]:
    """Check a model and its price with what RunComfy's catalogue says of it."""
    client, named = RunComfyClient(http), model.short_name
    try:
        entry = await client.model(model.model_id)
    except ModelUnknown:
        message = f"{named}: RunComfy's catalogue does not know {model.model_id}."
        nearest = None
        with anyio.move_on_after(_SEARCH_SECONDS):
            nearest = await find_nearest(client, model.model_id)
        other = f"another model, such as {nearest}" if nearest else "a model that it still offers"
        return [fault("model", message, f"Set SEEDANCE_MODEL to {other}.")]
    except SeedanceError as error:
        message = f"{named}: it could not be compared with RunComfy's catalogue. {error.message}"
        return [warning("model", message, "Try again in some minutes.")]
    changed = differences(model, entry.get("input_schema"))
    return [*_schema_findings(model, changed), _price_finding(model, entry, settings)]


def _schema_findings(model: Model, changed: Iterable[str]) -> list[Finding]:
    is_bundled = model.model_id in load_models()
    update = (
        "Update seedance-mcp"
        if is_bundled
        else "Run seedance-mcp models refresh and restart the server"
    )
    different = [
        warning(
            "model",
            f"{model.short_name} is no longer as it was on {model.read_on}: {line}.",
            f"{update}; until then, the rules of that day hold here.",
        )
        for line in changed
    ]
    fine = ok("model", f"{model.short_name} ({model.model_id}) is as RunComfy publishes it.")
    return different or [fine]


def _price_finding(model: Model, entry: Mapping[str, Any], settings: Settings) -> Finding:
    limit = settings.max_cost_usd_per_day
    price = read_price(entry, model)
    cost = price and price.estimate_default(model)
    if price is None or cost is None:
        message = f"{model.short_name}: RunComfy's catalogue has no price that can be used."
        if limit is None:
            return warning("price", message, "Look the price up in RunComfy's catalogue.")
        remedy = (
            "Remove SEEDANCE_MAX_COST_USD_PER_DAY, which needs a price, or choose another model."
        )
        return fault("price", message, remedy)
    message = f"{model.short_name}: a clip of the default settings costs {format_usd(cost)} USD"
    message += f"{_composition(price, model)}."
    if limit is not None and cost > to_microdollars(limit):
        remedy = "Raise SEEDANCE_MAX_COST_USD_PER_DAY, which allows less."
        return fault("price", message, remedy)
    return ok("price", message)


def _composition(price: Price, model: Model) -> str:
    if price.seconds is None:
        return ""
    seconds = model.properties[price.seconds]["default"]
    return f" ({seconds} s at {price.usd} USD a second)"
