"""The door that every request goes through: it is noted, and it may meet a fault."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from .faults import Fault, RouteName

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """A request that reached the simulator, whatever became of it.

    Attributes:
        route: The route's name, or "other".
        method: The HTTP method.
        path: The path as it was sent, percent signs and query included.
        authorized: Whether an Authorization header came, right or wrong.
        headers: Its other headers, their names in lower case.
        at: The moment, in the simulator's clock.
    """

    route: RouteName
    method: str
    path: str
    authorized: bool
    headers: Mapping[str, str]
    at: float


@dataclass(kw_only=True)
class Doorway:
    """The ASGI application in front of the service.

    Attributes:
        app: The service; faults are queued for the names of its routes.
        faults: The faults to come; each request meets the first that fits.
        requests: Every request so far, in order.
        clock: Seconds, for the notes.
        sleep: What a delay waits with.
    """

    app: Starlette
    faults: MutableSequence[Fault]
    requests: MutableSequence[SeenRequest]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._route(scope)
        self.requests.append(_seen(scope, route, self.clock()))
        fault = self._take(route)
        if fault is None:
            await self.app(scope, receive, send)
            return
        match fault.kind:
            case "delay":
                await self._delay(fault, scope, receive, send)
            case "drop":
                await self._drop(fault, scope, receive)
            case "cut":
                await self._cut(scope, receive, send)
            case "answer":
                await self._answer(fault, scope, receive, send)
            case _:
                assert_never(fault.kind)

    def _route(self, scope: Scope) -> RouteName:
        for route in self.app.routes:
            if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
                return cast("RouteName", route.name)
        return "other"

    def _take(self, route: RouteName) -> Fault | None:
        fault = next((f for f in self.faults if f.route == route and f.times > 0), None)
        if fault is not None:
            fault.times -= 1
        return fault

    async def _delay(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        if fault.after:
            await self.app(scope, receive, hold)
            await self.sleep(fault.seconds)
            for message in held:
                await send(message)
        else:
            # What has arrived is acted on, though its sender may be gone by then.
            arrived = await _arrived(receive)
            await self.sleep(fault.seconds)
            await self.app(scope, arrived, send)

    async def _drop(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        if fault.after:
            await self.app(scope, receive, _swallow)
        _transport(scope).abort()
        await _disconnected(receive)

    async def _cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        cut = False

        async def send_half(message: Message) -> None:
            nonlocal cut
            body: bytes = message.get("body", b"")
            if cut:
                return
            if not body:
                await send(message)
                return
            cut = True
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            _transport(scope).close()  # not abort(): the half must arrive

        await self.app(scope, receive, send_half)
        if cut:
            await _disconnected(receive)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.after:
            await self.app(scope, receive, _swallow)
        response = Response(fault.body, status_code=fault.status, headers=dict(fault.headers))
        await response(scope, receive, send)


def _seen(scope: Scope, route: RouteName, at: float) -> SeenRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    authorized = headers.pop("authorization", None) is not None
    query: bytes = scope["query_string"]
    return SeenRequest(
        route=route,
        method=scope["method"],
        path=(scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1"),
        authorized=authorized,
        headers=headers,
        at=at,
    )


def _transport(scope: Scope) -> asyncio.Transport:
    """Find the connection that a request came by, with what `server.py` put into the state."""
    return cast("H11Protocol", scope["state"]["connection"]).transport


async def _arrived(receive: Receive) -> Receive:
    """Read a request's body, and give what replays it."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())

    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return replay


async def _disconnected(receive: Receive) -> None:
    """Wait until uvicorn has noticed; returning earlier would make it answer 500, or complain."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(_message: Message) -> None:
    """Lose a part of an answer."""
