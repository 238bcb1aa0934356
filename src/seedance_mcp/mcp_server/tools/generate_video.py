"""The tool `generate_video`: buy a clip and wait for it."""

from datetime import datetime, timedelta

import anyio
import mcp_types as types

from seedance_mcp.clock import EVER, Clock
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import JobAnswer, job_answer
from seedance_mcp.mcp_server._progress import reported
from seedance_mcp.models.model import Model
from seedance_mcp.service.reports import JobReport, Order

from ._schemas import flag_property, hints, model_schema, wait_property
from .tool import Call, Tool, to_result


def generate_video(model: Model, *, wait_seconds: int, local_files: bool) -> Tool:
    """Return the tool that makes clips with a model; by default a call waits `wait_seconds`.

    `local_files` says whether its images may be files of this machine.
    """
    definition = types.Tool(
        name="generate_video",
        title="Generate video",
        description=(
            "Make a video clip from an image and a prompt with ByteDance Seedance. Each new"
            " job costs money. Waits up to wait_seconds, then answers with a request_id to"
            " follow with check_status; never call this again for the same clip."
        ),
        input_schema=model_schema(
            model,
            {
                "wait_seconds": wait_property(wait_seconds),
                "force_new": flag_property(
                    "Force New",
                    "Pay for another clip of an identical earlier call. Default false.",
                ),
            },
            local_files=local_files,
        ),
        annotations=hints(read_only=False, destructive=False, idempotent=False),
    )
    return Tool(definition=definition, answer=JobAnswer, handle=_handle, teaches_clock=True)


async def _handle(call: Call) -> types.CallToolResult:
    report = await start(call, wait_seconds=call.arguments["wait_seconds"])
    return await report_job(call, report)


async def start(call: Call, *, wait_seconds: float) -> JobReport:
    """Buy the clip that a call asks for, or take up the job of an identical call.

    It waits for `wait_seconds`, whatever the call says; if the call repeats others, only until the
    paid request is answered.
    """
    arguments = {**call.arguments}
    reuse_since: datetime | None = EVER
    clock = call.service.clock
    if arguments.pop("force_new"):
        # One that its client has given up, and only it, is not bought again.
        reuse_since = _date(clock, call.repeats_since)
    del arguments["wait_seconds"]
    async with reported(call.caller.notify, clock, preflight="checking the images") as watch:
        return await call.service.buy(
            Order(arguments=arguments, reuse_since=reuse_since, answer_by=call.deadline),
            wait_seconds=wait_seconds,
            submit_only=call.repeats_since is not None,
            watch=watch,
        )


def _date(clock: Clock, time: float | None) -> datetime | None:
    """Return a time of the event loop's clock as a date."""
    return None if time is None else clock.now() - timedelta(seconds=anyio.current_time() - time)


async def report_job(call: Call, report: JobReport) -> types.CallToolResult:
    """Return the result of a call of `generate_video` from what is known about its job."""
    await call.service.tracker.note_told(report.job)
    # An unknown outcome counts as failed: it may have cost money, so the user must hear of it.
    failed = report.job.status in {Status.FAILED, Status.UNKNOWN}
    return to_result(job_answer(report, call.service.clock.now()), is_error=failed)
