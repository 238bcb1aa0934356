"""What the stand-in does: it buys one clip, and then what each answer says to do next."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

JSON = dict[str, Any]

FIRST = "generate_video"
SEARCH = "ToolSearch"
"""The tool with which Claude Code's model loads the definitions of other tools."""
_WANTED = "select:" + ",".join(
    f"mcp__seedance__{tool}" for tool in (FIRST, "check_status", "get_result")
)
_NEXT = re.compile(r"[Cc]all (check_status|get_result) with request_id ([\w-]+)( and download)?")
_SAVED = "where the video was saved"
_FORMS = {
    "text": re.compile(r'(\\n|")next_step: '),
    "structuredContent": re.compile(r'"next_step\\*":'),
    "image": re.compile(r'"(inline_?[dD]ata|image_url)":|"type": "(input_)?image'),
    "image as text": re.compile(r'\\"data\\+": ?\\+"[\w+/]{100}'),
    "link": re.compile(r'"type\\*": ?\\*"resource_link'),
}
"""The forms of an answer, found in the JSON of what was handed over."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a client asks its model.

    Attributes:
        tools: The names of the tools that the model may call.
        handed: What came since its last turn, in the client's own form; nothing before a call.
    """

    tools: Sequence[str]
    handed: Sequence[Any]

    def name_of(self, tool: str) -> str | None:
        """Return the client's name of a tool, which may begin with the name of the server."""
        return next((name for name in self.tools if name.endswith(tool)), None)

    def forms(self) -> set[str]:
        """Return in which forms the answer of a tool of ours was handed over."""
        seen = json.dumps(self.handed)
        if not self.handed or "tool_reference" in seen:
            return set()  # the latter answers a search
        return {form for form, mark in _FORMS.items() if mark.search(seen)} or {"error"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a tool."""

    id: str
    tool: str
    arguments: Mapping[str, Any]


def reply(asked: Asked, clip: Mapping[str, Any], call_id: str) -> Call | str:
    """Return the next call, or a text when there is nothing left to do.

    Args:
        asked: What the client asked.
        clip: The arguments of `generate_video`.
        call_id: The id of the call.
    """
    said = "\n".join(_texts(asked.handed))
    if _SAVED in said:
        return "The clip is saved."
    tool, arguments = FIRST, clip  # also after an error, as a model would try again
    if found := _NEXT.search(said):
        tool, arguments = found[1], {"request_id": found[2]}
        if found[3]:
            arguments["download"] = True
    name = asked.name_of(tool)
    if name is None and SEARCH in asked.tools:
        return Call(id=call_id, tool=SEARCH, arguments={"query": _WANTED})
    return Call(id=call_id, tool=name, arguments=arguments) if name else f"{tool} is not offered."


def since_last(items: Sequence[JSON], by_model: Callable[[JSON], bool]) -> list[JSON]:
    """Return the items of a conversation since the last one by the model."""
    turns = [number for number, item in enumerate(items, 1) if by_model(item)]
    return list(items[max(turns, default=0) :])


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in cast("Mapping[str, Any]", value).values():
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in cast("Sequence[Any]", value):
            yield from _texts(part)
