"""The form of every answer: its facts, as structure and as text.

An MCP client shows the model either the structure or the text, so each holds every fact. The text
is made from the structure, without its nulls.
"""

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from seedance_mcp.jobs.status import Status
from seedance_mcp.models.model import JSONObject
from seedance_mcp.text import valid

# A plain string in schemas: every byte of `tools/list` counts.
Word = Annotated[Status, WithJsonSchema({"type": "string"})]
# A dry run's answer has a word of its own, which no job in the ledger has.
WordOrChecked = Annotated[Status | Literal["checked"], WithJsonSchema({"type": "string"})]

# Left out if unknown, so that it is a plain number, for the same reason.
Number = Annotated[
    float | None,
    Field(exclude_if=lambda number: number is None),
    WithJsonSchema({"type": "number"}),
]
OptionalPath = Annotated[
    str | None, Field(exclude_if=lambda path: path is None), WithJsonSchema({"type": "string"})
]


class Answer(BaseModel):
    """An answer whose fields are the facts; `next_step` is the last one."""

    # Built at the first answer or listing, which the start does not wait for.
    model_config = ConfigDict(frozen=True, defer_build=True)
    # These are long, so each gets a line of its own.
    long: ClassVar[tuple[str, ...]] = ("error", "warnings", "videos", "images", "next_step")

    def text(self) -> str:
        """Return every fact that is not null, the short ones on one line, `next_step` last."""
        facts = self.structure()
        short = {name: value for name, value in facts.items() if name not in self.long}
        lines = [as_line({name: facts[name]}) for name in self.long if _plain(facts.get(name))]
        return "\n".join(filter(None, [as_line(short), *lines]))

    def structure(self) -> JSONObject:
        """Return the facts as JSON, nulls included."""
        facts: JSONObject = _valid(self.model_dump(mode="json"))
        return facts


def _valid(value: Any) -> Any:
    """Return JSON that can be sent; a path need not be UTF-8."""
    if isinstance(value, dict):
        return {name: _valid(fact) for name, fact in cast("JSONObject", value).items()}
    if isinstance(value, list):
        return [_valid(fact) for fact in cast("list[Any]", value)]
    return valid(value) if isinstance(value, str) else value


def as_line(facts: JSONObject) -> str:
    """Return facts on one line, without nulls."""
    texts = {name: _plain(value) for name, value in facts.items()}
    return "; ".join(f"{name}: {text}" for name, text in texts.items() if text)


def _plain(value: Any) -> str:
    """Return a fact as text, empty for null and for an empty list."""
    if isinstance(value, list):
        return ", ".join(cast("list[str]", value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
