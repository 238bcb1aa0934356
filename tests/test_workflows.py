"""The workflows of GitHub Actions: they call what runs anywhere, on all that is supported."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parent.parent
WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").iterdir()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OUR_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

PINNED = r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"


def workflow(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load(WORKFLOWS[name])  # pyright: ignore[reportUnknownMemberType]


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


def commands(name: str, job: str) -> list[str]:
    return [step["run"] for step in workflow(name)["jobs"][job]["steps"] if "run" in step]


def test_every_python_that_the_package_supports_is_checked_on_every_system() -> None:
    matrix = workflow("ci")["jobs"]["check"]["strategy"]["matrix"]
    shown = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"] if ":: 3." in each]
    assert matrix["python"] == shown
    assert PROJECT["requires-python"] == f">={shown[0]}"
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_what_is_checked_is_what_runs_anywhere() -> None:
    assert commands("ci", "check") == [".ci/run"]
    built = commands("release", "build")
    assert [each.split()[0] for each in built] == ["make"] * len(built)
    called = (ROOT / ".ci" / "run").read_text("utf-8") + "\n".join(built)
    assert set(re.findall(r"^ *make ([a-z-]+)", called, re.MULTILINE)) <= OUR_TARGETS


def test_a_release_is_checked_and_built_before_it_is_published() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["check"]["uses"] == "$/.github/workflows/ci.yml"
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "check": None,
        "build": "check",
        "publish": "build",
        "attach": "publish",
        "register": "publish",
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_has_no_permission_but_its_own_and_ends(name: str) -> None:
    found = workflow(name)
    assert found["permissions"] == {}
    for job in found["jobs"].values():
        assert "permissions" in job
        assert "uses" in job or job["timeout-minutes"] <= 90


def test_only_what_publishes_may_sign_in_or_write() -> None:
    jobs = workflow("release")["jobs"] | workflow("ci")["jobs"]
    writes = {
        name: [what for what, how in job["permissions"].items() if how == "write"]
        for name, job in jobs.items()
    }
    assert {name: what for name, what in writes.items() if what} == {
        "publish": ["id-token"],
        "attach": ["contents"],
        "register": ["id-token"],
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_by_its_commit_beside_its_version(name: str) -> None:
    uses = [line for line in WORKFLOWS[name].read_text("utf-8").splitlines() if " uses: " in line]
    outside = [line.split(" uses: ")[1] for line in uses if "$/" not in line]
    assert [each for each in outside if not re.fullmatch(PINNED, each)] == []
    checkouts = [step for step in steps(name) if "actions/checkout" in step.get("uses", "")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * len(checkouts)


def test_every_action_has_one_commit_and_every_commit_one_version() -> None:
    texts = "".join(path.read_text("utf-8") for path in WORKFLOWS.values())
    pins = {tuple(pin.split("@")) for pin in re.findall(PINNED, texts)}
    assert len(pins) == len({action for action, _ in pins})
