"""The model as data: what the service publishes, and the tool's schema made from it.

Nothing about a model stands in Python. A file in `models/` holds what the service publishes,
verbatim (`model_id`, `input_schema`, `output_schema`), and beside it two parts of ours:
`descriptions`, used where the service leaves one empty, and `pricing`, which names the argument
that a price is multiplied with. Adding a model is adding a file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, cast

JSONObject = dict[str, Any]

QUANTITIES = frozenset({"width_pixels", "height_pixels", "width/height", "file_size_mb"})
"""What the service's rules about images measure (page)."""


@dataclass(frozen=True, kw_only=True)
class ImageRule:
    """One rule about an image that JSON Schema cannot say (page: `validations`).

    Attributes:
        quantity: What is measured: pixels, a ratio, or megabytes.
        comparison: How the measure must compare with the bound; both are strict.
        bound: The bound, in the quantity's unit.
        message: The service's own words for an image that breaks the rule.
    """

    quantity: str
    comparison: Literal["<", ">"]
    bound: float
    message: str

    def holds(self, measured: float) -> bool:
        """Tell whether a measured value keeps the rule."""
        return measured < self.bound if self.comparison == "<" else measured > self.bound


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as its file describes it.

    Attributes:
        model_id: The id in the service's paths, slashes included.
        input_schema: The service's input schema, verbatim.
        output_schema: The service's output schema, verbatim.
        descriptions: Our descriptions, by property, where the service's are empty.
        pricing: By unit, the property that holds how many of them a clip has, such as `seconds`.
    """

    model_id: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    descriptions: Mapping[str, str]
    pricing: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the input schema's properties by name."""
        return cast("Mapping[str, Mapping[str, Any]]", self.input_schema["properties"])

    @property
    def settings(self) -> tuple[str, ...]:
        """Name the arguments that set how a clip is made, and not what it shows."""
        return tuple(name for name, prop in self.properties.items() if "default" in prop)

    @property
    def image_rules(self) -> dict[str, tuple[ImageRule, ...]]:
        """Give the rules of every image argument, in the service's order."""
        return {
            name: tuple(_image_rule(rule) for rule in prop["validations"])
            for name, prop in self.properties.items()
            if "validations" in prop
        }


def _image_rule(rule: Mapping[str, Any]) -> ImageRule:
    written = cast("str", rule["validation_rule"])
    comparison = written[-1:]
    if comparison not in {"<", ">"} or written[:-1] not in QUANTITIES:
        raise ValueError(f"a validation_rule that nothing measures: {written!r}")
    return ImageRule(
        quantity=written[:-1],
        comparison=cast('Literal["<", ">"]', comparison),
        bound=rule["validation_value"],
        message=rule["validation_error"],
    )


def load_models() -> dict[str, Model]:
    """Read every bundled model file.

    Returns:
        The models by `model_id`.
    """
    folder = resources.files("seedance_mcp") / "models"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    models = (Model(**json.loads(file.read_text("utf-8"))) for file in files)
    return {model.model_id: model for model in models}
