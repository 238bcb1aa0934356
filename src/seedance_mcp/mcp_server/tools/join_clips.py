"""The tool `join_clips`: join the clips of several jobs to one file."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import anyio
import mcp_types as types

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.mcp_server._answers import JoinedAnswer
from seedance_mcp.mcp_server._progress import CountedProgress, heartbeat
from seedance_mcp.models.model import JSONObject
from seedance_mcp.service.reports import LEAST_CLIPS, MOST_CLIPS, JoinedClip, JoinProgress

from ._schemas import hints
from .tool import Call, Tool, to_result

JOIN_TIMEOUT_SECONDS = 45.0
"""How long a call may take; the join goes on, and a repeated call takes it up."""


def join_clips(*, attachments: Collection[str]) -> Tool:
    """Return the tool; with "link" in `attachments`, a link to the file may follow the text."""
    definition = types.Tool(
        name="join_clips",
        title="Join clips",
        description="Join clips of completed jobs, in order, to one MP4. Free.",
        input_schema=_input_schema(),
        annotations=hints(read_only=False, destructive=False, idempotent=True),
    )
    return Tool(
        definition=definition,
        answer=JoinedAnswer,
        handle=partial(_handle, attachments),
        makes_files=True,
    )


def _input_schema() -> JSONObject:
    return {
        "type": "object",
        "properties": {
            "request_ids": {
                "description": "The request_ids of 2 to 50 jobs, in order; one may come twice.",
                "type": "array",
                "items": {"type": "string", "pattern": REQUEST_ID_PATTERN},
                "minItems": LEAST_CLIPS,
                "maxItems": MOST_CLIPS,
            },
        },
        "required": ["request_ids"],
    }


async def _handle(attachments: Collection[str], call: Call) -> types.CallToolResult:
    for request_id in dict.fromkeys(call.arguments["request_ids"]):
        await call.service.tracker.acknowledge(request_id)
    outcome = await _join(call)
    if isinstance(outcome, JoinProgress):
        return to_result(JoinedAnswer(next_step=_continue(outcome)))
    answer = JoinedAnswer(
        seconds=outcome.seconds,
        saved_to=outcome.path,
        next_step="Tell the user where the joined clip was saved.",
    )
    links = [_link(Path(outcome.path))] if call.caller.takes_links(attachments) else []
    return to_result(answer, links)


async def _join(call: Call) -> JoinedClip | JoinProgress:
    deadline = min(anyio.current_time() + JOIN_TIMEOUT_SECONDS, call.deadline)
    progress = CountedProgress(call.caller.notify, before=str(JoinProgress()))
    async with heartbeat(progress.beat, call.service.clock):
        return await call.service.joins.join(
            call.arguments["request_ids"], deadline=deadline, watch=progress
        )


def _continue(progress: JoinProgress) -> str:
    return (
        f"It is not complete yet ({progress}): call join_clips with the same request_ids to"
        " continue."
    )


def _link(path: Path) -> types.ResourceLink:
    return types.ResourceLink(name=path.name, uri=path.as_uri(), mime_type="video/mp4")
