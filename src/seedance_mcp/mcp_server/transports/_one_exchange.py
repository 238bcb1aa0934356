"""One exchange of the older era: a connection for a single POST and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.runner import ServerRunner, aclose_shielded
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher, cancelled_request_id_from_params
from mcp.shared.transport_context import TransportContext
from starlette.types import Receive, Scope, Send

from seedance_mcp.mcp_server._server import SeedanceServer

_Key = tuple[str, str]

# The client could not answer: its POST might reach another replica.
_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


@dataclass(frozen=True)
class InFlight:
    """The requests that are being answered, by session and id.

    A client cancels a request in another POST than the one that it came with. That one may reach
    another replica, where it changes nothing; a call ends by its own deadline then.
    """

    _requests: dict[_Key, tuple[anyio.CancelScope, anyio.Event]] = field(
        default_factory=dict[_Key, tuple[anyio.CancelScope, anyio.Event]], init=False
    )

    def cancel(self, session_id: str, method: str, params: Mapping[str, Any] | None) -> bool:
        """Cancel the request that a notification names, if it is one that cancels."""
        if method != "notifications/cancelled":
            return False
        request_id = cancelled_request_id_from_params(params)
        if found := self._requests.get((session_id, str(request_id))):
            scope, cancelled = found
            cancelled.set()
            scope.cancel()
        return True

    async def answer(
        self,
        runner: ServerRunner[Any],
        session_id: str,
        context: DispatchContext[TransportContext],
        method: str,
        params: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the result of a request, which may be cancelled meanwhile."""
        key = session_id, str(context.request_id)
        with anyio.CancelScope() as scope:
            self._requests[key] = scope, context.cancel_requested
            try:
                return await runner.on_request(context, method, params)
            finally:
                self._requests.pop(key, None)
        # The SDK does not send it.
        return {}


async def serve_exchange(
    server: SeedanceServer,
    connection: Connection,
    in_flight: InFlight,
    session_id: str | None,
    asgi: tuple[Scope, Receive, Send],
) -> None:
    """Serve one POST of a client, as the SDK does where it keeps no session.

    Args:
        server: Answers it.
        connection: What is known of the client.
        in_flight: Where the session's requests can be cancelled.
        session_id: The session, None without one.
        asgi: The scope of the request, and what receives and sends.
    """
    http = StreamableHTTPServerTransport(None)
    async with http.connect() as streams, anyio.create_task_group() as tasks:
        dispatcher = JSONRPCDispatcher(
            *streams,
            inline_methods=frozenset({"initialize"}),
            transport_builder=lambda _: _TRANSPORT,
        )
        runner = ServerRunner(server, connection, server.services.only())
        tasks.start_soon(_run, dispatcher, runner, in_flight, session_id)
        try:
            await http.handle_request(*asgi)
        finally:
            with anyio.CancelScope(shield=True):
                await http.terminate()


async def _run(
    dispatcher: JSONRPCDispatcher[TransportContext],
    runner: ServerRunner[Any],
    in_flight: InFlight,
    session_id: str | None,
) -> None:
    """Answer what comes, until it ends."""
    on_request, on_notify = runner.on_request, None
    if session_id is not None:
        on_request = partial(in_flight.answer, runner, session_id)
        # Not by `runner.on_notify`, which would run in a task that the end of the POST cancels.
        on_notify = partial(in_flight.cancel, session_id)
    try:
        await dispatcher.run(on_request, runner.on_notify, on_notify)
    finally:
        await aclose_shielded(runner.connection)
