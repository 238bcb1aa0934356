"""An answer does not begin before a short request has ended, since some clients would lose it."""

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from seedance_mcp.mcp_server.transports._unread_bodies import UnreadBodies

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PART: Message = {"type": "http.request", "body": b"12345", "more_body": True}
LAST: Message = {**PART, "more_body": False}
GONE: Message = {"type": "http.disconnect"}


async def events(length: int, *parts: Message) -> list[str]:
    """Return what is received and sent in which order where a request is refused at once."""
    seen: list[str] = []
    coming = iter(parts)

    async def receive() -> Message:
        message = next(coming, None)
        if message is None:
            await anyio.sleep_forever()
        assert message
        seen.append(message["type"])
        return message

    async def send(message: Message) -> None:
        seen.append(message["type"])

    headers = [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
    await UnreadBodies(PlainTextResponse("no", 401))(scope, receive, send)
    return seen


ANSWER = ["http.response.start", "http.response.body"]


async def test_a_refusal_waits_for_the_rest_of_a_short_request() -> None:
    assert await events(10, PART, LAST) == ["http.request", "http.request", *ANSWER]


async def test_a_refusal_does_not_wait_for_a_client_that_is_gone_or_sends_nothing() -> None:
    assert await events(10, PART, GONE) == ["http.request", "http.disconnect", *ANSWER]
    began = anyio.current_time()
    assert await events(10, PART) == ["http.request", *ANSWER]
    assert anyio.current_time() - began == 1


async def test_a_refusal_waits_neither_for_a_long_body_nor_for_none() -> None:
    assert await events(64 * 1024 + 1, PART, LAST) == ANSWER
    assert await events(0, LAST) == ANSWER
