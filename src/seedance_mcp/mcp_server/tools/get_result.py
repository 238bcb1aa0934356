"""The tool `get_result`: read what a job made and cost, and download it."""

from base64 import b64encode
from collections.abc import Collection
from functools import partial
from pathlib import Path

import anyio
import mcp_types as types
from anyio import to_thread

from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import ResultAnswer, result_answer
from seedance_mcp.mcp_server._progress import CountedProgress, heartbeat
from seedance_mcp.service.reports import JobReport

from ._schemas import flag_property, hints, job_schema
from .tool import FOR_BOTH, Call, Tool, to_result

DOWNLOAD_TIMEOUT_SECONDS = 45.0
"""How long a call that downloads may take, asking RunComfy for the links included."""

_NOT_SAVED = "Nothing was saved: over HTTP, this server saves no files."

PREVIEW_TIMEOUT_SECONDS = 4.0
"""How long it may take after that to decode the clip's middle frame."""


def get_result(*, attachments: Collection[str], takes_images: bool) -> Tool:
    """Return the tool.

    Args:
        attachments: What may follow the text: "preview", "link" or both.
        takes_images: Whether a clip can be continued, since a model takes images.
    """
    definition = types.Tool(
        name="get_result",
        title="Get result",
        description=(
            "Read a job's video URLs and cost, and download its files if asked to. A job that has"
            " not ended is reported as it stands. Free."
        ),
        input_schema=job_schema(
            download=flag_property(
                "Save the videos and images as files of this machine. Default false."
            )
        ),
        annotations=hints(read_only=False, destructive=False, idempotent=True),
    )
    return Tool(
        definition=definition,
        without_files=_without_files(definition),
        answer=ResultAnswer,
        handle=partial(_handle, attachments, takes_images=takes_images),
        visibility=FOR_BOTH,
    )


def _without_files(definition: types.Tool) -> types.Tool:
    """Return the definition for callers whose files cannot be saved."""
    changes = {
        "description": (
            "Read a job's video URLs and cost. A job that has not ended is reported as it stands."
            " Free."
        ),
        "input_schema": job_schema(
            download=flag_property("Has no effect: this server saves no files. Default false.")
        ),
    }
    return definition.model_copy(update=changes)


async def _handle(
    attachments: Collection[str], call: Call, *, takes_images: bool
) -> types.CallToolResult:
    saves = call.service.saves_files
    download = call.arguments["download"] and saves
    report = await (_download(call) if download else _result(call))
    await call.service.tracker.note_told(report.job)
    job = report.job
    blocks: list[types.ContentBlock] = []
    if call.caller.takes_links(attachments):
        blocks += _links(job)
    if "preview" in attachments and download and job.outputs.videos and job.saved[0]:
        blocks += await _preview(Path(job.saved[0]), call.deadline)
    failed = job.status is Status.FAILED or report.download_error is not None
    answer = result_answer(report, takes_images=takes_images)
    if call.arguments["download"] and not saves and job.outputs.videos:
        answer = answer.model_copy(update={"next_step": f"{_NOT_SAVED} {answer.next_step}"})
    return to_result(answer, blocks, is_error=failed)


def _links(job: Job) -> list[types.ResourceLink]:
    return [
        types.ResourceLink(name=f"{job.request_id}-{number}.mp4", uri=url, mime_type="video/mp4")
        for number, url in enumerate(job.outputs.videos, 1)
    ]


async def _result(call: Call) -> JobReport:
    return await call.service.result(call.arguments["request_id"], answer_by=call.deadline)


async def _download(call: Call) -> JobReport:
    deadline = min(anyio.current_time() + DOWNLOAD_TIMEOUT_SECONDS, call.deadline)
    progress = CountedProgress(call.caller.notify, before="asking RunComfy", done="downloaded ")
    async with heartbeat(progress.beat, call.service.clock):
        report = await _result(call)
        return await call.service.downloads.download(report, deadline=deadline, watch=progress)


async def _preview(path: Path, deadline: float) -> list[types.ContentBlock]:
    """Return the middle frame of a clip, if PyAV is installed to decode it until a deadline."""
    # A thread cannot be cancelled; this makes an abandoned one stop decoding by itself.
    late = anyio.Event()
    image = None
    timeout = min(PREVIEW_TIMEOUT_SECONDS, deadline - anyio.current_time())
    with anyio.move_on_after(timeout):
        try:
            image = await to_thread.run_sync(
                middle_frame, path, late.is_set, abandon_on_cancel=True
            )
        finally:
            late.set()
    if image is None:
        return []
    data = b64encode(image).decode()
    return [types.ImageContent(type="image", data=data, mime_type="image/jpeg")]
