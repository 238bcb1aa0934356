"""The tool `check_status`: read where a job stands, and wait for it to end."""

import mcp_types as types

from seedance_mcp.mcp_server._answers import JobAnswer, job_answer
from seedance_mcp.mcp_server._progress import reported

from ._schemas import hints, job_schema, wait_property
from .tool import Call, Tool, to_result


def check_status(*, wait_seconds: int) -> Tool:
    """Return the tool, whose calls wait for `wait_seconds` by default."""
    definition = types.Tool(
        name="check_status",
        title="Check status",
        description="Read where a job stands, waiting up to wait_seconds for its end. Free.",
        input_schema=job_schema(wait_seconds=wait_property(wait_seconds)),
        annotations=hints(read_only=True, destructive=False, idempotent=True),
    )
    return Tool(definition=definition, answer=JobAnswer, handle=_handle)


async def _handle(call: Call) -> types.CallToolResult:
    async with reported(call.caller.notify, call.service.clock) as watch:
        report = await call.service.status(**call.arguments, watch=watch)
    await call.service.tracker.note_told(report.job)
    return to_result(job_answer(report, call.service.clock.now()))
