"""Checks of the ledger: whether it is sound, and which of its jobs need a person."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import partial

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError, LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.inspection import LedgerInspection, inspect_rows
from seedance_mcp.ledger.sqlite.inspection import inspect_ledger
from seedance_mcp.service._ledger import read_ledger
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import MAX_AHEAD
from seedance_mcp.text import quoted

from .finding import Finding, fault, ok, warning

INSPECTION_SECONDS = 5.0
"""How long SQLite may take with the ledger."""

_MOST_NAMED_JOBS = 5
_MOST_PROMPT_CHARACTERS = 60

_START = "Start the server once, then run this again."
_MOVE_AWAY = (
    "Stop every server, move the file away to begin a new ledger, and look in your RunComfy account"
    " for what is under way."
)


def check_ledger(settings: Settings, now: datetime) -> list[Finding]:
    """Check the ledger of the settings, in the state folder or in a database."""
    if settings.plain_database_url:
        return _check_database(settings, now)
    try:
        found = inspect_ledger(
            settings.state_dir,
            owner=settings.base_url,
            token=settings.plain_token,
            seconds=INSPECTION_SECONDS,
        )
    except LedgerError as error:
        return [fault("ledger", error.message, _remedy(error))]
    except OSError as error:
        why = (error.strerror or "it failed").lower()
        remedy = "Let the user who runs the server read the state folder."
        return [fault("ledger", f"It cannot be read: {why}.", remedy)]
    return describe_ledger(found, now)


def _check_database(settings: Settings, now: datetime) -> list[Finding]:
    """Check the ledger in the settings' database, of which nothing is changed."""
    remedy = "Start the database, or set SEEDANCE_DATABASE_URL to the one that has the ledger."
    try:
        with closing(read_ledger(settings, Clock(now=lambda: now))) as ledger:
            step = partial(inspect_rows, owner=settings.base_url, token=settings.plain_token)
            found = anyio.run(ledger.run, step)
    except ConfigurationError as error:
        return [fault("ledger", error.message, "Install it, or correct the variable.")]
    except LedgerError as error:
        return [fault("ledger", error.message, remedy)]
    return describe_ledger(found, now)


def describe_ledger(found: LedgerInspection, now: datetime) -> list[Finding]:
    """Return what an inspection of the ledger means, at a time."""
    if found.older or found.interrupted:
        return [_soundness(found), ok("jobs", "They are not read before that.")]
    return [_soundness(found), *_jobs(found), _clock(found, now)]


def _remedy(error: LedgerError) -> str:
    if "newer version" in error.message:
        return "Update seedance-mcp, or set SEEDANCE_STATE_DIR to another folder."
    if "older version" in error.message:
        return "Close every window that uses it, then start the server again."
    if "another program" in error.message and "locked" not in error.message:
        return "Set SEEDANCE_STATE_DIR to another folder."
    return _MOVE_AWAY if "damaged" in error.message else _START


def _soundness(found: LedgerInspection) -> Finding:
    check = "ledger"
    if not found.exists:
        return ok(check, "There is none yet; the first job begins it.")
    if found.damage:
        return fault(check, f"It is damaged: {quoted(found.damage[0], 100)}.", _MOVE_AWAY)
    if found.interrupted:
        message = "A process was ended while it wrote there; the next start undoes what it wrote."
        return warning(check, message, _START)
    if found.older:
        return ok(check, "It is of an older version; the next start brings it up to date.")
    counts = [f"{count} {status}" for status, count in found.counts.items() if count]
    total = sum(found.counts.values())
    jobs = f"{total} job{'s' * (total != 1)}" + (f": {', '.join(counts)}" if counts else "")
    if found.unreadable:
        message = f"The rows of {', '.join(found.unreadable[:3])} are damaged, out of {jobs}."
        return warning(check, message, "Look for these jobs in your RunComfy account.")
    if found.damage is None:
        message = f"SQLite did not get through it within {INSPECTION_SECONDS:g} s; {jobs}."
        return warning(check, message, "Lower SEEDANCE_HISTORY_DAYS if it has grown too large.")
    return ok(check, f"It is sound, with {jobs}.")


def _jobs(found: LedgerInspection) -> Iterator[Finding]:
    check = "jobs"
    if found.unknown:
        named = "; ".join(map(_named, found.unknown[:_MOST_NAMED_JOBS]))
        more = len(found.unknown) - _MOST_NAMED_JOBS
        message = f"RunComfy may or may not have accepted and charged: {named}"
        message += f"; and {more} more." if more > 0 else "."
        yield warning(check, message, "Look for them in your RunComfy account.")
    if found.other_token:
        one = found.other_token == 1
        jobs, them = ("job was", "it") if one else ("jobs were", "them")
        message = f"{found.other_token} open {jobs} begun with another token."
        remedy = (
            f"If RunComfy does not know {them}, set the token of the account that paid for {them}."
        )
        yield warning(check, message, remedy)
    if not found.unknown and not found.other_token:
        yield ok(check, "None has an unknown outcome, none that is open has another token.")


def _named(job: Job) -> str:
    prompt = quoted(str(job.arguments.get("prompt", "")), _MOST_PROMPT_CHARACTERS)
    return f"{job.created_at:%Y-%m-%d %H:%M} UTC {prompt}"


def _clock(found: LedgerInspection, now: datetime) -> Finding:
    if found.latest_at and found.latest_at > now + MAX_AHEAD:
        message = (
            f"The ledger has a job of {found.latest_at:%Y-%m-%d %H:%M} UTC, and this machine says"
            f" that it is {now:%Y-%m-%d %H:%M} UTC; the limits do not count such jobs."
        )
        return warning("clock", message, "Set the clock, if it is wrong.")
    return ok("clock", "No job in the ledger is dated ahead of this machine's clock.")
