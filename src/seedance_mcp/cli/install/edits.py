"""Reads and changes one place of a configuration file, and leaves every other byte as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seedance_mcp.errors import SeedanceError

Format = Literal["json", "toml", "yaml"]
"""`json` reads comments and trailing commas, too, and keeps them."""

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True)
class Item:
    """The element of an array of objects whose member `key` is `value`."""

    key: str
    value: str


Keys = tuple[str | Item, ...]
"""A place: the keys that lead to it from the top."""


class UneditableFile(SeedanceError):
    """A configuration cannot be parsed, or not be changed without harm; it was left alone."""


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A changed file.

    Attributes:
        data: All of it.
        made: The containers that had to be made for the value, the outermost first.
    """

    data: bytes
    made: tuple[Keys, ...] = ()


def value_at(data: bytes, form: Format, keys: Keys) -> Json | None:
    """Return the value at a place, None if the file has none there.

    Raises:
        UneditableFile: The file cannot be parsed.
    """
    raise NotImplementedError


def with_value(data: bytes, form: Format, keys: Keys, value: Json) -> Edited:
    """Return a file with a value at a place, in place of the value that is there.

    An empty file is one without a value. If the value is there already, nothing is changed.

    Raises:
        UneditableFile: The file cannot be parsed, or changing it would change more than that.
    """
    raise NotImplementedError


def without_value(data: bytes, form: Format, keys: Keys, made: Sequence[Keys] = ()) -> bytes:
    """Return a file without the value at a place, and without the containers of `made`.

    A container stays if something else is in it. What `with_value` made of a file is so undone to
    the byte.

    Raises:
        UneditableFile: The file cannot be parsed, or changing it would change more than that.
    """
    raise NotImplementedError
