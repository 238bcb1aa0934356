"""The models that RunComfy offers, read from JSON files.

Nothing about a model stands in Python: adding a model is adding a file. A file holds what
RunComfy publishes, verbatim (`model_id`, `input_schema`, `output_schema`), where and when that was
read (`source`, `read_on`), and parts of ours: `short_name`; `descriptions`, used where RunComfy's
are empty; `validations`, rules about files that RunComfy states elsewhere; `pricing`, which names
the argument that a price is multiplied by; `timing`, the settings that run times depend on; and
`usual_seconds`, how long a clip usually takes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any, Literal, cast

JSONObject = dict[str, Any]
FileKind = Literal["image", "video", "audio"]

QUANTITIES = frozenset({"width_pixels", "height_pixels", "width/height", "file_size_mb"})
"""What RunComfy's rules about files measure (page); only the last one also holds for others."""

LENGTH_POWER = 0.85
"""By which power of its length a clip takes longer: one of twice the length 1.8 times as long."""

_COMPARISONS: dict[str, Literal["<", ">"]] = {"<": "<", ">": ">"}

# In the catalogue, `format` is `image_uri`, or `image_uris` for a list; the rest likewise (client).
FILE_FORMATS: dict[str, FileKind] = {
    f"{kind}_uri{plural}": kind for kind in ("image", "video", "audio") for plural in ("", "s")
}


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """A rule about a file that JSON Schema cannot express (page: `validations`).

    Attributes:
        quantity: What is measured: pixels, a ratio, or megabytes.
        comparison: How the measured value must compare with the bound; both are strict (page).
        bound: The bound, in the quantity's unit.
        message: RunComfy's own words for a file that breaks the rule.
    """

    quantity: str
    comparison: Literal["<", ">"]
    bound: float
    message: str

    def holds(self, measured: float) -> bool:
        """Return whether a measured value keeps the rule."""
        return measured < self.bound if self.comparison == "<" else measured > self.bound


@dataclass(frozen=True, kw_only=True)
class FileArgument:
    """A file that a model takes, alone or as an item of a list.

    Attributes:
        name: The argument, such as `images`.
        path: Its place in the call, such as `first_frame_image_url` or `images[1]`.
        rules: The rules of the file, in RunComfy's order; of other kinds, those about its bytes.
        value: What the call has there: a URL, a path or a data: URI.
    """

    name: str
    path: str
    kind: FileKind
    rules: tuple[FileRule, ...]
    value: str = ""

    @property
    def in_list(self) -> bool:
        """Return whether the file is an item of a list."""
        return self.path != self.name


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as its file describes it.

    Attributes:
        model_id: The id in RunComfy's paths, slashes included.
        short_name: Another name for it in settings and tools, unique among the models.
        source: Where its schema was read.
        read_on: The day on which it was read there, such as 2026-11-25.
        descriptions: Our descriptions, by property, where RunComfy's are empty.
        validations: Rules of a property's files that its schema does not have, in its form.
        pricing: By unit, such as `seconds`, the property that holds how many of them a clip has.
        timing: The settings that run times depend on; None if all may.
        usual_seconds: By length of the clip in seconds, how many seconds it usually takes to make.
            They are reports of the same model at other hosts: RunComfy publishes none.
    """

    model_id: str
    short_name: str
    source: str
    read_on: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    descriptions: Mapping[str, str]
    validations: Mapping[str, Sequence[JSONObject]] = field(
        default_factory=dict[str, Sequence[JSONObject]]
    )
    pricing: Mapping[str, str] = field(default_factory=dict[str, str])
    timing: Sequence[str] | None = None
    usual_seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the input schema's properties by name."""
        return cast("Mapping[str, Mapping[str, Any]]", self.input_schema["properties"])

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the names of the arguments that set how a clip is made, not what it shows."""
        files = self.file_arguments
        return tuple(
            name
            for name, prop in self.properties.items()
            if "default" in prop and name not in files
        )

    @property
    def file_arguments(self) -> tuple[str, ...]:
        """Return the names of the arguments that hold files."""
        return tuple(name for name, prop in self.properties.items() if _file_kind(prop))

    @property
    def first_frame(self) -> str | None:
        """Return the argument of the image that a clip begins with, None if there is none."""
        images = (file.name for file in self.files() if file.kind == "image")
        return next((n for n in images if n in {"image", "image_url"} or "first" in n), None)

    def files(self, arguments: Mapping[str, Any] | None = None) -> Iterator[FileArgument]:
        """Yield each file of a call, items of lists one by one, in the schema's order.

        Without a call's arguments, yield each file argument of the schema, without a value. This is
        the only place that decides which arguments are files. A rule that cannot be read is left
        out.
        """
        for name, prop in self.properties.items():
            kind = _file_kind(prop)
            if kind is None or (arguments is not None and name not in arguments):
                continue
            rules = tuple(self._rules(name, kind))
            values = [(name, "")] if arguments is None else values_by_path(name, arguments[name])
            for path, value in values:
                if isinstance(value, str):
                    yield FileArgument(name=name, path=path, kind=kind, rules=rules, value=value)

    def expected_seconds(self, arguments: Mapping[str, Any]) -> float | None:
        """Return how many seconds such a clip usually takes to make, None if nothing is known.

        Between two known lengths it grows by a power of the length, as from one to the other.
        """
        known = sorted((float(length), usual) for length, usual in self.usual_seconds.items())
        length = arguments.get(self.pricing.get("seconds", ""))
        if not known or not isinstance(length, int | float) or length <= 0:
            return known[0][1] if known else None
        below = max((each for each in known if each[0] <= length), default=known[0])
        above = min((each for each in known if each[0] >= length), default=known[-1])
        power = LENGTH_POWER
        if below[0] < above[0]:
            power = log(above[1] / below[1]) / log(above[0] / below[0])
        return below[1] * (length / below[0]) ** power

    def _rules(self, name: str, kind: FileKind) -> Iterator[FileRule]:
        for written in (*published_rules(self.properties[name]), *self.validations.get(name, ())):
            rule = read_rule(written)
            if rule and (kind == "image" or rule.quantity == "file_size_mb"):
                yield rule


def values_by_path(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield an argument's value with its path; of a list, every item, such as `images[1]`."""
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from values_by_path(f"{path}[{index}]", item)
    else:
        yield path, value


def replace_values(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> JSONObject:
    """Return a copy of a call's arguments with the values at some paths replaced."""

    def replaced(path: str, value: Any) -> Any:
        if isinstance(value, list):
            items = enumerate(cast("list[Any]", value))
            return [replaced(f"{path}[{index}]", item) for index, item in items]
        return values.get(path, value)

    return {name: replaced(name, value) for name, value in arguments.items()}


def load_models() -> dict[str, Model]:
    """Read every bundled model file, and return the models by `model_id`."""
    files = sorted(Path(__file__).parent.glob("*.json"))
    models = (Model(**json.loads(file.read_text("utf-8"))) for file in files)
    return {model.model_id: model for model in models}


def published_rules(prop: Mapping[str, Any]) -> list[Any]:
    """Return the rules that a property has, those of its items included, as they are written."""
    parts = (part.get("validations") for part in (prop, _items(prop)))
    return [rule for rules in parts if isinstance(rules, list) for rule in cast("list[Any]", rules)]


def read_rule(written: Any) -> FileRule | None:
    """Return a rule in RunComfy's form as ours, None if it cannot be read."""
    match written:
        case {
            "validation_rule": str(rule),
            "validation_value": int() | float() as bound,
            "validation_error": str(message),
        } if rule[:-1] in QUANTITIES and rule[-1] in _COMPARISONS:
            comparison = _COMPARISONS[rule[-1]]
            return FileRule(quantity=rule[:-1], comparison=comparison, bound=bound, message=message)
        case _:
            return None


def _file_kind(prop: Mapping[str, Any]) -> FileKind | None:
    for part in (prop, _items(prop)):
        if kind := FILE_FORMATS.get(str(part.get("format"))):
            return kind
    # The lite model's images have rules and no format (page).
    return "image" if any(map(read_rule, published_rules(prop))) else None


def _items(prop: Mapping[str, Any]) -> Mapping[str, Any]:
    items = prop.get("items")
    return cast("Mapping[str, Any]", items) if isinstance(items, Mapping) else {}
