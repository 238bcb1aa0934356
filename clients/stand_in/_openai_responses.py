"""OpenAI's Responses API."""

import json
from uuid import uuid4

from .script import JSON, Asked, Call, since_last

_OWN = {"function_call", "reasoning"}


def read(body: JSON) -> Asked:
    """Return what a client asks."""
    items: list[JSON] | str = body["input"]
    since = [] if isinstance(items, str) else since_last(items, _by_model)
    called = any(item.get("type") == "function_call_output" for item in since)
    return Asked(
        tools=[name for tool in body.get("tools") or () for name in _names(tool)],
        handed=[item.get("output", item) for item in since] if called else [],
    )


def write(said: Call | str) -> JSON:
    """Return an answer."""
    item: JSON
    if isinstance(said, Call):
        namespace, _, name = said.tool.rpartition("/")
        item = {"type": "function_call", "id": f"fc_{said.id}", "call_id": said.id}
        item |= {"name": name, "arguments": json.dumps(said.arguments)}
        item |= {"namespace": namespace} if namespace else {}
    else:
        text: JSON = {"type": "output_text", "text": said, "annotations": []}
        item = {
            "type": "message",
            "id": f"msg_{uuid4().hex}",
            "role": "assistant",
            "content": [text],
        }
    return _response("completed") | {"output": [item | {"status": "completed"}]}


def events(answer: JSON) -> list[JSON]:
    """Return the events of a streamed answer."""
    item = answer["output"][0]
    return [
        {"type": "response.created", "response": _response("in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer},
    ]


def _names(tool: JSON) -> list[str]:
    """Return the names of a tool, or of those in a namespace, which Codex has for each server."""
    if tool["type"] == "namespace":
        return [f"{tool['name']}/{inner['name']}" for inner in tool["tools"]]
    return [tool["name"]] if tool["type"] == "function" else []


def _by_model(item: JSON) -> bool:
    return item.get("type") in _OWN or item.get("role") == "assistant"


def _response(status: str) -> JSON:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    usage |= {"input_tokens_details": {"cached_tokens": 0}}
    usage |= {"output_tokens_details": {"reasoning_tokens": 0}}
    head = {"id": f"resp_{uuid4().hex}", "object": "response", "created_at": 0, "model": "stand-in"}
    settings: JSON = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}
    return head | settings | {"status": status, "output": [], "usage": usage}
