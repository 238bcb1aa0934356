"""What others install the server from, compared with the program and with their schemas."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from PIL import Image

from packages._bundle import ENTRY_POINT, manifest, stage
from packages._catalogue import server_yaml, tools_json
from packages._options import OPTIONS
from packages._project import ICON, PLUGIN, ROOT, SKILL, load_project
from packages._server import prompts
from packages.generate import generated, stale, write
from seedance_mcp.hosting_settings import HostingSettings
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.model import load_models
from seedance_mcp.settings import TOKEN_VARIABLES, Settings, load_settings, variables
from tests.support.wording import TOOLS

pytestmark = pytest.mark.repository

PROJECT = load_project()
FACTS = Path(__file__).parent / "facts"
SKILL_TEXT = (ROOT / PLUGIN / SKILL).read_text("utf-8")
MOST_SKILL_BYTES = 8_000
SNAPSHOT = "mcp_server/snapshots/tools-list.json"


def document(path: str) -> Any:
    return json.loads((ROOT / path).read_text("utf-8"))


def test_no_file_is_stale() -> None:
    assert stale(ROOT) == [], "run: python -m packages.generate"


def test_a_changed_and_a_missing_file_are_stale(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / "server.json").write_text("{}", "utf-8")
    (tmp_path / "glama.json").unlink()
    assert stale(tmp_path) == ["server.json", "glama.json"]


def test_the_entry_of_the_registry_follows_its_schema() -> None:
    schema = json.loads((FACTS / "server.schema.json").read_text("utf-8"))
    validator: Any = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(document("server.json"))] == []
    assert document("server.json")["$schema"] == schema["$id"]


HOSTING = HostingSettings.model_fields.keys()
"""What a server that a client starts does not need."""


def test_the_readme_proves_the_name_in_the_registry() -> None:
    # PyPI shows the README, where the registry looks for this mark.
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"mcp-name: (\S+)", readme) == [document("server.json")["name"]]


def test_every_setting_is_an_option_with_its_default(tmp_path: Path) -> None:
    assert {option.name for option in OPTIONS} == Settings.model_fields.keys() - HOSTING
    hosting = {f"SEEDANCE_{name.upper()}" for name in HOSTING}
    listed = document("server.json")["packages"][0]["environmentVariables"]
    assert {each["name"] for each in listed} == variables().keys() - set(
        TOKEN_VARIABLES[1:]
    ) - hosting
    defaults = {each["name"]: each["default"] for each in listed if "default" in each}
    home = {"HOME": str(tmp_path)}
    assert load_settings(home | defaults) == load_settings(home)
    secret = [each["name"] for each in listed if each.get("isSecret")]
    assert secret == ["RUNCOMFY_API_TOKEN", "SEEDANCE_STATE_KEY"]


def test_the_bundle_lists_the_tools_and_asks_for_the_token_alone() -> None:
    made = manifest(PROJECT)
    assert [tool["name"] for tool in made["tools"]] == TOOLS
    questions = made["user_config"].items()
    assert [name for name, question in questions if question["required"]] == ["token"]
    assert [name for name, question in questions if question.get("sensitive")] == ["token"]
    assert {option.kind for option in OPTIONS} == {"string", "number", "boolean", "directory"}
    assert made["user_config"]["max_cost_usd_per_day"] == {
        "type": "number",
        "title": "Daily limit in USD",
        "description": "The most that the clips of 24 hours may cost, in USD; left out: no limit.",
        "min": 0,
        "max": 1_000_000,
        "required": False,
    }


def test_the_bundle_holds_what_runs_the_server_and_nothing_else(tmp_path: Path) -> None:
    stage(tmp_path)
    expected = {".mcpbignore", "LICENSE", "README.md", "icon.png", "manifest.json"}
    assert {path.name for path in tmp_path.iterdir()} == expected | {"pyproject.toml", "src"}
    assert [*tmp_path.rglob("*.pyc"), *tmp_path.rglob("__pycache__")] == []
    assert (tmp_path / ENTRY_POINT).is_file()
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8")) == manifest(PROJECT)


def test_options_that_were_left_out_of_the_bundle_count_as_unset(tmp_path: Path) -> None:
    # Claude Desktop does not replace them if they have no default.
    home = {"HOME": str(tmp_path)}
    env = manifest(PROJECT)["server"]["mcp_config"]["env"]
    wait = {"SEEDANCE_WAIT_SECONDS": "180"}
    assert env.items() > wait.items()
    assert load_settings(home | env) == load_settings(home | wait)


@pytest.mark.parametrize("path", [f"{PLUGIN}/.mcp.json", "gemini-extension.json"])
def test_variables_that_a_client_has_no_value_for_count_as_unset(path: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    env: dict[str, str] = document(path)["mcpServers"]["seedance"]["env"]
    text = re.sub(r"\$\{user_config\.\w+\}", "", json.dumps(env))
    filled: dict[str, str] = json.loads(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    wait = {"SEEDANCE_WAIT_SECONDS": "240"}
    assert filled == dict.fromkeys(env, "") | wait
    assert load_settings(home | filled) == load_settings(home | wait)


def test_a_limit_of_the_shell_is_not_cancelled_by_an_option_that_was_left_out() -> None:
    # Claude Code replaces options first, then variables.
    env = document(f"{PLUGIN}/.mcp.json")["mcpServers"]["seedance"]["env"]
    asked = document(f"{PLUGIN}/.claude-plugin/plugin.json")["userConfig"].keys() - {"token"}
    options = {variable: value for variable, value in env.items() if ":-${user_config." in value}
    assert options == {
        option.variable: f"${{{option.variable}:-${{user_config.{option.name}}}}}"
        for option in OPTIONS
        if option.name in asked
    }


def test_each_package_runs_this_very_version_with_the_video_extra() -> None:
    paths = [f"{PLUGIN}/.mcp.json", f"{PLUGIN}/mcp.json", "gemini-extension.json"]
    servers = [document(path)["mcpServers"]["seedance"] for path in paths]
    args = ["--from", f"seedance-mcp[video]=={PROJECT.version}", "seedance-mcp"]
    assert [(server["command"], server["args"]) for server in servers] == [("uvx", args)] * 3
    assert "video" in manifest(PROJECT)["server"]["mcp_config"]["args"]


def test_only_placeholders_stand_where_a_token_goes() -> None:
    token = [text for text in generated().values() if "RUNCOMFY_API_TOKEN" in text]
    values = re.findall(r'"(?:RUNCOMFY_API_TOKEN|RUNCOMFY_TOKEN)": "([^"]*)"', "".join(token))
    assert len(values) == 4
    assert all(re.fullmatch(r"\$\{[\w:.-]+\}", value) for value in values)


def test_the_marketplaces_lead_to_the_plugin() -> None:
    for client in (".claude-plugin", ".cursor-plugin"):
        (entry,) = document(f"{client}/marketplace.json")["plugins"]
        plugin = document(f"{entry['source']}/{client}/plugin.json")
        assert (plugin["name"], plugin["version"]) == (entry["name"], PROJECT.version)


def test_the_icon_is_what_every_shop_takes() -> None:
    with Image.open(ROOT / PLUGIN / ICON) as icon:
        assert (icon.format, icon.mode, icon.size) == ("PNG", "RGBA", (512, 512))
    assert (ROOT / PLUGIN / ICON).stat().st_size < 100_000


def test_the_entry_of_the_catalogue_names_a_commit_and_every_tool() -> None:
    entry = server_yaml(PROJECT, "0123456789abcdef0123456789abcdef01234567")
    assert '  commit: "0123456789abcdef0123456789abcdef01234567"\n' in entry
    assert "run:\n  command:\n    - serve\n" in entry
    # A ledger that ends with its container would forget what was paid for.
    assert '    - "{{seedance.folder}}:/data"\n' in entry
    assert re.findall(r"name: SEEDANCE_STATE_DIR\n.*\n +value: (.*)\n", entry) == ["/data/state"]
    assert [tool["name"] for tool in tools_json()] == TOOLS


def test_the_skill_names_only_tools_arguments_and_answers_that_exist() -> None:
    listed = json.loads((Path(__file__).parent / SNAPSHOT).read_text("utf-8"))
    known = {tool["name"]: tool for tool in listed}
    words: set[str] = {
        "seedance",
        *known["list_jobs"]["inputSchema"]["properties"]["status"]["enum"],
    }
    further = build_tools(choose_models("lite,2.5-720p", load_models()), wait_seconds=45)[1]
    words.add(further.definition.name)
    for tool in known.values():
        words |= {tool["name"], *tool["inputSchema"]["properties"]}
        words |= set(tool["outputSchema"]["properties"])
    named = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", SKILL_TEXT))
    named |= set(re.findall(r"`([a-z]+)(?::[^`]*)?`", SKILL_TEXT))
    assert named - words == set()
    assert named >= known.keys()


def test_the_skill_is_short_and_says_when_it_is_for() -> None:
    assert len(SKILL_TEXT.encode()) <= MOST_SKILL_BYTES
    front = re.fullmatch(r"---\nname: (.+)\ndescription: (.+)\n---\n.*", SKILL_TEXT, re.DOTALL)
    assert front is not None
    # The folder has the same name, as the format of skills wants; a description is cut at 1,024.
    assert front[1] == Path(SKILL).parent.name
    assert "Use when" in front[2]
    assert len(front[2]) <= 1024


def test_the_prompts_of_the_bundle_are_those_of_the_server() -> None:
    listed = [(each["name"], each["arguments"]) for each in manifest(PROJECT)["prompts"]]
    assert listed == [(one.name, [each.name for each in one.arguments or []]) for one in prompts()]
    assert [name for name, _ in listed] == ["animate_image", "film"]
