"""The official MCP conformance suite against the real server over HTTP: `make conformance`.

Each protocol revision has its baseline, a list of the checks that are expected to fail, each with
its reason. The suite judges the scenarios that a revision requires. Here every check counts that
it ran, also of those that it does not score, and every entry of the baseline must have failed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .surroundings import (
    LOGS,
    NODE,
    PACKAGES,
    SEEDANCE_MCP,
    end_in_order,
    refusing_url,
    say,
    settings,
    started,
    without_settings,
)

REVISIONS = ("2026-07-28", "2025-11-25")
SUITE = str(PACKAGES / "conformance" / "dist" / "index.js")
SUITE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks that the suite ran, each as `scenario:check`."""

    passed: set[str]
    failed: set[str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a revision went.

    Attributes:
        revision: The protocol revision.
        checks: What passed and what failed.
        unexpected: The failed checks that the baseline does not expect.
        stale: The entries of the baseline that nothing failed for.
        exit_code: The suite's own.
    """

    revision: str
    checks: Checks
    unexpected: list[str]
    stale: list[str]
    exit_code: int

    @property
    def good(self) -> bool:
        """Tell whether all went as expected; a suite that found nothing to pass is broken."""
        return not (self.unexpected or self.stale or self.exit_code) and bool(self.checks.passed)

    def lines(self) -> list[str]:
        """Say what went wrong, then the whole in a line."""
        passed, failed = len(self.checks.passed), len(self.checks.failed)
        summary = (
            f"{'ok    ' if self.good else 'FAILED'} {self.revision}: {passed} checks passed,"
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
    """Start the server, run the suite for each revision, and exit with 1 if anything is wrong."""
    end_in_order()
    log = LOGS / "server.log"
    with tempfile.TemporaryDirectory() as folder, refusing_url() as nowhere:
        command = [SEEDANCE_MCP, "serve", "--transport", "http", "--port", "0"]
        env = without_settings(os.environ) | settings(folder, nowhere)
        with started(command, env=env, log=log) as url:
            verdicts = [run(revision, url) for revision in REVISIONS]
    for verdict in verdicts:
        for line in verdict.lines():
            say(line)
    broke = re.search(r"Traceback| ERROR | CRITICAL ", log.read_text("utf-8"))
    if broke:
        say(f"FAILED the server logged an error: {log}")
    if broke or not all(verdict.good for verdict in verdicts):
        sys.exit(f"The suite's own words are in {LOGS}.")


def run(revision: str, url: str) -> Verdict:
    """Run the suite for a revision and hold what it found against the baseline."""
    baseline = Path(__file__).with_name(f"baseline-{revision}.yml")
    entries = read_baseline(baseline)
    results = LOGS / revision
    shutil.rmtree(results, ignore_errors=True)
    command = [NODE, SUITE, "server", "--url", url, "--requirements", revision]
    command += ["--expected-failures", str(baseline), "--output-dir", str(results)]
    with (LOGS / f"{revision}.log").open("wb") as output:
        suite = subprocess.run(  # noqa: S603 - the command is our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=SUITE_SECONDS,
            check=False,
        )
    checks = read_results(results)
    return Verdict(
        revision=revision,
        checks=checks,
        unexpected=sorted(c for c in checks.failed if not any(_covers(e, c) for e in entries)),
        stale=[e for e in entries if not any(_covers(e, c) for c in checks.failed)],
        exit_code=suite.returncode,
    )


def read_baseline(path: Path) -> list[str]:
    """Read the entries of a baseline, and see that each has its reason beside it."""
    entries: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("#") or line == "server:":
            continue
        entry = re.fullmatch(r"  - (\S+)  # \S.*", line)
        if entry is None:
            sys.exit(f'{path}:{number}: it must read "  - scenario:check  # reason".')
        entries.append(entry[1])
    return entries


def read_results(results: Path) -> Checks:
    """Read the suite's results; a check that ran several times failed if it once did."""
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
    """Tell whether an entry, a check or a whole scenario, expects the failure of a check."""
    return check == entry or check.startswith(f"{entry}:")


if __name__ == "__main__":
    main()
