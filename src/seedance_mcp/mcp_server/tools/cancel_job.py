"""The tool `cancel_job`: cancel a job that is queued."""

import mcp_types as types

from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import CancellationAnswer
from seedance_mcp.mcp_server._next_steps import after_cancel

from ._schemas import hints, job_schema
from .tool import FOR_BOTH, Call, Tool, to_result


def cancel_job() -> Tool:
    """Return the tool."""
    definition = types.Tool(
        name="cancel_job",
        title="Cancel job",
        description="Cancel a job that is queued. A running job cannot be cancelled.",
        input_schema=job_schema(),
        annotations=hints(read_only=False, destructive=True, idempotent=True),
    )
    return Tool(
        definition=definition, answer=CancellationAnswer, handle=_handle, visibility=FOR_BOTH
    )


async def _handle(call: Call) -> types.CallToolResult:
    job = await call.service.cancel(**call.arguments)
    answer = CancellationAnswer(
        request_id=job.request_id or "",
        outcome="cancelled" if job.status is Status.CANCELLED else "not_cancellable",
        status=job.status,
        next_step=after_cancel(job),
    )
    return to_result(answer)
