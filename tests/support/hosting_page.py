"""The set-ups of docs/hosting.md, as somebody would copy them from the page."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "hosting.md"

_BLOCK = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """A set-up.

    Attributes:
        files: The text of each file, by its name or path.
        commands: The commands in their order, without what only says something.
        prose: The whole section.
    """

    files: dict[str, str]
    commands: list[str]
    prose: str


def set_up(heading: str) -> SetUp:
    """Return the set-up below a heading."""
    _, found, rest = PAGE.read_text("utf-8").partition(f"\n### {heading}\n")
    assert found, heading
    prose = re.split(r"^###? ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    files: dict[str, str] = {}
    commands: list[str] = []
    for block in _BLOCK.finditer(prose):
        if block["file"]:
            files[block["file"]] = block["text"]
        elif block["kind"] == "sh":
            lines = block["text"].replace("\\\n", " ").splitlines()
            commands += [line for line in lines if line and not line.startswith("#")]
    return SetUp(files=files, commands=commands, prose=prose)


def variables(text: str) -> dict[str, str]:
    """Return the variables of a file such as `.env`."""
    lines = [line.partition("=") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}
