"""Anthropic's Messages API."""

import json
from uuid import uuid4

from .script import JSON, Asked, Call, since_last


def read(body: JSON) -> Asked:
    """Return what a client asks."""
    since = since_last(body["messages"], lambda message: message["role"] == "assistant")
    blocks = [block for message in since for block in _blocks(message)]
    called = any(block["type"] == "tool_result" for block in blocks)
    return Asked(
        tools=[tool["name"] for tool in body.get("tools") or ()],
        handed=blocks if called else [],
    )


def write(said: Call | str) -> JSON:
    """Return an answer."""
    if isinstance(said, Call):
        block = {"type": "tool_use", "id": said.id, "name": said.tool, "input": said.arguments}
    else:
        block = {"type": "text", "text": said}
    reason = "tool_use" if isinstance(said, Call) else "end_turn"
    # Claude Code takes messages with the same id for one.
    head = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "model": "stand-in"}
    end = {"stop_reason": reason, "stop_sequence": None}
    return head | end | {"content": [block], "usage": {"input_tokens": 1, "output_tokens": 1}}


def events(answer: JSON) -> list[JSON]:
    """Return the events of a streamed answer."""
    block: JSON = answer["content"][0]
    empty: JSON
    if block["type"] == "text":
        empty, delta = {"text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        empty = {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    end = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    begun: JSON = answer | {"content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block | empty},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": answer["usage"]},
        {"type": "message_stop"},
    ]


def _blocks(message: JSON) -> list[JSON]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
