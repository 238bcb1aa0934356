"""Random arguments from a tool's schema: those that it allows, and those that it does not."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

JSONObject = dict[str, Any]

# Letters that are blank are in no valid text.
_TEXTS = st.text(
    st.characters(
        categories=["L", "N", "P", "S"], exclude_characters="\u2800\u115f\u1160\u3164\uffa0"
    ),
    min_size=1,
    max_size=20,
)
_URLS = st.integers(0, 99).map("https://files.example/{}".format)
_OTHER_TYPES: dict[str, list[Any]] = {
    "string": [5, True, ["a"], {}],
    "integer": ["five", 5.5, True, [5], {}],
    "boolean": ["yes", 1, [True], {}],
    "array": ["https://files.example/1", 5, True, {}],
}


def valid_arguments(schema: Mapping[str, Any]) -> st.SearchStrategy[JSONObject]:
    """Return a strategy for arguments that a schema allows, with any of the optional ones."""
    values = {name: valid_values(prop) for name, prop in schema["properties"].items()}
    required = {name: values.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=values)


def invalid_arguments(schema: Mapping[str, Any]) -> st.SearchStrategy[tuple[JSONObject, str]]:
    """Return a strategy for arguments of which one breaks the schema, and for its name."""
    faults = [
        st.fixed_dictionaries({name: _invalid_values(prop, required=name in schema["required"])})
        for name, prop in schema["properties"].items()
    ]
    unknown = st.fixed_dictionaries({"sead": st.integers()})
    broken = st.tuples(valid_arguments(schema), st.one_of(*faults, unknown)).map(
        lambda pair: (pair[0] | pair[1], *pair[1])
    )
    missing = st.tuples(valid_arguments(schema), st.sampled_from(schema["required"])).map(
        lambda pair: ({k: v for k, v in pair[0].items() if k != pair[1]}, pair[1])
    )
    return broken | missing


def valid_values(prop: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for values that a property allows."""
    if "enum" in prop:
        return st.sampled_from(prop["enum"])
    match prop["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(prop.get("minimum"), prop.get("maximum"))
        case "array":
            least, most = prop.get("minItems", 0), prop.get("maxItems", 12)
            return st.lists(_URLS, min_size=least, max_size=most)
        case _:
            return _URLS if _is_file(prop) else _TEXTS


def _invalid_values(prop: Mapping[str, Any], *, required: bool) -> st.SearchStrategy[Any]:
    kind = prop["type"]
    wrong = st.sampled_from(_OTHER_TYPES[kind])
    if required:
        wrong |= st.sampled_from([None, "", " "])
    if "enum" in prop:
        beside: list[Any] = ["1440p", "2:1", "auto"] if kind == "string" else [6, 0, -5]
        wrong |= st.sampled_from(beside)
    if "minimum" in prop:
        wrong |= st.integers(max_value=prop["minimum"] - 1)
        wrong |= st.integers(min_value=prop["maximum"] + 1).map(str)
    if prop.get("minItems"):
        wrong |= st.just([])
    if "maxItems" in prop:
        most = prop["maxItems"]
        wrong |= st.lists(_URLS, min_size=most + 1, max_size=most + 3)
    if kind == "array":
        wrong |= st.sampled_from([[5], [None], [""], ["https://files.example/1", ["a"]]])
    if "maxLength" in prop:
        wrong |= st.integers(1, 9).map(lambda more: "a" * (prop["maxLength"] + more))
    return wrong


def _is_file(prop: Mapping[str, Any]) -> bool:
    return "uri" in prop.get("format", "") or "validations" in prop
