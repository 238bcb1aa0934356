"""Gemini's generateContent API."""

from .script import JSON, Asked, Call, since_last


def read(body: JSON) -> Asked:
    """Return what a client asks."""
    since = since_last(body["contents"], lambda content: content["role"] == "model")
    parts: list[JSON] = [part for content in since for part in content["parts"]]
    groups = [tool.get("functionDeclarations", []) for tool in body.get("tools") or ()]
    return Asked(
        tools=[function["name"] for group in groups for function in group],
        handed=parts if any("functionResponse" in part for part in parts) else [],
    )


def write(said: Call | str) -> JSON:
    """Return an answer."""
    if isinstance(said, Call):
        part = {"functionCall": {"name": said.tool, "args": said.arguments}}
    else:
        part = {"text": said}
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "stand-in"}


def events(answer: JSON) -> list[JSON]:
    """Return the events of a streamed answer."""
    return [answer]
