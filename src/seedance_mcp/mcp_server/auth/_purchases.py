"""Tells which requests buy a clip, before the SDK has read them and once it has."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, cast

import mcp_types as types
import pydantic_core
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.shared.exceptions import MCPError
from starlette.types import Message, Receive

from seedance_mcp.mcp_server._lazy_service import Context, LazyService

from ._refusals import ALL_SCOPES, SPEND_SCOPE, missing_scopes

MAY_SPEND_KEY = "seedance_mcp.may_spend"
"""Where the ASGI scope of a request says whether its caller may buy."""

MAX_BODY_BYTES = 1 << 20
"""How long the body of a request may be that buys nothing; an image is longer."""

ANSWERS_A_QUESTION = "tasks/update"
"""The method that may say yes to a purchase that waits for it."""

_MAY_NOT_SPEND = f"This needs the scope {SPEND_SCOPE}. Nothing was done or charged."


def buys(buying: Collection[str], method: object, params: object) -> bool:
    """Return whether a request costs money; `buying` are the tools that buy clips."""
    if method == ANSWERS_A_QUESTION:
        return True
    if method != "tools/call" or not isinstance(params, Mapping):
        return False
    name = cast("Mapping[str, Any]", params).get("name")
    return isinstance(name, str) and name in buying


def body_buys(buying: Collection[str], body: bytes) -> bool:
    """Return whether a body may be a request that costs money, in any way it can be read."""
    for message in _messages(body):
        if buys(buying, message.get("method"), message.get("params")):
            return True
    return False


def _messages(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield what each of the SDK's two parsers makes of a body."""
    parsers: tuple[Callable[[bytes], Any], ...] = (json.loads, pydantic_core.from_json)
    for parse in parsers:
        try:
            read = parse(body)
        except (ValueError, RecursionError):
            continue
        messages = cast("list[Any]", read) if isinstance(read, list) else [read]
        yield from (cast("dict[str, Any]", each) for each in messages if isinstance(each, dict))


async def receive_free(buying: Collection[str], receive: Receive) -> Receive:
    """Return what receives the same request again, once it is known to cost nothing.

    Raises:
        Refused: It costs money, or may.
    """
    messages: list[Message] = []
    body = bytearray()
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
        body += messages[-1].get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise missing_scopes(ALL_SCOPES)
    if body_buys(buying, bytes(body)):
        raise missing_scopes(ALL_SCOPES)
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def spending_guard(buying: Collection[str]) -> ServerMiddleware[LazyService]:
    """Return middleware of the SDK that refuses what a caller may not buy, however it was sent."""

    async def guard(ctx: Context, call_next: CallNext) -> HandlerResult:
        may_spend = ctx.request is None or ctx.request.scope.get(MAY_SPEND_KEY, True)
        if not may_spend and buys(buying, ctx.method, ctx.params):
            raise MCPError(types.INVALID_REQUEST, _MAY_NOT_SPEND)
        return await call_next(ctx)

    return guard
