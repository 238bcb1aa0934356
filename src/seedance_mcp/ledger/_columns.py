"""Jobs as the columns of a row, whatever database has the row."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from math import inf, isfinite
from re import fullmatch
from typing import Any

from pydantic import TypeAdapter

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN, Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.text import one_line

# Columns have the fields' names; only these are stored in another form.
_JSON_COLUMNS = ("arguments", "files", "videos", "images", "saved_to", "acknowledged_by")
_TIME_COLUMNS = ("created_at", "started_at", "finished_at")

DAMAGE = (ValueError, TypeError, OverflowError, RecursionError)
"""What reading a damaged column raises."""


def to_row(job: Job, at: datetime) -> dict[str, Any]:
    """Return the columns of a job that was changed at a time; JSON as text, times as they are."""
    row: dict[str, Any] = vars(job) | vars(job.outputs) | {"arguments": job.digest}
    del row["outputs"]
    row |= {name: json.dumps(row[name]) for name in _JSON_COLUMNS}
    return row | {"fingerprint": job.fingerprint, "changed_at": at}


def from_row(row: Mapping[str, Any]) -> Job:
    """Return the job of a row, or raise one of `DAMAGE`."""
    values = dict(row)
    values |= {name: json.loads(values[name]) for name in _JSON_COLUMNS}
    values |= {name: read_time(values[name]) for name in _TIME_COLUMNS}
    # A value of a wrong type, or a wrong id, would break whoever uses it, far from here.
    job = _job_type().validate_python(values | {"outputs": values})
    needs_id = job.request_id is not None or job.status in OPEN
    if needs_id and not fullmatch(REQUEST_ID_PATTERN, job.request_id or ""):
        raise ValueError
    if not isfinite(job.cost_usd or 0):  # no sum could be made of it
        raise ValueError
    return job


def name_of(row: Mapping[str, Any]) -> str:
    """Return what a person calls the job of a damaged row: its request_id, or our id."""
    named = fullmatch(REQUEST_ID_PATTERN, str(row["request_id"] or ""))
    return named[0] if named else one_line(str(row["id"]), 128)


def stand_in(row: Mapping[str, Any], at: datetime) -> Job:
    """Return what a damaged row still says of its cost and its time, which is `at` if unreadable.

    Its clip may exist, and nothing says that a caller has taken it.
    """
    with suppress(*DAMAGE):
        at = read_time(row["at"]) or at
    cost, estimate = row["cost_usd"], row["estimated_microdollars"]
    return Job(
        id=str(row["id"]),
        created_at=at,
        status=Status.CANCELLED if row["status"] == Status.CANCELLED else Status.COMPLETED,
        cost_usd=cost if isinstance(cost, float) and 0 <= cost < inf else None,
        estimated_microdollars=estimate if isinstance(estimate, int) else None,
    )


def read_arguments(text: Any) -> dict[str, Any]:
    """Return the arguments of a row, none if they are damaged."""
    with suppress(*DAMAGE):
        arguments: Any = json.loads(text)
        return dict(arguments)
    return {}


def read_prompt(text: Any) -> str:
    """Return the prompt in the arguments of a row, "" if there is none."""
    return str(read_arguments(text).get("prompt") or "")


def read_time(value: Any) -> datetime | None:
    """Return a time of a row, or raise one of `DAMAGE`; None where it has none."""
    if not value:
        return None
    time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return time.astimezone(UTC)


@cache
def _job_type() -> TypeAdapter[Job]:
    return TypeAdapter(Job)
