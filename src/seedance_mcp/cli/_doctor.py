"""`seedance-mcp doctor`: print what was found, and end with 1 if a clip cannot be made."""

import json
import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.service.doctor.examination import examine
from seedance_mcp.service.doctor.finding import Finding

from ._output import print_lines

_MARKS = {"ok": "✓", "warning": "!", "fault": "✗"}
_ASCII_MARKS = {"ok": "+", "warning": "!", "fault": "x"}


def doctor(options: Namespace) -> None:
    """Check everything that a clip needs, print it, and end the process.

    The exit code is 1 if something would keep a clip from being made.
    """
    anyio.run(_examine_and_end, options)


async def _examine_and_end(options: Namespace) -> None:
    findings = await examine(options.environment, Clock())
    text = as_json(findings) if options.json else as_text(findings, sys.stdout.encoding)
    # Whoever reads may have seen enough.
    with suppress(BrokenPipeError):
        print_lines([text.removesuffix("\n")])
    # An ordinary exit would wait for what was given up: a dead name server, a dead share.
    os._exit(any(finding.state == "fault" for finding in findings))


def as_json(findings: Sequence[Finding]) -> str:
    """Return findings for a program."""
    summary = {"can_make_a_clip": not any(f.state == "fault" for f in findings), **_count(findings)}
    checks = [asdict(finding) for finding in findings]
    return json.dumps({"checks": checks, "summary": summary}, indent=2) + "\n"


def as_text(findings: Sequence[Finding], encoding: str) -> str:
    """Return findings for a person at a terminal of an encoding, which may lack the marks."""
    try:
        "".join(_MARKS.values()).encode(encoding)
        marks = _MARKS
    except (UnicodeEncodeError, LookupError):
        marks = _ASCII_MARKS
    width = max(len(finding.check) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{marks[finding.state]} {finding.check:<{width}}  {finding.message}")
        if finding.remedy:
            lines.append(f"{'':<{width + 4}}{finding.remedy}")
    text = "\n".join([*lines, "", _conclusion(findings)]) + "\n"
    return text.encode(encoding, errors="replace").decode(encoding)


def _conclusion(findings: Sequence[Finding]) -> str:
    count = _count(findings)
    faults, warnings = count["fault"], count["warning"]
    found = f"{faults} fault{'s' * (faults != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if faults:
        return f"{found}: a clip cannot be made before the faults are fixed."
    return f"{found}: a clip can be made."


def _count(findings: Sequence[Finding]) -> dict[str, int]:
    states = Counter(finding.state for finding in findings)
    return {state: states[state] for state in _MARKS}
