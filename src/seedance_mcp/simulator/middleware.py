"""Middleware that records every request and injects faults."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from .faults import Fault, RouteName
from .jobs import Job

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(kw_only=True, eq=False)
class RecordedRequest:
    """A request that reached the simulator.

    Attributes:
        path: The raw path and query, still percent-encoded.
        authorized: Whether it had an Authorization header, valid or not.
        headers: Its other headers, names in lower case.
        at: The time, in the simulator's clock.
        fault: The fault that it met, None if it met none.
        job: The job that it started, None if it was not accepted, or not yet.
    """

    route: RouteName
    method: str
    path: str
    authorized: bool
    headers: Mapping[str, str]
    at: float
    fault: Fault | None = None
    job: Job | None = None


@dataclass(kw_only=True)
class FaultMiddleware:
    """The ASGI middleware around the API: each request takes the first fault for its route."""

    app: Starlette
    faults: MutableSequence[Fault]
    requests: MutableSequence[RecordedRequest]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._route(scope)
        recorded = _record(scope, route, self.clock())
        self.requests.append(recorded)
        scope["state"]["recorded"] = recorded  # for the API, which adds the job
        fault = next((f for f in self.faults if f.route == route and f.times > 0), None)
        recorded.fault = fault
        if fault is None:
            await self.app(scope, receive, send)
            return
        fault.times -= 1
        match fault.kind:
            case "delay":
                await self._delay(fault, scope, receive, send)
            case "cut":
                await self._cut(scope, receive, send)
            case "drop" | "answer":
                await self._replace(fault, scope, receive, send)
            case _:
                assert_never(fault.kind)

    def _route(self, scope: Scope) -> RouteName:
        for route in self.app.routes:
            if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
                return cast("RouteName", route.name)
        return "other"

    async def _delay(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.after:
            messages = await self._run(scope, receive)
            await self.sleep(fault.seconds)
            for message in messages:
                await send(message)
        else:
            # Read first: a complete request is acted on even if its sender disconnects meanwhile.
            buffered = await _buffer(receive)
            await self.sleep(fault.seconds)
            await self.app(scope, buffered, send)

    async def _replace(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.after:
            await self._run(scope, receive)
        if fault.kind == "drop":
            _transport(scope).abort()
            await _wait_for_disconnect(receive)
        else:
            response = Response(fault.body, status_code=fault.status, headers=dict(fault.headers))
            await response(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive) -> list[Message]:
        """Act on the request, and return its answer unsent."""
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, hold)
        return messages

    async def _cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        cut = False

        async def send_half(message: Message) -> None:
            nonlocal cut
            body: bytes = message.get("body", b"")
            if body and not cut:
                cut = True
                await send({**message, "body": body[: len(body) // 2], "more_body": True})
                _transport(scope).close()  # not abort(): the first half must arrive
            elif not cut:
                await send(message)

        await self.app(scope, receive, send_half)
        if cut:
            await _wait_for_disconnect(receive)


def _record(scope: Scope, route: RouteName, at: float) -> RecordedRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    authorized = headers.pop("authorization", None) is not None
    query: bytes = scope["query_string"]
    return RecordedRequest(
        route=route,
        method=scope["method"],
        path=(scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1"),
        authorized=authorized,
        headers=headers,
        at=at,
    )


def _transport(scope: Scope) -> asyncio.Transport:
    """Return a request's connection, which `server.py` has put into the state."""
    return cast("H11Protocol", scope["state"]["connection"]).transport


async def _buffer(receive: Receive) -> Receive:
    """Read a request's body and return a `receive` that replays it."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())

    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return replay


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until uvicorn sees the disconnect; before that it would answer 500 or log an error."""
    while (await receive())["type"] != "http.disconnect":
        pass
