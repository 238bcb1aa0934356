"""The tool `list_jobs`: list the newest jobs."""

import mcp_types as types

from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import JobListAnswer, listing_answer
from seedance_mcp.models.model import JSONObject

from ._schemas import hints
from .tool import Call, Tool, to_result


def list_jobs() -> Tool:
    """Return the tool."""
    definition = types.Tool(
        name="list_jobs",
        title="List jobs",
        description=(
            "List the newest jobs with their request_ids, from earlier chats too. Use it to find"
            " a clip again. Free."
        ),
        input_schema=_input_schema(),
        annotations=hints(read_only=True, destructive=False, idempotent=True),
    )
    return Tool(definition=definition, answer=JobListAnswer, handle=_handle)


def _input_schema() -> JSONObject:
    return {
        "type": "object",
        "properties": {
            "status": {
                "description": "Only jobs with this status; leave it out for all.",
                "type": "string",
                "enum": [status.value for status in Status],
            },
            "limit": {
                "description": "How many jobs at most. Default 20.",
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "default": 20,
            },
        },
    }


async def _handle(call: Call) -> types.CallToolResult:
    status = call.arguments.get("status")
    listing = await call.service.list_jobs(
        status=Status(status) if status else None, limit=call.arguments["limit"]
    )
    return to_result(listing_answer(listing))
