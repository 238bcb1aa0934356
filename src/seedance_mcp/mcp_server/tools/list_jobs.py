"""The tool `list_jobs`: list the newest jobs."""

from contextlib import suppress

import mcp_types as types

from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import JobListAnswer, listing_answer
from seedance_mcp.models.model import JSONObject
from seedance_mcp.service.gallery import GalleryQuery

from ._schemas import hints
from .tool import Call, Tool, to_result

GALLERY_META_KEY = "seedance-mcp/gallery"
"""Where in the `_meta` of a result its page of the gallery finds the first jobs."""


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
    return Tool(definition=definition, answer=JobListAnswer, handle=_handle, page="gallery")


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
    query = GalleryQuery(status=Status(status) if status else None)
    listing = await call.service.list_jobs(status=query.status, limit=call.arguments["limit"])
    result = to_result(listing_answer(listing))
    if not call.caller.shows_apps:
        return result
    with suppress(SeedanceError):
        # The open jobs are fresh by now.
        page = await call.service.gallery.page(query)
        result = result.model_copy(update={"meta": {GALLERY_META_KEY: page}})
    return result
