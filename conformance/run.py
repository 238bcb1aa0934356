"""The official MCP conformance suite against the real server over HTTP: `make conformance`.

The server takes calls with an access token only, which a proxy in front of it adds.

Each protocol revision has a baseline: the checks that are expected to fail, each with its reason.
The suite scores only the scenarios that a revision requires. Here every check that ran counts, and
every entry of the baseline must have failed.

The scenarios of the Tasks extension run against `task_server.py`, which has the tools they call.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from .common import (
    LOGS,
    NODE,
    PACKAGES,
    SEEDANCE_MCP,
    exit_on_signals,
    refusing_url,
    say,
    settings,
    started,
    without_settings,
)

REVISIONS = ("2026-07-28", "2025-11-25")
TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)
"""The scenarios of the Tasks extension, run by name since no revision requires them."""
SUITE = str(PACKAGES / "conformance" / "dist" / "index.js")
SUITE_SECONDS = 300.0
BROKEN = r"Traceback| ERROR | CRITICAL "
"""A pattern that occurs only in the log of a server that broke."""


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks that the suite ran, each as `scenario:check`."""

    passed: set[str]
    failed: set[str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome for a protocol revision or an extension.

    Attributes:
        subject: The protocol revision, or the extension.
        checks: The checks that ran.
        unexpected: The failed checks that the baseline does not expect.
        stale: The entries of the baseline for which no check failed.
        exit_code: The highest exit code of the suite's runs.
    """

    subject: str
    checks: Checks
    unexpected: list[str]
    stale: list[str]
    exit_code: int

    @property
    def good(self) -> bool:
        """Return whether all went as expected; a run in which no check passed is broken."""
        return not (self.unexpected or self.stale or self.exit_code) and bool(self.checks.passed)

    def lines(self) -> list[str]:
        """Return a line for each surprise, then a summary."""
        passed, failed = len(self.checks.passed), len(self.checks.failed)
        summary = (
            f"{'ok    ' if self.good else 'FAILED'} {self.subject}: {passed} checks passed,"
            f" {failed - len(self.unexpected)} failed as expected,"
            f" {len(self.unexpected)} failed unexpectedly;"
            f" {len(self.stale)} stale entries in the baseline;"
            f" exit code of the suite: {self.exit_code}"
        )
        return [
            *(f"  unexpected failure: {check}" for check in self.unexpected),
            *(f"  stale entry of the baseline: {entry}" for entry in self.stale),
            summary,
        ]


def main() -> None:
    """Run the suite against both servers, and exit with 1 if anything is wrong."""
    exit_on_signals()
    logs = [LOGS / "server.log", LOGS / "bearer-proxy.log", LOGS / "task-server.log"]
    with tempfile.TemporaryDirectory() as folder, refusing_url() as nowhere:
        env = without_settings(os.environ) | settings(folder, nowhere)
        with behind_a_token(env, folder, logs) as url:
            verdicts = [run(revision, url, "--requirements", [revision]) for revision in REVISIONS]
        command = [sys.executable, "-m", "conformance.task_server"]
        with started(command, env=env, log=logs[2]) as url:
            verdicts.append(run("tasks", url, "--scenario", TASKS))
    for verdict in verdicts:
        for line in verdict.lines():
            say(line)
    broke = [log for log in logs if re.search(BROKEN, log.read_text("utf-8"))]
    for log in broke:
        say(f"FAILED a server logged an error: {log}")
    if broke or not all(verdict.good for verdict in verdicts):
        sys.exit(f"The suite's output is in {LOGS}.")


@contextmanager
def behind_a_token(env: dict[str, str], folder: str, logs: Sequence[Path]) -> Generator[str]:
    """Run the server with an access token, and yield the URL of a proxy that adds it."""
    env = env | {"SEEDANCE_ACCESS_TOKENS": str(Path(folder, "access-tokens"))}
    new_token = [SEEDANCE_MCP, "token", "new", "suite"]
    token = subprocess.run(new_token, env=env, check=True, capture_output=True, text=True).stdout
    command = [SEEDANCE_MCP, "serve", "--transport", "http", "--port", "0"]
    with started(command, env=env, log=logs[0]) as url:
        refused = httpx.post(url, json={}).status_code
        if refused != 401:
            sys.exit(f"The server answered a call without a token with {refused}.")
        command = [sys.executable, "-m", "conformance.bearer_proxy", url]
        with started(command, env=env | {"BEARER_TOKEN": token.strip()}, log=logs[1]) as proxy:
            yield proxy


def run(subject: str, url: str, option: str, values: Sequence[str]) -> Verdict:
    """Run the suite once for each value of an option, and compare it with the baseline."""
    baseline = Path(__file__).with_name(f"baseline-{subject}.yml")
    entries = read_baseline(baseline)
    results = LOGS / subject
    shutil.rmtree(results, ignore_errors=True)
    common = ["--url", url, "--expected-failures", str(baseline), "--output-dir", str(results)]
    with ThreadPoolExecutor(max_workers=3) as threads:
        codes = list(threads.map(partial(suite, common, option), values))
    checks = read_results(results)
    ran = checks.passed | checks.failed
    unexpected = {c for c in checks.failed if not any(_covers(e, c) for e in entries)}
    if option == "--scenario":
        unexpected |= {f"{s} did not run" for s in values if not any(_covers(s, c) for c in ran)}
    return Verdict(
        subject=subject,
        checks=checks,
        unexpected=sorted(unexpected),
        stale=[e for e in entries if not any(_covers(e, c) for c in checks.failed)],
        exit_code=max(codes),
    )


def suite(common: Sequence[str], option: str, value: str) -> int:
    """Run the suite, with a log named after the value, and return its exit code."""
    with (LOGS / f"{value}.log").open("wb") as output:
        return subprocess.run(
            [NODE, SUITE, "server", *common, option, value],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=SUITE_SECONDS,
            check=False,
        ).returncode


def read_baseline(path: Path) -> list[str]:
    """Read the entries of a baseline; each must have its reason beside it."""
    entries: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("#") or line in {"server:", "server: []"}:
            continue
        entry = re.fullmatch(r"  - (\S+)  # \S.*", line)
        if entry is None:
            sys.exit(f'{path}:{number}: expected "  - scenario:check  # reason".')
        entries.append(entry[1])
    return entries


def read_results(results: Path) -> Checks:
    """Read the suite's results; a check that failed once has failed."""
    passed: set[str] = set()
    failed: set[str] = set()
    for path in results.glob("*/checks.json"):
        scenario = re.sub(r"^server-(.+)-\d{4}-\d\d-\d\dT.*$", r"\1", path.parent.name)
        for check in json.loads(path.read_text("utf-8")):
            name = f"{scenario}:{check['id']}"
            if check["status"] == "SUCCESS":
                passed.add(name)
            elif check["status"] in {"FAILURE", "WARNING"}:
                failed.add(name)
    return Checks(passed=passed - failed, failed=failed)


def _covers(entry: str, check: str) -> bool:
    """Return whether an entry, which may be a whole scenario, covers a check."""
    return check == entry or check.startswith(f"{entry}:")


if __name__ == "__main__":
    main()
