"""What a call of each tool does, and how it answers.

Arguments are checked here, raw, before anything else happens, and every error of ours becomes one
line for the model, here and nowhere else.
"""

import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, Result, TextContent
from mcp_types import Tool as ListedTool
from starlette.requests import Request

from seedance_mcp.clock import Clock
from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import (
    Answer,
    cancellation_answer,
    job_answer,
    listing_answer,
    result_answer,
)
from seedance_mcp.mcp_server._arguments import check_arguments
from seedance_mcp.mcp_server._progress import BytesProgress, Notify, beating, reported
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.outputs.preview import middle_frame
from seedance_mcp.service.reports import JobReport
from seedance_mcp.service.service import Service

from ._schemas import listed_tools

logger = logging.getLogger(__name__)

Connected = Callable[[], Awaitable[bool]]
"""Tells whether a caller can still be answered, as far as the transport knows."""

SAVE_SECONDS = 45.0
"""How long a call that saves a clip may take, asking where it lies included."""
PREVIEW_SECONDS = 4.0
"""How long it may look for the middle of the clip after that."""


async def is_connected(request: Any) -> bool:
    """Tell whether a call's HTTP connection still stands; over stdio there is none.

    In the older revision a connection that drops does not cancel the call.
    """
    return not isinstance(request, Request) or not await request.is_disconnected()


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a tool, its arguments checked and completed."""

    service: Service
    arguments: JSONObject
    notify: Notify
    connected: Connected
    clock: Clock

    async def deliver(self, *jobs: Job) -> None:
        """Note that the answer which names these jobs is given, if there is anybody to take it."""
        if await self.connected():
            self.service.delivered(*jobs)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool as it is listed, and what a call of it does."""

    listed: ListedTool
    handle: Callable[[Call], Awaitable[Result]]
    clock: Clock

    async def call(
        self,
        service: Service,
        arguments: Mapping[str, Any],
        *,
        notify: Notify,
        connected: Connected,
    ) -> Result:
        """Check the arguments and do what the tool does.

        Args:
            service: The jobs.
            arguments: What the client sent, raw.
            notify: Carries progress notifications.
            connected: Tells whether the caller can still be answered.

        Returns:
            The answer; an error that the model can act on is one, with `is_error`.
        """
        try:
            checked = check_arguments(self.listed.input_schema, arguments)
            return await self.handle(
                Call(
                    service=service,
                    arguments=checked,
                    notify=notify,
                    connected=connected,
                    clock=self.clock,
                )
            )
        except SeedanceError as error:
            return _error(error.line)
        except Exception:
            logger.exception("The tool %s broke", self.listed.name)
            return _error(
                f"{self.listed.name} broke inside this server, and its log says how. A job that"
                " was already begun goes on; do not simply repeat a call that costs money."
            )


def build_tools(model: Model, clock: Clock, *, wait_seconds: int) -> list[Tool]:
    """Make the tools for a model.

    Args:
        model: The model that `generate_video` makes clips with.
        clock: Clock and sleep, for elapsed times and progress.
        wait_seconds: The default budget of a call that waits.
    """
    handlers = {
        "generate_video": generate_video,
        "check_status": check_status,
        "get_result": get_result,
        "cancel_job": cancel_job,
        "list_jobs": list_jobs,
    }
    return [
        Tool(listed=listed, handle=handlers[listed.name], clock=clock)
        for listed in listed_tools(model, wait_seconds=wait_seconds)
    ]


async def generate_video(call: Call) -> CallToolResult:
    """Buy a clip, or take up the identical call's, and wait for it."""
    return await generated(call, await generate(call, wait_seconds=call.arguments["wait_seconds"]))


async def generate(call: Call, *, wait_seconds: float) -> JobReport:
    """Buy the clip that a call of generate_video asks for, and wait so many seconds for it."""
    arguments = {**call.arguments}
    force_new = arguments.pop("force_new")
    del arguments["wait_seconds"]
    looking = "looking at the images"
    async with reported(call.notify, call.clock, at_first=looking) as watch:
        return await call.service.generate(
            arguments, wait_seconds=wait_seconds, force_new=force_new, watch=watch
        )


async def generated(call: Call, report: JobReport) -> CallToolResult:
    """Answer a call of generate_video with what is known of its job."""
    return await _job_result(call, report, bad={Status.FAILED, Status.UNKNOWN})


async def check_status(call: Call) -> CallToolResult:
    """Tell where a job stands, and wait for it to end."""
    async with reported(call.notify, call.clock) as watch:
        report = await call.service.status(**call.arguments, watch=watch)
    return await _job_result(call, report, bad=set())


async def get_result(call: Call) -> CallToolResult:
    """Give what came of a job, with a link to every video, and save it if asked to."""
    report = await (_saved if call.arguments["download"] else _asked)(call)
    await call.deliver(report.job)
    job = report.job
    blocks: list[ContentBlock] = [
        ResourceLink(name=f"{job.request_id}-{number}.mp4", uri=url, mime_type="video/mp4")
        for number, url in enumerate(job.outputs.videos, 1)
    ]
    if call.arguments["download"] and job.outputs.videos and job.saved[0]:
        blocks += await _preview(Path(job.saved[0]))
    failed = job.status is Status.FAILED or report.download_error is not None
    return _result(result_answer(report), blocks, is_error=failed)


async def _asked(call: Call) -> JobReport:
    return await call.service.result(call.arguments["request_id"])


async def _saved(call: Call) -> JobReport:
    deadline = anyio.current_time() + SAVE_SECONDS
    progress = BytesProgress(call.notify)
    async with beating(progress.beat, call.clock):
        report = await _asked(call)
        return await call.service.save(report, deadline=deadline, watch=progress)


async def cancel_job(call: Call) -> CallToolResult:
    """Cancel a job that is still queued."""
    job = await call.service.cancel(**call.arguments)
    await call.deliver(job)
    return _result(cancellation_answer(job))


async def list_jobs(call: Call) -> CallToolResult:
    """List the newest jobs, those that have not ended as they stand now."""
    status = call.arguments.get("status")
    listing = await call.service.jobs(
        status=Status(status) if status else None, limit=call.arguments["limit"]
    )
    await call.deliver(*listing.page.jobs)
    return _result(listing_answer(listing))


async def _preview(path: Path) -> list[ContentBlock]:
    """Show the middle of a saved clip, if what decodes it is installed."""
    late = anyio.Event()
    image = None
    with anyio.move_on_after(PREVIEW_SECONDS):
        try:
            image = await anyio.to_thread.run_sync(
                middle_frame, path, late.is_set, abandon_on_cancel=True
            )
        finally:
            late.set()
    if image is None:
        return []
    data = b64encode(image).decode()
    return [ImageContent(type="image", data=data, mime_type="image/jpeg")]


async def _job_result(call: Call, report: JobReport, *, bad: set[Status]) -> CallToolResult:
    await call.deliver(report.job)
    elapsed = report.job.elapsed_seconds(call.clock.now())
    answer = job_answer(report, elapsed_seconds=elapsed)
    return _result(answer, is_error=report.job.status in bad)


def _result(
    answer: Answer, links: Sequence[ContentBlock] = (), *, is_error: bool = False
) -> CallToolResult:
    text = TextContent(type="text", text=answer.text())
    return CallToolResult(
        content=[text, *links], structured_content=answer.structure(), is_error=is_error
    )


def _error(line: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=line)], is_error=True)
