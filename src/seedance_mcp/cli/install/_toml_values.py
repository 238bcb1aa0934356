"""Writes values as TOML."""

import json
import math
import re
from collections.abc import Mapping

from ._places import Json, UneditableFile

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(key: str) -> str:
    """Return a key as it is written."""
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def toml_value(value: Json) -> str:
    """Return a value as it is written on one line.

    Raises:
        UneditableFile: It is null, which TOML does not have.
    """
    if isinstance(value, str):
        return _string(value)
    if value is None:
        raise UneditableFile("TOML has no null")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, int | float):
        return repr(value) if math.isfinite(value) else str(value)
    return f"[{', '.join(map(toml_value, value))}]"


def _string(text: str) -> str:
    """Return a text in double quotes: as in JSON, but that DEL has to be escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
