"""What each message passes on its way to a handler of ours."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import anyio
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from seedance_mcp.observability.call_context import in_call
from seedance_mcp.observability.observer import Observer
from seedance_mcp.observability.spans import below_caller, describe_call

from ._arguments import parse_object
from ._asking import readable_answer
from ._lazy_service import Context

_NO_OBJECT = "The arguments must be a JSON object. Nothing was done or charged."


async def with_call_id(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Name a call for log lines, and put its span below that of the HTTP request's caller.

    It comes before the SDK's own middleware, which makes the span.
    """
    headers: Mapping[str, str] = ctx.request.headers if ctx.request is not None else {}
    _, _, token = headers.get("authorization", "").partition(" ")
    with in_call(uuid4().hex[:12], (token.strip(),)), below_caller(headers):
        return await call_next(ctx)


async def keep_service(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Keep the service of whoever makes a request over HTTP while that is answered."""
    if ctx.request is None:
        return await call_next(ctx)
    return await ctx.lifespan_context.keep_while_answering(ctx, call_next)


async def parse_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Parse what some clients send in another form, which the SDK would refuse."""
    if ctx.method != "tools/call" or not ctx.params:
        return await call_next(ctx)
    params = readable_answer(ctx.params)
    given = params.get("arguments")
    if given is not None and not isinstance(given, dict):
        params["arguments"] = parse_object(given)
        if params["arguments"] is None:
            raise MCPError(types.INVALID_PARAMS, _NO_OBJECT)
    return await call_next(replace(ctx, params=params))


class _Observed(Protocol):
    observer: Observer


class ObservedCalls:
    """Tells a server's observer of each call of its tools, and their spans how they ended."""

    def __init__(self, server: _Observed, tools: Collection[str]) -> None:
        self._server = server
        self._tools = tools

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a message."""
        tool = str((ctx.params or {}).get("name"))
        # A name that a client has made up would be a figure of its own.
        if ctx.method != "tools/call" or tool not in self._tools:
            return await call_next(ctx)
        began, outcome = anyio.current_time(), "cancelled"
        try:
            result = await call_next(ctx)
            sent = result if isinstance(result, dict) else {}
            outcome = "error" if sent.get("isError") else "ok"
            describe_call(sent.get("structuredContent") or {})
        except Exception:
            outcome = "error"
            raise
        finally:
            self._server.observer.call_ended(tool, outcome, anyio.current_time() - began)
        return result
