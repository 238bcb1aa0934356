"""The stand-in on a port of this machine, and what it saw."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol

from . import _anthropic, _gemini, _openai_chat, _openai_responses
from .script import FIRST, JSON, SEARCH, Asked, Call, reply

MAX_TURNS = 20
MAX_ERRORS = 2
"""A model gives up after so many errors in a row."""


class Api(Protocol):
    """How one model API writes requests, answers and streams; each is a module."""

    def read(self, body: JSON) -> Asked:
        """Return what a client asks."""
        ...

    def write(self, said: Call | str) -> JSON:
        """Return an answer."""
        ...

    def events(self, answer: JSON) -> list[JSON]:
        """Return the events of a streamed answer."""
        ...


APIS: dict[str, Api] = {
    "chat/completions": _openai_chat,
    "responses": _openai_responses,
    "messages": _anthropic,
    "enerateContent": _gemini,
}
"""The APIs by the end of their paths; Gemini's also has a method that streams."""


@dataclass(kw_only=True)
class StandIn:
    """A model that makes one clip.

    Attributes:
        clip: The arguments of `generate_video`.
        url: Its base URL.
        turns: How often it was asked, apart from side questions without our tools.
        forms: The forms in which it was handed answers.
        errors: How many of the latest answers were errors in a row.
        requests: Every request, for the log.
    """

    clip: Mapping[str, Any]
    url: str
    turns: int = 0
    forms: set[str] = field(default_factory=set[str])
    errors: int = 0
    requests: list[JSON] = field(default_factory=list[JSON])

    def answer(self, asked: Asked) -> Call | str:
        """Return the next call, or a text."""
        if not any(map(asked.name_of, (FIRST, SEARCH))):
            return "A clip"  # a client asks for a title, say
        self.turns += 1
        forms = asked.forms()
        self.forms |= forms
        self.errors = self.errors + 1 if forms == {"error"} else 0
        if self.turns > MAX_TURNS or self.errors >= MAX_ERRORS:
            return "The clip is not saved."
        return reply(asked, self.clip, f"call_{self.turns}")


class _Handler(BaseHTTPRequestHandler):
    """Answers a request of any of the APIs."""

    def __init__(self, stand_in: StandIn, *args: Any) -> None:
        self.stand_in = stand_in
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer what clients ask before they begin."""
        self._send("application/json", "{}")

    def do_POST(self) -> None:
        """Answer a request, in a stream if it wants one."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        self.stand_in.requests.append({"path": self.path, "body": body})
        api = next((api for end, api in APIS.items() if path.endswith(end)), None)
        if api is None:
            self._send("application/json", json.dumps({"input_tokens": 1, "totalTokens": 1}))
            return
        answer = api.write(self.stand_in.answer(api.read(body)))
        if body.get("stream") or "streamGenerateContent" in path:
            self._send("text/event-stream", _stream(api.events(answer)))
        else:
            self._send("application/json", json.dumps(answer))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""

    def _send(self, content_type: str, text: str) -> None:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _stream(events: list[JSON]) -> str:
    named = [f"event: {event['type']}\n" if "type" in event else "" for event in events]
    lines = [
        f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(named, events, strict=True)
    ]
    end = "data: [DONE]\n\n" if "object" in events[0] else ""  # Chat Completions alone ends so.
    return "".join(lines) + end


@contextmanager
def stand_in_model(clip: Mapping[str, Any]) -> Generator[StandIn]:
    """Serve a stand-in while the context lasts."""
    stand_in = StandIn(clip=clip, url="")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, stand_in)) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever).start()
        try:
            yield stand_in
        finally:
            server.shutdown()
