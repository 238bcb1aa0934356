"""Reads and changes one place of a configuration file, and leaves every other byte as it is."""

import codecs
from dataclasses import dataclass
from typing import Literal, Protocol

from ._places import (
    Item,
    Json,
    Keys,
    Undo,
    UneditableFile,
    child,
    name_of,
    refuse,
    same,
    same_but_for,
)

__all__ = ["Edited", "Format", "Item", "Json", "Keys", "Undo", "UneditableFile"]

Format = Literal["json", "toml", "yaml"]
"""`json` reads comments and trailing commas, too, and keeps them."""

_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A changed file.

    Attributes:
        data: All of it.
        undo: What has to be known to take the change out again.
    """

    data: bytes
    undo: Undo


class _Language(Protocol):
    """How a format is read and changed, as text; each function is one of its module."""

    def load(self, text: str, keys: Keys = (), /) -> Json | None:
        """Return all that a text holds, None if nothing; it must be certain what keys lead to."""
        ...

    def put(self, text: str, keys: Keys, value: Json, /) -> tuple[str, Undo]:
        """Return a text with a value at a place, and how to take it out again."""
        ...

    def take(self, text: str, keys: Keys, undo: Undo, /) -> str:
        """Return a text without the value at a place, and without what was made for it."""
        ...


def value_at(data: bytes, form: Format, keys: Keys) -> Json | None:
    """Return the value at a place, None if the file has none there.

    Raises:
        UneditableFile: The file cannot be parsed, or has two values there.
    """
    _, text = _decoded(data)
    return _at(_language(form).load(text, keys), keys)


def with_value(data: bytes, form: Format, keys: Keys, value: Json) -> Edited:
    """Return a file with a value at a place, in place of the value that is there.

    An empty file is one without a value. If the value is there already, nothing is changed.

    Raises:
        UneditableFile: The file cannot be parsed, or changing it would change more than that.
    """
    mark, text = _decoded(data)
    language = _language(form)
    before = language.load(text)
    changed, undo = language.put(text, keys, value)
    after = language.load(changed)
    if not same(_at(after, keys), value) or not same_but_for(keys, before, after):
        raise _harmful(keys)
    return Edited(data=mark + _encoded(changed), undo=undo)


def without_value(data: bytes, form: Format, keys: Keys, undo: Undo | None = None) -> bytes:
    """Return a file without the value at a place, and without the containers made for it.

    A container stays if something else is in it. What `with_value` made of a file is so undone to
    the byte, a value that it replaced put back.

    Raises:
        UneditableFile: The file cannot be parsed, or changing it would change more than that.
    """
    undo = undo or Undo()
    mark, text = _decoded(data)
    language = _language(form)
    before = language.load(text)
    changed = language.take(text, keys, undo)
    after = language.load(changed)
    gone = _at(after, keys) is None or undo.replaced is not None
    if not gone or not same_but_for(keys, before, after):
        raise _harmful(keys)
    return mark + _encoded(changed)


def _language(form: Format) -> _Language:
    """Return how a format is read and changed."""
    match form:
        case "json":
            from . import _json_text as language
        case "toml":
            from . import _toml_text as language
        case "yaml":
            from . import _yaml_text as language
    return language


def _at(value: Json | None, keys: Keys) -> Json | None:
    """Return the part of a value that keys lead to."""
    for key in keys:
        value = child(value, key)
    return value


def _decoded(data: bytes) -> tuple[bytes, str]:
    """Return the byte order mark of a file, and its text.

    Raises:
        UneditableFile: It is not UTF-8.
    """
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            raise UneditableFile(f"it is {name}, and would have to be UTF-8")
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    try:
        return mark, data[len(mark) :].decode()
    except UnicodeDecodeError as error:
        before = data[len(mark) : len(mark) + error.start].decode()
        refuse(before, len(before), "it is not UTF-8 here")


def _encoded(text: str) -> bytes:
    """Return a text as bytes.

    Raises:
        UneditableFile: It has a part that no file can hold, as paths that are not UTF-8 do.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UneditableFile("what is to be added has characters that are not Unicode") from error


def _harmful(keys: Keys) -> UneditableFile:
    """Return the error that a change would have changed more than it should."""
    return UneditableFile(f"{name_of(keys)} cannot be changed without changing something else")
