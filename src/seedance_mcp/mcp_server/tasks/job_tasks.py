"""Jobs as tasks: generate_video for a client that knows the Tasks extension.

A task is a job under its request_id and has no life of its own, so it outlives this process: the
ledger and the service hold it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, Result

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._progress import Notify, describe
from seedance_mcp.mcp_server.tools.tool import (
    Call,
    Connected,
    Tool,
    generate,
    generated,
    is_connected,
)
from seedance_mcp.polling.schedule import NOTHING_LEARNED, SHORTEST_SECONDS, Schedule, sighting
from seedance_mcp.service.reports import JobReport
from seedance_mcp.service.service import Service
from seedance_mcp.text import one_line

from .extension import CreatedTask, Tasks, TaskState, TaskStatus

TOOL = "generate_video"
MESSAGE_LENGTH = 500
REMARKS_KEPT = 1000

SAVING_SECONDS = 60.0
"""How long after a clip's end its task still works while the clip is saved unasked: no longer than
saving pauses before it tries again, since a task that was told to have ended must not go on."""


@dataclass(frozen=True, kw_only=True)
class TaskForms:
    """How a job is told as a task.

    Attributes:
        clock: Clock and chance.
        kept: How long a job can be had after it has ended.
    """

    clock: Clock
    kept: timedelta

    def created(self, report: JobReport, schedule: Schedule = NOTHING_LEARNED) -> CreatedTask:
        """Tell of a job that has begun, in the place of the call's result."""
        return CreatedTask(**self._told(report, schedule))

    def state(
        self, report: JobReport, result: CallToolResult, schedule: Schedule = NOTHING_LEARNED
    ) -> TaskState:
        """Tell where a job stands.

        Args:
            report: What is known of the job.
            result: What would answer its call now.
            schedule: When to ask about such a job.
        """
        told = self._told(report, schedule)
        return TaskState(**told, result=result if told["status"] == "completed" else None)

    def _told(self, report: JobReport, schedule: Schedule) -> dict[str, Any]:
        job, now = report.job, self.clock.now()
        saving = _is_saving(report, now)
        return {
            "task_id": job.request_id,
            "status": "working" if saving else _task_status(job.status),
            "status_message": _message(report, now, schedule.usual_seconds),
            "created_at": job.created_at,
            "last_updated_at": now if saving else job.finished_at or now,
            "ttl_ms": self.kept // timedelta(milliseconds=1),
            "poll_interval_ms": self._interval_ms(job, schedule, saving=saving),
        }

    def _interval_ms(self, job: Job, schedule: Schedule, *, saving: bool) -> int | None:
        if saving:
            return ceil(1000 * SHORTEST_SECONDS)
        if job.status.final:
            return None
        seen = sighting(job, self.clock.now())
        return ceil(1000 * schedule.pause(seen, self.clock.random))


class Remarks:
    """What was remarked when tasks were begun, so that their results say it too.

    No ledger holds it. After a restart a result goes without, as the answer of check_status does.
    """

    def __init__(self) -> None:
        self._begun: dict[str | None, JobReport] = {}

    def note(self, report: JobReport) -> None:
        """Keep what was remarked on a job; the oldest of too many is let go."""
        if report.reused or report.warnings:
            self._begun[report.job.request_id] = report
        if len(self._begun) > REMARKS_KEPT:
            del self._begun[next(iter(self._begun))]

    def added(self, report: JobReport) -> JobReport:
        """Add to a report what was remarked when its job was begun."""
        begun = self._begun.get(report.job.request_id, report)
        return replace(report, reused=begun.reused, warnings=begun.warnings)


@dataclass(frozen=True, kw_only=True)
class VideoTasks:
    """The jobs of generate_video as the work behind tasks, for one request.

    Attributes:
        service: The jobs.
        tool: The tool generate_video.
        notify: Carries progress notifications.
        connected: Tells whether the caller can still be answered.
        forms: How a job is told as a task.
        remarks: What was remarked when tasks were begun.
    """

    service: Service
    tool: Tool
    notify: Notify
    connected: Connected
    forms: TaskForms
    remarks: Remarks

    async def begin(self, params: CallToolRequestParams) -> Result:
        """Buy a clip, and answer with its task; without one where there is nothing to wait for."""
        tool = replace(self.tool, handle=self._begin)
        return await tool.call(
            self.service,
            params.arguments or {},
            notify=self.notify,
            connected=self.connected,
        )

    async def state(self, task_id: str) -> TaskState:
        """Ask where a job stands."""
        report = await self.service.status(task_id, wait_seconds=0, watch=_unwatched)
        report = self.remarks.added(report)
        schedule = await self.service.schedule(report.job)
        return self.forms.state(report, await generated(self._call, report), schedule)

    async def cancel(self, task_id: str) -> None:
        """Cancel a job that is still queued; another one goes on."""
        await self._call.deliver(await self.service.cancel(task_id))

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """See that there is such a job; it asks for nothing, so that no answer is waited for."""
        del answers
        await self.state(task_id)

    async def _begin(self, call: Call) -> Result:
        report = await generate(call, wait_seconds=0)
        if report.job.request_id is None or report.job.status.final:
            return await generated(call, report)
        await call.deliver(report.job)
        self.remarks.note(report)
        return self.forms.created(report, await self.service.schedule(report.job))

    @property
    def _call(self) -> Call:
        return Call(
            service=self.service,
            arguments={},
            notify=self.notify,
            connected=self.connected,
            clock=self.forms.clock,
        )


def _is_saving(report: JobReport, now: datetime) -> bool:
    """Tell whether a clip that is done has its file still to come.

    A task that has ended must never work again, so of one whose saving failed, and is tried again
    later, that is not told.
    """
    ended = report.job.finished_at
    return bool(
        ended and report.download_progress and (now - ended).total_seconds() < SAVING_SECONDS
    )


def _task_status(status: Status) -> TaskStatus:
    """Map a job's state: whatever came of a clip, its call was answered, and so is completed."""
    match status:
        case Status.COMPLETED | Status.FAILED:
            return "completed"
        case Status.CANCELLED:
            return "cancelled"
        case Status.SUBMITTING | Status.UNKNOWN | Status.IN_QUEUE | Status.IN_PROGRESS:
            return "working"


def _message(report: JobReport, now: datetime, usual_seconds: float | None) -> str:
    """Say where a job stands, and what else there is to know, in one line for a person."""
    job = report.job
    where = describe(job, job.elapsed_seconds(now), usual_seconds)
    saving = f"saving it, {report.download_progress}" if report.download_progress else None
    said = [where, saving, report.stale_reason, report.download_error, job.error, *report.warnings]
    return one_line("; ".join(part for part in said if part), MESSAGE_LENGTH)


def video_tasks(tools: Iterable[Tool], clock: Clock, *, kept: timedelta) -> Tasks:
    """Make the extension that answers generate_video with tasks.

    Args:
        tools: The tools.
        clock: Clock and chance.
        kept: How long a job can be had after it has ended.
    """
    (tool,) = [tool for tool in tools if tool.listed.name == TOOL]
    forms, remarks = TaskForms(clock=clock, kept=kept), Remarks()

    def work(context: ServerRequestContext[Service]) -> VideoTasks:
        return VideoTasks(
            service=context.lifespan_context,
            tool=tool,
            notify=context.session.report_progress,
            connected=partial(is_connected, context.request),
            forms=forms,
            remarks=remarks,
        )

    return Tasks(work, tools={TOOL})


async def _unwatched(job: Job, usual_seconds: float | None = None) -> None:
    """Tell nobody."""
