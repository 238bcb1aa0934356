"""Which models a setting names, by id or short name."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from seedance_mcp.errors import ConfigurationError

from .model import Model

_MIN_SIMILARITY = 0.6
_MOST_COMPARED_CHARACTERS = 200


def choose_models(written: str, known: Mapping[str, Model]) -> list[Model]:
    """Return the models that SEEDANCE_MODEL names, each once, in its order.

    Args:
        written: Ids or short names, separated by commas.
        known: The models by id.

    Raises:
        ConfigurationError: A name is unknown; the message has the nearest one.
    """
    names = [name for part in written.split(",") if (name := part.strip())]
    if not names:
        raise ConfigurationError(f"SEEDANCE_MODEL names no model. {_valid(known)}")
    by_name = dict(_by_name(known))
    for number, name in enumerate(names, start=1):
        if name not in by_name:
            raise ConfigurationError(_unknown(name, number if len(names) > 1 else None, known))
    return list({by_name[name].model_id: by_name[name] for name in names}.values())


def nearest_name(name: str, known: Mapping[str, Model]) -> str | None:
    """Return the id or short name that is most like an unknown one, None if none is like it."""
    names = [known_name for known_name, _ in _by_name(known)]
    near = get_close_matches(
        name[:_MOST_COMPARED_CHARACTERS].lower(), names, n=1, cutoff=_MIN_SIMILARITY
    )
    return near[0] if near else None


def _by_name(known: Mapping[str, Model]) -> Iterator[tuple[str, Model]]:
    for model in known.values():
        yield model.short_name, model
    # An id always means its own model, whatever others are called.
    yield from known.items()


def _unknown(name: str, number: int | None, known: Mapping[str, Model]) -> str:
    # Without a likeness to a model's name, the value may be anything, even a secret.
    near = nearest_name(name, known)
    which = "a model" if number is None else f"a model (number {number})"
    hint = f": {name[:_MOST_COMPARED_CHARACTERS]!r}. Did you mean {near}?" if near else "."
    return f"SEEDANCE_MODEL names {which} that this server does not know{hint} {_valid(known)}"


def _valid(known: Mapping[str, Model]) -> str:
    short = ", ".join(model.short_name for model in known.values())
    return f"Valid names, separated by commas: {short}, and the ids of these models."
