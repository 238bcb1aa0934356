"""Jobs as tasks: the tools that buy clips, for a client that knows the Tasks extension.

A task is a job under its request id and holds no state of its own, so it outlives this process in
the ledger and at RunComfy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

import mcp_types as types

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._caller import Caller
from seedance_mcp.mcp_server._lazy_service import Context
from seedance_mcp.mcp_server._progress import describe
from seedance_mcp.mcp_server._warnings import warnings
from seedance_mcp.mcp_server.tools.generate_video import report_job, start
from seedance_mcp.mcp_server.tools.tool import Call, Tool
from seedance_mcp.models.model import Model
from seedance_mcp.polling.schedule import DEFAULT_SCHEDULE, SHORTEST_SECONDS, Schedule, job_timing
from seedance_mcp.service.reports import JobReport, ignore
from seedance_mcp.text import one_line

from .extension import CreatedTask, Tasks, TaskState, TaskStatus

MESSAGE_LENGTH = 500
MOST_REMARKS = 1000

TASK_DOWNLOAD_SECONDS = 60.0
"""How long after a clip's end its task still works while the clip is downloaded automatically.

No longer than a failed download pauses before it is tried again: a task that was reported as ended
must not work again.
"""


@dataclass(frozen=True, kw_only=True)
class TaskForms:
    """How a job is reported as a task; `kept` is how long the ledger keeps it after its end."""

    clock: Clock
    kept: timedelta

    def created(self, report: JobReport, schedule: Schedule = DEFAULT_SCHEDULE) -> CreatedTask:
        """Return a job that has begun, in place of its call's result."""
        return CreatedTask(**self._fields(report, schedule))

    def state(
        self, report: JobReport, result: types.CallToolResult, schedule: Schedule = DEFAULT_SCHEDULE
    ) -> TaskState:
        """Return where a job stands, with what its call would be answered now if it has ended."""
        fields = self._fields(report, schedule)
        return TaskState(**fields, result=result if fields["status"] == "completed" else None)

    def _fields(self, report: JobReport, schedule: Schedule) -> dict[str, Any]:
        job, now = report.job, self.clock.now()
        status, pause = _task_status(job.status), None
        if downloading := _is_downloading(report, now):
            status, pause = "working", SHORTEST_SECONDS
        elif not job.status.final:
            pause = schedule.pause(job_timing(job, now), self.clock.random)
        return {
            "task_id": job.request_id,
            "status": status,
            "status_message": _message(report, now, schedule.usual_seconds),
            "created_at": job.created_at,
            "last_updated_at": now if downloading else job.finished_at or now,
            "ttl_ms": self.kept // timedelta(milliseconds=1),
            "poll_interval_ms": None if pause is None else ceil(1000 * pause),
        }


class Remarks:
    """Warnings and reuse, remarked when tasks were begun, for their results.

    The ledger does not hold them. After a restart a result has none, like that of `check_status`.
    """

    def __init__(self) -> None:
        self._begun = BoundedDict[tuple[str, str | None], JobReport](MOST_REMARKS)

    def note(self, report: JobReport) -> None:
        """Keep what was remarked about a job; the oldest of too many is dropped."""
        if report.reused or report.warnings:
            self._begun[report.job.owner, report.job.request_id] = report

    def added(self, report: JobReport) -> JobReport:
        """Return a report with what was remarked when its job was begun."""
        begun = self._begun.get((report.job.owner, report.job.request_id), report)
        return replace(report, reused=begun.reused, warnings=begun.warnings)


@dataclass(frozen=True, kw_only=True)
class JobTasks:
    """Jobs as the work behind tasks, for one request.

    Attributes:
        tools: By name, the tools that buy clips, each with its model.
    """

    caller: Caller
    tools: Mapping[str, tuple[Tool, Model]]
    forms: TaskForms
    remarks: Remarks

    async def begin(self, params: types.CallToolRequestParams) -> types.Result:
        """Buy a clip and return its task, or an ordinary result if there is nothing to wait for.

        A user who has to agree is asked first, by the result.
        """
        # The tool checks the arguments and reports errors as in an ordinary call.
        tool, model = self.tools[params.name]
        tool = replace(tool, handle=partial(self._begin, model))
        return await tool.call(params.arguments or {}, self.caller.with_answer(params))

    async def state(self, task_id: str) -> TaskState:
        """Return where a job stands."""
        call = await self._call()
        report = await call.service.status(task_id, wait_seconds=0, watch=ignore)
        report = self.remarks.added(report)
        schedule = await call.service.schedules.of(report.job)
        state = self.forms.state(report, await report_job(call, report), schedule)
        if state.status != "working":
            # Earlier answers prove nothing: a client polls by itself, and its caller may be gone.
            await call.service.tracker.acknowledge(task_id)
        return state

    async def cancel(self, task_id: str) -> None:
        """Cancel a job that is queued; one that runs goes on."""
        call = await self._call()
        await call.service.cancel(task_id)

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """Check that there is such a job; it asks for no input, so the answers are ignored."""
        del answers
        call = await self._call()
        await call.service.status(task_id, wait_seconds=0, watch=ignore)

    async def _begin(self, model: Model, call: Call) -> types.Result:
        report = await start(model, call, wait_seconds=0)
        if report.dry_run or report.job.request_id is None or report.job.status.final:
            return await report_job(call, report)
        self.remarks.note(report)
        return self.forms.created(report, await call.service.schedules.of(report.job))

    async def _call(self) -> Call:
        service = await self.caller.open_service()
        return Call(service=service, arguments={}, caller=self.caller)


def job_tasks(tools: Mapping[str, tuple[Tool, Model]], clock: Clock, *, kept: timedelta) -> Tasks:
    """Return the extension that answers the tools that buy clips, by name, with tasks."""
    forms, remarks = TaskForms(clock=clock, kept=kept), Remarks()

    def work(context: Context) -> JobTasks:
        return JobTasks(caller=Caller.of(context), tools=tools, forms=forms, remarks=remarks)

    return Tasks(work, tools=tools)


def _is_downloading(report: JobReport, now: datetime) -> bool:
    """Return whether the file of a completed clip is still being downloaded."""
    ended = report.job.finished_at
    if not ended or report.download_progress is None:
        return False
    # A task that has ended must never work again, so a download tried again later does not count.
    return (now - ended).total_seconds() < TASK_DOWNLOAD_SECONDS


def _task_status(status: Status) -> TaskStatus:
    match status:
        case Status.COMPLETED | Status.FAILED:
            # A failed job's call was answered; a failed task is for errors of the protocol.
            return "completed"
        case Status.CANCELLED:
            return "cancelled"
        case Status.SUBMITTING | Status.UNKNOWN | Status.IN_QUEUE | Status.IN_PROGRESS:
            return "working"


def _message(report: JobReport, now: datetime, usual_seconds: float | None) -> str:
    job, progress = report.job, report.download_progress
    parts = [
        describe(job, job.elapsed_seconds(now), usual_seconds),
        f"downloading it, {progress}" if progress else None,
        report.stale_reason,
        job.error,
        " ".join(warnings(report)),
    ]
    return one_line("; ".join(filter(None, parts)), MESSAGE_LENGTH)
