"""What the pages show in code font, compared with the program: commands, names, JSON, crashes."""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.cli.main import main
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import load_models
from seedance_mcp.settings import variables

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parent.parent
# The changelog is about what was, too.
PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if page.name != "changelog.md"]
PAGES.append(ROOT / "README.md")
TEXTS = {page.name: page.read_text("utf-8") for page in PAGES}

OTHER_NAMES = {
    "animate_image",  # a prompt
    "build_tools",  # a function
    "generate_video_2_5_720p",  # the tool of a further model
    "resource_link",  # a block of the protocol
    # The keys of a model's file.
    *("model_id", "input_schema", "output_schema", "read_on", "short_name", "usual_seconds"),
    # In answers, but not in the schemas, which say nothing of what may be left out.
    *("estimated_cost_usd", "cost_usd", "spent_24h_usd", "next_step"),
}
"""Names with an underscore that are not a tool, an argument, a status or a field of an answer."""


COMMAND = re.compile(r"(?:uvx (?:--from \S+ )?)?seedance-mcp((?: .*)?)")


def commands() -> set[tuple[str, ...]]:
    """Return the commands on the pages, with the options that stand in the same row."""
    found: set[tuple[str, ...]] = set()
    for text in TEXTS.values():
        blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        cells = [[line] for block in blocks for line in block.splitlines()]
        # A row of a table is a line, and so is a paragraph.
        prose = re.sub(r"\n(?![\n|])", " ", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines = prose.splitlines()
        cells += [["|"] * (line[:1] == "|") + re.findall(r"`([^`]+)`", line) for line in lines]
        for row in cells:
            for command in filter(None, map(COMMAND.fullmatch, row)):
                options = [cell for cell in row if cell.startswith("-")] if row[0] == "|" else []
                found.add(tuple(f"{command[1]} {' '.join(options)}".split()))
    return found


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_the_program_has_every_command_and_option(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    names = itertools.takewhile(re.compile("[a-z]+").fullmatch, words)
    with pytest.raises(SystemExit) as ended:
        main([*names, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    options = [word for word in words if re.fullmatch(r"-[a-z]|--[a-z-]+", word)]
    assert [option for option in options if option not in shown] == []
    if words[:1] in {("install",), ("uninstall",)}:
        assert {word for word in words[1:] if word[0] != "-" and word.islower()} <= set(CLIENTS)


def known_names() -> set[str]:
    """Return the names of tools, arguments, states and fields of answers."""
    names = {status.value for status in Status} | OTHER_NAMES
    for model in load_models().values():
        for tool in build_tools([model], wait_seconds=45):
            names |= {tool.definition.name, *tool.definition.input_schema["properties"]}
            names |= set(fields(tool.definition.output_schema))
    return names


def fields(schema: Any) -> set[str]:
    """Return the properties of a schema, at any depth."""
    if isinstance(schema, list):
        return {name for item in cast("list[Any]", schema) for name in fields(item)}
    if not isinstance(schema, dict):
        return set()
    parts = cast("dict[str, Any]", schema)
    return {*parts.get("properties", {}), *(n for part in parts.values() for n in fields(part))}


def test_every_name_in_code_font_exists() -> None:
    points = set(crash_rows())
    known = known_names() | points
    found = {name: names_in(text) - known for name, text in TEXTS.items()}
    assert {name: unknown for name, unknown in found.items() if unknown} == {}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", text))


def test_every_variable_exists() -> None:
    named = {
        word for text in TEXTS.values() for word in re.findall(r"\b(?:SEEDANCE|RUNCOMFY)_\w+", text)
    }
    assert named - set(variables()) == set()


def test_every_piece_of_json_can_be_parsed() -> None:
    pieces = [
        piece
        for text in TEXTS.values()
        for piece in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    ]
    assert pieces
    assert all(json.loads(piece) for piece in pieces)


def crash_rows() -> dict[str, str]:
    """Return what the table of crashes says of the ledger, by the test of each row."""
    table = TEXTS["money-safety.md"].partition("| killed |")[2].partition("\n\n")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {row[-1]: row[1] for row in rows}


@pytest.mark.skipif(sys.platform != "linux", reason="the tests of crashes need Linux")
def test_the_table_of_crashes_has_every_point_at_which_a_test_kills_the_server() -> None:
    from tests.support.crash_scene import POINTS

    ledger = {point.__name__: death.row or "nothing" for point, death in POINTS.items() if death}
    assert crash_rows() == ledger


def test_the_diagram_of_a_job_has_every_state() -> None:
    text = (ROOT / "docs" / "job.svg").read_text("utf-8")
    states = re.findall(r'class="name"[^>]*>(\w+)<', text)
    assert sorted(states) == sorted(status.value for status in Status)


def test_the_plot_of_the_schedule_shows_the_numbers_of_the_table() -> None:
    svg = (ROOT / "docs" / "schedule.svg").read_text("utf-8")
    point = r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3" class="\w+"/><text[^>]*>(\d+(?: s)?)'
    plotted = [
        {name: (193.2 - float(y)) / 52.13 for _, y, name in re.findall(point, panel)}
        for panel in re.findall("<g .*?</g>", svg)
    ]
    rows = re.findall(
        r"^\| (?:every|after) (\d+)( s)?(?: jobs)? \| (.*) \|$", TEXTS["waiting.md"], re.MULTILINE
    )
    delays = {
        f"{number}{unit}": re.findall(r"([\d.]+), [\d.]+:", row) for number, unit, row in rows
    }
    assert [list(panel) for panel in plotted] == [list(delays)] * len(plotted)
    for number, panel in enumerate(plotted):
        assert panel == pytest.approx(
            {name: float(row[number]) for name, row in delays.items()}, abs=0.012
        )
