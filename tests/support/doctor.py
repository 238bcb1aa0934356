"""What `seedance-mcp doctor` finds, in this process or in one of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio

from seedance_mcp.clock import Clock, utc_now
from seedance_mcp.service.doctor._environment_checks import FindVersion, find_version
from seedance_mcp.service.doctor.examination import examine
from seedance_mcp.service.doctor.finding import Finding

from .server_process import Servers
from .timeouts import TIMEOUT_SECONDS


@dataclass(frozen=True)
class Report:
    """What a doctor found, and the exit code."""

    findings: Sequence[Finding]
    code: int

    def __getitem__(self, check: str) -> str:
        """Return the messages of a check."""
        return "\n".join(each.message for each in self.findings if each.check == check)

    @property
    def troubles(self) -> dict[str, tuple[str, str, str]]:
        """Return state, message and remedy of what is not well, by check; the last one if more."""
        return {
            each.check: (each.state, each.message, each.remedy)
            for each in self.findings
            if each.state != "ok"
        }


async def examined(
    environment: Mapping[str, str],
    *,
    now: datetime | None = None,
    version_of: FindVersion = find_version,
) -> Report:
    """Examine in this process, whose own proxies and certificates are used."""
    clock = Clock(now=lambda: now or utc_now())
    with anyio.fail_after(TIMEOUT_SECONDS):
        findings = await examine(environment, clock, version_of)
    return Report(findings, int(any(each.state == "fault" for each in findings)))


async def reported(servers: Servers, environment: Mapping[str, str]) -> Report:
    """Run the command with `--json` in a process of its own."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await servers.command(["doctor", "--json"], environment)
    assert run.stderr == b""
    answer: dict[str, Any] = json.loads(run.stdout)
    findings = [Finding(**each) for each in answer["checks"]]
    count = {state: sum(f.state == state for f in findings) for state in ("ok", "warning", "fault")}
    assert answer["summary"] == {"can_make_a_clip": run.returncode == 0, **count}
    return Report(findings, run.returncode)
