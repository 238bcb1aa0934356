"""Serves the revisions with a handshake over HTTP without keeping a session between requests.

The SDK either keeps a session in memory, which is lost at a restart and unknown to other replicas,
or serves every request as if its client had not initialized. Here the session id is the session
(`_session_ids`), so each request is served by a connection of its own that knows its client.

    POST     as in the SDK: the answer is a stream with the progress of the call in it
    GET      405: there is no stream beside that of a call, so nothing can be subscribed or asked
    DELETE   405: nothing is kept that could be ended
"""

from collections.abc import Awaitable, Callable
from functools import partial
from secrets import token_hex

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedance_mcp.mcp_server._lazy_service import PRINCIPAL_KEY
from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.service.principals import MACHINE_USER, Principal

from ._one_exchange import InFlight, serve_exchange
from ._refusals import refusal
from ._session_ids import ClientSession, seal, unseal

NONCE_BYTES = 16

UNKNOWN_SESSION = "Session not found: initialize again. Nothing was done or charged."

NewId = Callable[[types.InitializeRequestParams, str], Awaitable[str]]
"""Returns the id of a client's session, given the revision that was agreed on."""

ONLY_POST = "Method not allowed: this server has no stream beside that of a request; use POST."


class OlderEra:
    """ASGI middleware for requests of the older era; all others go on to the application.

    Args:
        app: Serves everything else.
        server: Answers the requests.
        path: The path of the server.
    """

    def __init__(self, app: ASGIApp, server: SeedanceServer, path: str) -> None:
        self._app = app
        self._server = server
        self._path = path
        self._in_flight = InFlight()
        self._known_key: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        older = scope["type"] == "http" and scope["path"] == self._path and _is_older(scope)
        serve = self._serve if older else self._app
        await serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await refusal(405, ONLY_POST, allow="POST")(scope, receive, send)
        headers = Headers(scope=scope)
        session_id = headers.get(MCP_SESSION_ID_HEADER)
        if session_id is None:
            version = headers.get(MCP_PROTOCOL_VERSION_HEADER, types.DEFAULT_NEGOTIATED_VERSION)
            connection = Connection.from_envelope(version, None, None)
            send = _Beginning(connection, send, partial(self._new_id, scope))
        elif session := unseal(session_id, await self._key(), owner=_owner(scope)):
            given = session.client_info, session.capabilities
            connection = Connection.from_envelope(session.protocol_version, *given)
        else:
            return await refusal(404, UNKNOWN_SESSION)(scope, receive, send)
        asgi = scope, receive, send
        return await serve_exchange(self._server, connection, self._in_flight, session_id, asgi)

    async def _key(self) -> bytes:
        if self._known_key is None:
            self._known_key = await self._server.read_state_key()
        return self._known_key

    async def _new_id(
        self, scope: Scope, client: types.InitializeRequestParams, version: str
    ) -> str:
        dumped = client.model_dump(by_alias=True, mode="json", exclude_none=True)
        session = ClientSession(
            protocol_version=version,
            client_info=dumped["clientInfo"],
            capabilities=dumped["capabilities"],
        )
        key = await self._key()
        return seal(session, key, owner=_owner(scope), nonce=token_hex(NONCE_BYTES))


class _Beginning:
    """Sends the answer to a client without a session, which has one if it initializes by it."""

    def __init__(self, connection: Connection, send: Send, new_id: NewId) -> None:
        self._connection = connection
        self._send = send
        self._new_id = new_id
        # The start of an answer, held until its first part is known.
        self._held: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Send a message, with the id of the new session in the start of the answer."""
        if message["type"] == "http.response.start":
            self._held = message
            return
        if self._held:
            start, self._held = self._held, None
            if client := self._connection.client_params:
                session_id = await self._new_id(client, self._connection.protocol_version)
                MutableHeaders(raw=start["headers"])[MCP_SESSION_ID_HEADER] = session_id
            await self._send(start)
        await self._send(message)


def _is_older(scope: Scope) -> bool:
    version = Headers(scope=scope).get(MCP_PROTOCOL_VERSION_HEADER)
    return version is None or version in HANDSHAKE_PROTOCOL_VERSIONS


def _owner(scope: Scope) -> str:
    """Return whom a session is for: its id counts for no other principal."""
    principal: Principal = scope.get(PRINCIPAL_KEY, MACHINE_USER)
    token = principal.token.get_secret_value() if principal.token else ""
    return f"{principal.name} {token}"
