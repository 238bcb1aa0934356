"""The tests of the package beside the installed wheel, where there are no sources."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.server_process import environment

from .environments import Environment

TELLING = (
    *("tests/cli", "tests/models", "tests/simulator", "tests/mcp_server/test_tool_listing.py"),
    "tests/processes/test_stdio.py",
)
"""The tests that need the package's files, its commands or PyAV, rather than only its code."""


def test_the_tests_pass_without_the_sources(
    complete: Environment, sources: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(sources / "tests", alone / "tests")
    shutil.copy(sources / "pyproject.toml", alone)
    chosen = () if request.config.getoption("whole_suite") else TELLING
    # What reads the files beside the package has none to read here, some of it when it is imported.
    modules = (alone / "tests").rglob("test_*.py")
    beside = [path for path in modules if "pytest.mark.repository" in path.read_text("utf-8")]
    without = [f"--ignore={path}" for path in beside]
    variables = environment(tmp_path) | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")}  # noqa: S108 - the default
    command = ("-m", "pytest", "-q", "-n", "3", *without, *chosen)
    run = complete.run("python", *command, variables=variables, cwd=alone)
    sys.stdout.write(run.stdout)
    assert (run.returncode, "skipped" in run.stdout) == (0, False)
