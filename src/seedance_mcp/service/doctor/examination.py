"""Runs every check, side by side and each within a bound, and sorts what they found."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain

import anyio
from anyio import to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.settings import TOKEN_VARIABLES, SettingsReading, read_settings

from ._environment_checks import (
    FindVersion,
    check_certificates,
    check_packages,
    check_proxies,
    check_versions,
    find_version,
)
from ._folder_checks import check_folder
from ._ledger_checks import check_ledger
from ._network_checks import check_runcomfy
from ._settings_checks import check_schemas, check_state_key, check_token, check_variables
from .finding import Check, Finding, fault, warning

logger = logging.getLogger(__name__)

DISK_SECONDS = 7.0
"""How long the checks of a disk may take, which may be a share that is away."""

NOT_KNOWN = "It was not known within"
"""How the message of a check begins that took longer than its caller wanted to wait."""

_ORDER = (
    *("settings", "token", "connection", "authentication", "balance", "clock", "model", "price"),
    *("schemas", "state folder", "output folder", "ledger", "jobs"),
    *("proxy", "certificates", "versions", "packages"),
)


async def examine(
    environment: Mapping[str, str],
    clock: Clock,
    version_of: FindVersion = find_version,
    *,
    seconds: float | None = None,
) -> list[Finding]:
    """Return what every check found, in an order that does not depend on which was quick.

    Args:
        environment: The environment of the server that is meant.
        clock: The time of this machine.
        version_of: Returns a package's version, None if it is not installed.
        seconds: How long it may take; each check has a limit of its own.
    """
    reading = read_settings(environment)
    checks = [
        *_quick_checks(environment, reading, version_of),
        ("connection", partial(check_runcomfy, reading, clock, side_by_side)),
        *_disk_checks(reading, clock.now()),
    ]
    found = await side_by_side(checks, seconds)
    names = (*TOKEN_VARIABLES, "SEEDANCE_STATE_KEY", "SEEDANCE_DATABASE_URL")
    secrets = [environment.get(name, "").strip() for name in names]
    secrets.append(reading.settings.plain_token or "")
    clean = [finding.without(secrets) for finding in found]
    return sorted(clean, key=lambda finding: _ORDER.index(finding.check))


def _quick_checks(
    environment: Mapping[str, str], reading: SettingsReading, version_of: FindVersion
) -> list[tuple[str, Check]]:
    checks = [
        ("settings", partial(check_variables, environment, reading)),
        ("token", partial(check_token, environment, reading)),
        ("schemas", partial(check_schemas, reading)),
        ("proxy", check_proxies),
        ("certificates", partial(check_certificates, environment)),
        ("versions", partial(check_versions, version_of)),
        ("packages", partial(check_packages, version_of)),
    ]
    return [(name, partial(_at_once, check)) for name, check in checks]


def _disk_checks(reading: SettingsReading, now: datetime) -> list[tuple[str, Check]]:
    """Return the checks of what is on disks, without those of folders that are not known."""
    settings, wrong = reading.settings, reading.problems
    checks: list[tuple[str, Callable[[], list[Finding]]]] = []
    for name in ("state", "output"):
        if f"{name}_dir" not in wrong:
            folder, variable = getattr(settings, f"{name}_dir"), f"SEEDANCE_{name.upper()}_DIR"
            check = f"{name} folder"
            locks = name == "state"  # for the ledger
            checks.append((check, partial(check_folder, check, folder, variable, locks=locks)))
    if "state_dir" not in wrong:
        checks.append(("ledger", partial(check_ledger, settings, now)))
        checks.append(("settings", partial(check_state_key, settings)))
    return [(name, partial(_in_thread, name, check)) for name, check in checks]


async def side_by_side(
    checks: Sequence[tuple[str, Check]], seconds: float | None = None
) -> list[Finding]:
    """Return what named checks find that run at the same time.

    One that breaks, or takes longer than `seconds`, is a finding itself.
    """
    found: list[list[Finding]] = [[] for _ in checks]

    async def run(number: int, name: str, check: Check) -> None:
        try:
            with anyio.move_on_after(seconds) as scope:
                found[number] = await check()
            if scope.cancelled_caught:
                message = f"{NOT_KNOWN} {seconds:g} s."
                found[number] = [warning(name, message, "It may be well, and slow.")]
        except Exception as error:
            logger.debug("A check broke", exc_info=True)
            message = f"This check broke ({type(error).__name__}); the others do not depend on it."
            found[number] = [warning(name, message, "Report it to the authors of seedance-mcp.")]

    async with anyio.create_task_group() as tasks:
        for number, (name, check) in enumerate(checks):
            tasks.start_soon(run, number, name, check)
    return list(chain.from_iterable(found))


async def _at_once(check: Callable[[], list[Finding]]) -> list[Finding]:
    return check()


async def _in_thread(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """Return what a check finds that may wait for a disk; one that takes too long is given up."""
    with anyio.move_on_after(DISK_SECONDS):
        return await to_thread.run_sync(check, abandon_on_cancel=True)
    message = f"Its disk did not answer within {DISK_SECONDS:g} s."
    return [fault(name, message, "Set the folder's variable to one on a disk of this machine.")]
