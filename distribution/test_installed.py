"""The commands of a package that was installed into an environment without anything else."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from seedance_mcp import __version__
from seedance_mcp.models.model import load_models
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.server_process import account, environment
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import TOOLS

from .environments import Environment

pytestmark = pytest.mark.anyio


def said(installed: Environment, *arguments: str, variables: Mapping[str, str]) -> str:
    """Return what the command prints if it succeeds."""
    run = installed.run("seedance-mcp", *arguments, variables=variables)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_it_is_all_there_and_comes_from_the_package(installed: Environment, tmp_path: Path) -> None:
    variables = environment(tmp_path)
    assert said(installed, "--version", variables=variables) == f"seedance-mcp {__version__}\n"
    code = (
        "import seedance_mcp, importlib.util as u; print(seedance_mcp.__file__, u.find_spec('av'))"
    )
    found, pyav = installed.run("python", "-c", code, variables=variables).stdout.split()
    assert Path(found).is_relative_to(installed.command("python").parents[1])
    assert pyav == "None"


def test_the_models_are_there(installed: Environment, tmp_path: Path) -> None:
    printed = said(installed, "models", variables=environment(tmp_path))
    assert [model for model in load_models() if model not in printed] == []


async def examined(installed: Environment, folder: Path) -> dict[str, list[str]]:
    """Return the checks by their state that the doctor makes against the simulator."""
    async with running(Behaviour()) as simulator:
        variables = account(simulator, folder)
        command = partial(said, installed, "doctor", "--json", variables=variables)
        answer = json.loads(await anyio.to_thread.run_sync(command))
    assert simulator.accepted == []
    assert answer["summary"]["can_make_a_clip"] is True
    found: dict[str, list[str]] = {"ok": [], "warning": [], "fault": []}
    for each in answer["checks"]:
        found[each["state"]].append(each["check"])
    return found


async def test_the_doctor_misses_only_pyav_which_a_clip_does_not_need(
    installed: Environment, tmp_path: Path
) -> None:
    found = await examined(installed, tmp_path)
    assert (found["warning"], found["fault"]) == (["packages"], [])


async def test_the_doctor_is_green_with_pyav(complete: Environment, tmp_path: Path) -> None:
    found = await examined(complete, tmp_path)
    assert (found["warning"], found["fault"], len(found["ok"])) == ([], [], 17)


async def listed(folder: Path, command: str, *arguments: str) -> list[str]:
    """Return the names of the tools of a server, which is started in a folder over stdio."""
    parameters = StdioServerParameters(
        command=command, args=list(arguments), env=environment(folder), cwd=folder
    )
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with Client(parameters) as client:
            return [tool.name for tool in (await client.list_tools()).tools]


async def test_the_tools_are_listed_over_stdio(installed: Environment, tmp_path: Path) -> None:
    assert await listed(tmp_path, str(installed.command("seedance-mcp"))) == TOOLS


async def test_the_entry_that_is_printed_and_installed_starts_the_server(
    installed: Environment, tmp_path: Path
) -> None:
    variables = environment(tmp_path, RUNCOMFY_API_BASE_URL="http://127.0.0.1:1")
    printed = installed.run("seedance-mcp", "install", "cursor", "--print", variables=variables)
    file = tmp_path / ".cursor" / "mcp.json"
    assert (printed.returncode, file.exists()) == (0, False)
    run = installed.run("seedance-mcp", "install", "cursor", variables=variables)
    assert run.returncode == 0, run.stderr
    (shown,) = json.loads(printed.stdout)["mcpServers"].values()
    (entry,) = json.loads(file.read_text("utf-8"))["mcpServers"].values()
    assert (entry["command"], entry["args"]) == (shown["command"], shown["args"])
    assert Path(entry["command"]).is_relative_to(installed.command("python").parents[1])
    assert await listed(tmp_path, entry["command"], *entry["args"]) == TOOLS
