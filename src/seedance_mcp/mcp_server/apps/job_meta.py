"""What an answer about a job tells the player beside the facts, in `_meta`, which no model sees."""

from base64 import b64encode
from math import log
from typing import TYPE_CHECKING

import anyio

from seedance_mcp.models.model import JSONObject
from seedance_mcp.polling.schedule import DEFAULT_SCHEDULE, Schedule, job_timing
from seedance_mcp.service.reports import JobReport

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

KEY = "seedance-mcp/job"

POLL_SECONDS = (2, 5, 10)
"""The pauses between the player's polls: few, so that a person sees it move at an even pace."""

SCHEDULE_SECONDS = 0.2
"""How long an answer waits for what the ledger knows of such jobs."""


async def job_meta(
    service: "Service", report: JobReport, first_frame: bytes | None = None
) -> JSONObject:
    """Return what the player is told about a job: how long such a job takes, and when to poll.

    `first_frame` is the clip's, as a small JPEG, if it is known.
    """
    schedule = DEFAULT_SCHEDULE
    with anyio.move_on_after(SCHEDULE_SECONDS):
        schedule = await service.schedules.of(report.job)
    usual = schedule.usual_seconds
    told: JSONObject = {
        "usual_seconds": None if usual is None else round(usual, 1),
        "poll_seconds": _poll_seconds(service, report, schedule),
    }
    if first_frame is not None:
        told["first_frame"] = b64encode(first_frame).decode()
    return {KEY: told}


def _poll_seconds(service: "Service", report: JobReport, schedule: Schedule) -> int:
    # One that has ended needs no more polls, and one that RunComfy is silent about not so many.
    if report.job.status.final or report.stale_reason:
        return POLL_SECONDS[-1]
    timing = job_timing(report.job, service.clock.now())
    return nearest_pause(schedule.pause(timing, lambda: 0.5))


def nearest_pause(pause: float) -> int:
    """Return which of the player's pauses is nearest in proportion to the schedule's.

    Each poll of the player is one of RunComfy, so it polls as the server would that waits: at most
    1.6 times as often or as seldom, between 1.25 and 15 seconds.
    """
    return min(POLL_SECONDS, key=lambda seconds: abs(log(seconds / pause)))
