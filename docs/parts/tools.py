"""The arguments of every tool, and the rules for its files, as the program has them."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import FileKind, FileRule, Model, load_models
from seedance_mcp.settings import Settings

from .table import code, listed, table

KINDS: tuple[FileKind, ...] = ("image", "video", "audio")
DEFAULT_MODEL = str(Settings.model_fields["model"].default)
DEFAULT_WAIT = int(Settings.model_fields["wait_seconds"].default)


def tools() -> str:
    """Return a part for each tool, with its description and a table of its arguments."""
    found = build_tools([load_models()[DEFAULT_MODEL]], wait_seconds=DEFAULT_WAIT)
    parts: list[str] = []
    for definition in (tool.definition for tool in found):
        schema = definition.input_schema
        rows = [
            _argument(name, prop, required=name in schema.get("required", []))
            for name, prop in schema["properties"].items()
        ]
        arguments = table(["argument", "allowed", "default", "what its schema says"], *rows)
        parts.append(f"### {definition.name}\n\n{definition.description}\n\n{arguments}")
    return "\n\n".join(parts)


def _argument(name: str, prop: Mapping[str, Any], *, required: bool) -> list[str]:
    default = prop.get("default", "none")
    shown = str(default).lower() if isinstance(default, bool) else default
    text = "required" if required else code(shown) if "default" in prop else "none"
    return [code(name), _allowed(prop), text, str(prop.get("description", ""))]


def _allowed(prop: Mapping[str, Any]) -> str:
    """Return what values an argument takes."""
    match prop:
        case {"enum": values}:
            return listed(values)
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"minimum": least, "maximum": most}:
            return f"{least} to {most}"
        case {"type": "array", "minItems": least, "maxItems": most}:
            return f"a list of {least} to {most}"
        case {"maxLength": most}:
            return f"text of at most {most:,} characters"
        case _:
            return "text"


UNITS = {
    "width_pixels": "{} pixels wide",
    "height_pixels": "{} pixels high",
    "width/height": "width/height {}",
    "file_size_mb": "{} MB",
}
WORDS = {"<": "under", ">": "over"}


def file_rules() -> str:
    """Return the rules for files; kinds of files and models with the same rules share a row."""
    models = load_models().values()
    found = {(_rules(model, kind), kind, model.short_name) for model in models for kind in KINDS}
    ordered = sorted(row for row in found if row[0])
    rows = [
        [
            f"{kind} files" if kind == "audio" else f"{kind}s",
            rules,
            listed(name for *_, name in group),
        ]
        for (rules, kind), group in groupby(ordered, key=lambda row: row[:2])
    ]
    return table(["files", "rules", "models"], *rows)


def _rules(model: Model, kind: FileKind) -> str:
    """Return what a model's files of a kind must be, in words."""
    rules = [rule for file in model.files() if file.kind == kind for rule in file.rules]
    return ", ".join(dict.fromkeys(map(_words, rules)))


def _words(rule: FileRule) -> str:
    return UNITS[rule.quantity].format(f"{WORDS[rule.comparison]} {rule.bound:g}")
