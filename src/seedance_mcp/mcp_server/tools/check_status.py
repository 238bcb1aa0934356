"""The tool `check_status`: read where a job stands, and wait for it to end."""

import mcp_types as types

from seedance_mcp.mcp_server._answers import JobAnswer, job_answer
from seedance_mcp.mcp_server._progress import reported
from seedance_mcp.mcp_server.apps.job_meta import job_meta
from seedance_mcp.polling.schedule import SHORTEST_SECONDS

from ._schemas import hints, job_schema, wait_property
from .tool import FOR_BOTH, Call, Tool, to_result


def check_status(*, wait_seconds: int) -> Tool:
    """Return the tool, whose calls wait for `wait_seconds` by default."""
    definition = types.Tool(
        name="check_status",
        title="Check status",
        description="Read where a job stands, waiting up to wait_seconds for its end. Free.",
        input_schema=job_schema(wait_seconds=wait_property(wait_seconds)),
        annotations=hints(read_only=True, destructive=False, idempotent=True),
    )
    return Tool(definition=definition, answer=JobAnswer, handle=_handle, visibility=FOR_BOTH)


async def _handle(call: Call) -> types.CallToolResult:
    async with reported(call.caller.notify, call.service.clock) as watch:
        # Several players in a chat may follow one job.
        shared = SHORTEST_SECONDS if call.may_be_a_page else 0.0
        report = await call.service.status(**call.arguments, watch=watch, news_seconds=shared)
    if call.may_be_a_page and report.job.status.final:
        # Earlier answers prove nothing: a page polls by itself, and the model may have lost the id.
        await call.service.tracker.acknowledge(call.arguments["request_id"])
    await call.service.tracker.note_told(report.job)
    answer = job_answer(report, call.service.clock.now())
    return to_result(answer, meta=await job_meta(call.service, report))
