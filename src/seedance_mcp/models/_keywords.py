"""The keywords of published properties that this package understands, and how each is read."""

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, cast

from seedance_mcp.text import one_line

from .model import FILE_FORMATS

_TYPES = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list"), "array"),
    **dict.fromkeys(("object", "dict"), "object"),
}
"""The types of JSON Schema by the words for them that are in use (client: float)."""

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_MAX_NUMBER = 2**53
_MAX_TEXT_LENGTH, _MAX_VALUE_LENGTH, _MAX_VALUES = 300, 100, 100
_BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


def contradictory(prop: Mapping[str, Any]) -> list[str]:
    """Return the keywords of a property that leave it without any value."""
    keys = [
        key
        for low, high in _BOUNDS
        if low in prop and high in prop and prop[low] > prop[high]
        for key in (low, high)
    ]
    values, kind = prop.get("enum"), prop.get("type")
    if values and kind and not any(_is_a(value, kind) for value in values):
        keys.append("type")
    return keys


def fits(value: Any, prop: Mapping[str, Any]) -> bool:
    """Return whether a default is a value that a property allows."""
    if "enum" in prop and value not in prop["enum"]:
        return False
    if "type" in prop and not _is_a(value, prop["type"]):
        return False
    if isinstance(value, str | list):
        unit = "Length" if isinstance(value, str) else "Items"
        size = len(cast("str | list[Any]", value))
        return prop.get(f"min{unit}", 0) <= size <= prop.get(f"max{unit}", size)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    above = value >= prop.get("minimum", value) and value > prop.get("exclusiveMinimum", value - 1)
    below = value <= prop.get("maximum", value) and value < prop.get("exclusiveMaximum", value + 1)
    return above and below and value % prop.get("multipleOf", value or 1) == 0


def _is_a(value: Any, kind: str) -> bool:
    whole = kind == "integer" and type(value) is float and value.is_integer()
    plain = type(value) in _PYTHON_TYPES[kind]
    return plain or whole


def _type(value: Any) -> str | None:
    if isinstance(value, list):
        kinds = [kind for kind in cast("list[Any]", value) if kind != "null"]
        value = kinds[0] if len(kinds) == 1 else None
    return _TYPES.get(value.lower()) if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return one_line(value, _MAX_TEXT_LENGTH) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    plain = type(value) is int or (type(value) is float and isfinite(value))
    return value if plain and abs(value) <= _MAX_NUMBER else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number and number > 0 else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_NUMBER else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= _MAX_VALUE_LENGTH else None
    return value if isinstance(value, bool) else _number(value)


def _default(value: Any) -> Any:
    return list(_values(value)) if isinstance(value, list) else _value(value)


def _values(written: Any) -> Iterator[Any]:
    return (_value(value) for value in cast("list[Any]", written))


def _enum(written: Any) -> list[Any] | None:
    if not isinstance(written, list) or len(cast("list[Any]", written)) > _MAX_VALUES:
        return None
    # Null says that the argument may be left out.
    values = [_value(value) for value in cast("list[Any]", written) if value is not None]
    return values if values and None not in values else None


def _format(value: Any) -> str | None:
    return value if isinstance(value, str) and value in FILE_FORMATS else None


KEYWORDS: Mapping[str, Callable[[Any], Any]] = {
    "type": _type,
    **dict.fromkeys(("title", "description"), _text),
    "default": _default,
    "enum": _enum,
    "format": _format,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    "multipleOf": _positive,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    "uniqueItems": _flag,
}
"""By name, what a keyword's value becomes: None if it is not understood."""
