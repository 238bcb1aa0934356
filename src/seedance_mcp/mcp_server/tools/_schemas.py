"""How the tools are listed: what a client's model sees of them before it calls one."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from mcp_types import Tool, ToolAnnotations

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import (
    CancellationAnswer,
    JobAnswer,
    JobListAnswer,
    ResultAnswer,
    output_schema,
)
from seedance_mcp.models.model import JSONObject, Model


def listed_tools(model: Model, *, wait_seconds: int) -> list[Tool]:
    """List the tools; that of a model is made from the model's file.

    Args:
        model: The model that `generate_video` makes clips with.
        wait_seconds: The default budget of a call that waits.
    """
    wait = _wait_property(wait_seconds)
    return [
        _generate_video(model, wait),
        _check_status(wait),
        _get_result(),
        _cancel_job(),
        _list_jobs(),
    ]


def _generate_video(model: Model, wait: JSONObject) -> Tool:
    return Tool(
        name="generate_video",
        title="Generate video",
        description=(
            "Make a video clip from an image and a prompt with ByteDance Seedance. Each new"
            " job costs money. Waits up to wait_seconds, then answers with a request_id to"
            " follow with check_status; never call this again for the same clip."
        ),
        input_schema=tool_schema(model, {"wait_seconds": wait, "force_new": _FORCE_NEW}),
        output_schema=output_schema(JobAnswer),
        annotations=_hints(read_only=False, destructive=False, idempotent=False),
    )


def _check_status(wait: JSONObject) -> Tool:
    return Tool(
        name="check_status",
        title="Check status",
        description=(
            "Tell where a job stands, waiting up to wait_seconds for it to end. Costs nothing."
        ),
        input_schema=_job_schema(wait_seconds=wait),
        output_schema=output_schema(JobAnswer),
        annotations=_hints(read_only=True, destructive=False, idempotent=True),
    )


def _get_result() -> Tool:
    return Tool(
        name="get_result",
        title="Get result",
        description=(
            "Give a job's video URLs and cost, and save what it made if asked to; asked early,"
            " where it stands. Costs nothing."
        ),
        input_schema=_job_schema(download=_DOWNLOAD),
        output_schema=output_schema(ResultAnswer),
        annotations=_hints(read_only=False, destructive=False, idempotent=True),
    )


def _cancel_job() -> Tool:
    return Tool(
        name="cancel_job",
        title="Cancel job",
        description="Cancel a job that is still queued; one that runs cannot be stopped.",
        input_schema=_job_schema(),
        output_schema=output_schema(CancellationAnswer),
        annotations=_hints(read_only=False, destructive=True, idempotent=True),
    )


def _list_jobs() -> Tool:
    return Tool(
        name="list_jobs",
        title="List jobs",
        description=(
            "List the newest jobs with their request_ids, also from earlier chats: the way"
            " back to a clip. Costs nothing."
        ),
        input_schema=_LIST_SCHEMA,
        output_schema=output_schema(JobListAnswer),
        annotations=_hints(read_only=True, destructive=False, idempotent=True),
    )


_FORCE_NEW: JSONObject = {
    "title": "Force New",
    "description": "Pay for a new job even where an identical one is under way. Default false.",
    "type": "boolean",
    "default": False,
}


_DOWNLOAD: JSONObject = {
    "title": "Download",
    "description": "Save the videos and images as files of this machine. Default false.",
    "type": "boolean",
    "default": False,
}

_LIST_SCHEMA: JSONObject = {
    "type": "object",
    "properties": {
        "status": {
            "title": "Status",
            "description": "Only jobs in this state; leave it out for all.",
            "type": "string",
            "enum": [status.value for status in Status],
        },
        "limit": {
            "title": "Limit",
            "description": "How many jobs at the most. Default 20.",
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 20,
        },
    },
}


def _wait_property(default: int) -> JSONObject:
    return {
        "title": "Wait Seconds",
        "description": f"How long this call may wait, in seconds; 0 does not. Default {default}.",
        "type": "integer",
        "minimum": 0,
        "maximum": 900,
        "default": default,
    }


def _job_schema(**additions: JSONObject) -> JSONObject:
    request_id: JSONObject = {
        "title": "Request ID",
        "description": "The request_id that generate_video answered.",
        "type": "string",
        "pattern": REQUEST_ID_PATTERN,
    }
    return {
        "type": "object",
        "properties": {"request_id": request_id, **additions},
        "required": ["request_id"],
    }


def _hints(*, read_only: bool, destructive: bool, idempotent: bool) -> ToolAnnotations:
    """Give all four hints; every tool talks to RunComfy, which is the open world."""
    return ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=True,
    )


def tool_schema(model: Model, additions: Mapping[str, JSONObject]) -> JSONObject:
    """Turn a model's input schema into a tool's.

    `validations` stay out, since several MCP clients reject keywords they do not know; every
    empty description is filled from the model's file.

    Args:
        model: The model.
        additions: Properties of our own, put behind the model's.

    Returns:
        A JSON Schema of type object.
    """
    schema: JSONObject = _without_validations(model.input_schema)
    properties: dict[str, JSONObject] = schema["properties"]
    for name, prop in properties.items():
        prop["description"] = prop.get("description") or model.descriptions.get(name, "")
    if taken := set(properties) & set(additions):
        raise ValueError(f"the model has arguments named like ours: {taken}")
    properties.update(deepcopy(dict(additions)))
    return schema


def _without_validations(part: Any) -> Any:
    """Copy a schema without the `validations` arrays at any depth of it."""
    if isinstance(part, Mapping):
        fields = cast("Mapping[str, Any]", part)
        return {
            key: _without_validations(value)
            for key, value in fields.items()
            if not (key == "validations" and isinstance(value, list))
        }
    if isinstance(part, list):
        return [_without_validations(value) for value in cast("list[Any]", part)]
    return part
