"""OpenAI's Chat Completions API."""

import json
from uuid import uuid4

from .script import JSON, Asked, Call, since_last


def read(body: JSON) -> Asked:
    """Return what a client asks."""
    since = since_last(body["messages"], lambda message: message["role"] == "assistant")
    called = any(message["role"] == "tool" for message in since)
    return Asked(
        tools=[tool["function"]["name"] for tool in body.get("tools") or ()],
        handed=[message["content"] for message in since] if called else [],
    )


def write(said: Call | str) -> JSON:
    """Return an answer."""
    message: JSON = {"role": "assistant", "content": said}
    if isinstance(said, Call):
        function = {"name": said.tool, "arguments": json.dumps(said.arguments)}
        call = {"id": said.id, "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    reason = "tool_calls" if isinstance(said, Call) else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _answer("chat.completion", choice)


def events(answer: JSON) -> list[JSON]:
    """Return the events of a streamed answer."""
    choice = answer["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    delta = choice["message"] | {"tool_calls": [{"index": 0} | call for call in calls]}
    parts: list[JSON] = [
        {"index": 0, "delta": delta, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]},
    ]
    return [_answer("chat.completion.chunk", part) for part in parts]


def _answer(kind: str, choice: JSON) -> JSON:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": f"chat-{uuid4().hex}", "object": kind, "created": 0, "model": "stand-in"}
    return head | {"choices": [choice], "usage": usage}
