"""What the examples say that `uv run` has to install for them."""

import re
import sys
import tomllib
from typing import Any

import pytest

from tests.support.example_run import EXAMPLES

pytestmark = pytest.mark.repository

SCRIPTS = sorted(path.name for path in EXAMPLES.glob("[!_]*.py"))


def metadata(text: str) -> dict[str, Any]:
    """Return the inline metadata of a script."""
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", text, re.MULTILINE)
    assert block
    return tomllib.loads(re.sub("^# ?", "", block[1], flags=re.MULTILINE))


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_runs_on_the_oldest_python_that_the_server_does(name: str) -> None:
    project = tomllib.loads((EXAMPLES.parent / "pyproject.toml").read_text("utf-8"))["project"]
    needed = metadata((EXAMPLES / name).read_text("utf-8"))["requires-python"]
    assert needed == project["requires-python"]


@pytest.mark.parametrize("name", ["pipeline.py", "resume.py"])
def test_an_example_of_the_sdk_is_tested_with_the_versions_that_it_installs(name: str) -> None:
    settings = tomllib.loads((EXAMPLES.parent / "pyproject.toml").read_text("utf-8"))
    tested = settings["project"]["dependencies"] + settings["dependency-groups"]["dev"]
    needed = metadata((EXAMPLES / name).read_text("utf-8"))["dependencies"]
    assert set(needed) <= set(tested)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_has_not_the_name_of_a_package(name: str) -> None:
    # The folder of a script comes first where Python looks: it would import itself.
    code = (EXAMPLES / name).read_text("utf-8")
    imported = set(re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE))
    assert name.removesuffix(".py") not in imported | sys.stdlib_module_names
