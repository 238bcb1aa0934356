"""The tool `cancel_job`: cancel a job that is queued."""

from mcp_types import CallToolResult
from mcp_types import Tool as ToolDefinition

from seedance_mcp.mcp_server._answers import CancellationAnswer, cancellation_answer

from ._schemas import hints, job_schema, output_schema
from .tool import Call, Tool, to_result


def cancel_job() -> Tool:
    """Return the tool."""
    definition = ToolDefinition(
        name="cancel_job",
        title="Cancel job",
        description="Cancel a job that is queued. A running job cannot be cancelled.",
        input_schema=job_schema(),
        output_schema=output_schema(CancellationAnswer),
        annotations=hints(read_only=False, destructive=True, idempotent=True),
    )
    return Tool(definition=definition, handle=_handle)


async def _handle(call: Call) -> CallToolResult:
    job = await call.service.cancel(**call.arguments)
    await call.deliver(job)
    return to_result(cancellation_answer(job))
