"""Notifications that a resource has changed, for clients of both protocol eras.

A client of 2025-11-25 subscribes to a URI and is notified on its connection; one of 2026-07-28
opens a stream with `subscriptions/listen`, which the SDK serves from a bus. A notification says
only that something changed, and the client reads it again if it cares, so changes that come in
quick succession are sent once. Each owner is notified of its own jobs alone.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf

import anyio
import mcp_types as types
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import OnJobChange

from ._lazy_service import Context, service_of
from ._resource_uris import JOBS_URI, job_uri

MOST_SUBSCRIPTIONS = 1_000
"""How many are kept; nothing says that a connection has closed, so the oldest make room."""

MOST_STREAMS = 1_000
"""How many streams are open at once; the next is refused."""

SEND_TIMEOUT_SECONDS = 1.0
"""How long a client may take to accept a notification before its subscription is dropped."""


class Subscriptions:
    """Which connection is notified of which resource."""

    def __init__(self) -> None:
        # The open streams, each with its owner, and a bus for each owner who has any.
        self._streams: dict[ListenHandler, str] = {}
        self._buses: dict[str, InMemorySubscriptionBus] = {}
        # A session object belongs to one request; its client's parameters, to the connection.
        self._sessions = BoundedDict[tuple[int, str], tuple[ServerSession, str]](MOST_SUBSCRIPTIONS)

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream until its client leaves it or the server ends."""
        owner = await _known_owner_of(context)
        if len(self._streams) >= MOST_STREAMS:
            raise MCPError(types.INTERNAL_ERROR, "Too many subscriptions: close others first.")
        handler = ListenHandler(self._buses.setdefault(owner, InMemorySubscriptionBus()))
        self._streams[handler] = owner
        try:
            return await handler(context, params)
        finally:
            del self._streams[handler]
            if owner not in self._streams.values():
                del self._buses[owner]

    def close(self) -> None:
        """End every stream."""
        for handler in [*self._streams]:
            handler.close()

    def subscribe(self, session: ServerSession, uri: str, owner: str) -> None:
        """Notify a connection of the changes of an owner's resource from now on."""
        self._sessions[id(session.client_params), uri] = session, owner

    def unsubscribe(self, session: ServerSession, uri: str) -> None:
        """Stop notifying a connection of a resource's changes."""
        self._sessions.pop((id(session.client_params), uri), None)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[OnJobChange, None]:
        """Yield a callback for jobs that have changed; notifications are sent by a task."""
        changed: dict[tuple[str, str], None] = {}
        wake = anyio.Event()

        def on_change(job: Job) -> None:
            if job.request_id:
                changed[job.owner, job_uri(job.request_id)] = None
            changed[job.owner, JOBS_URI] = None
            wake.set()

        async def send() -> None:
            nonlocal wake
            while True:
                await wake.wait()
                wake = anyio.Event()
                while changed:
                    owner, uri = next(iter(changed))
                    del changed[owner, uri]
                    await self._send(owner, uri)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            yield on_change
            tasks.cancel_scope.cancel()

    async def _send(self, owner: str, uri: str) -> None:
        if bus := self._buses.get(owner):
            await bus.publish(ResourceUpdated(uri=uri))
        for key, (session, subscriber) in list(self._sessions.items()):
            if (key[1], subscriber) != (uri, owner):
                continue
            with anyio.move_on_after(SEND_TIMEOUT_SECONDS) as scope:
                await session.send_resource_updated(uri)
            if scope.cancelled_caught:
                self._sessions.pop(key, None)


async def _known_owner_of(context: Context) -> str:
    """Return the same of a caller whose own token, if it brings one, RunComfy knows.

    Tokens can be made up, and streams are few.
    """
    try:
        service = await service_of(context)
        await service.own_token.check(inf)
    except SeedanceError as error:
        raise MCPError(types.INTERNAL_ERROR, error.line) from error
    return service.tracker.owner


async def owner_of(context: Context) -> str:
    """Return the owner of the jobs that are the caller's.

    Raises:
        MCPError: It is not known.
    """
    try:
        return (await service_of(context)).tracker.owner
    except SeedanceError as error:
        raise MCPError(types.INTERNAL_ERROR, error.line) from error
