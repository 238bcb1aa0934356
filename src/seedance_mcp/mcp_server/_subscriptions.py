"""Notifications that a resource has changed, for clients of both protocol eras.

A client of 2025-11-25 subscribes to a URI and is notified on its connection; one of 2026-07-28
opens a stream with `subscriptions/listen`, which the SDK serves from a bus. A notification says
only that something changed, and the client reads it again if it cares, so changes that come in
quick succession are sent once.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import OnJobChange

from ._resource_uris import JOBS_URI, job_uri

MOST_SUBSCRIPTIONS = 1_000
"""How many are kept; nothing says that a connection has closed, so the oldest make room."""

SEND_TIMEOUT_SECONDS = 1.0
"""How long a client may take to accept a notification before its subscription is dropped."""


class Subscriptions:
    """Which connection is notified of which resource."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self.listen = ListenHandler(self._bus)
        # A session object belongs to one request; its client's parameters, to the connection.
        self._sessions = BoundedDict[tuple[int, str], ServerSession](MOST_SUBSCRIPTIONS)

    def subscribe(self, session: ServerSession, uri: str) -> None:
        """Notify a connection of a resource's changes from now on."""
        self._sessions[id(session.client_params), uri] = session

    def unsubscribe(self, session: ServerSession, uri: str) -> None:
        """Stop notifying a connection of a resource's changes."""
        self._sessions.pop((id(session.client_params), uri), None)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[OnJobChange, None]:
        """Yield a callback for jobs that have changed; notifications are sent by a task."""
        changed: dict[str, None] = {}
        wake = anyio.Event()

        def on_change(job: Job) -> None:
            if job.request_id:
                changed[job_uri(job.request_id)] = None
            changed[JOBS_URI] = None
            wake.set()

        async def send() -> None:
            nonlocal wake
            while True:
                await wake.wait()
                wake = anyio.Event()
                while changed:
                    uri = next(iter(changed))
                    del changed[uri]
                    await self._send(uri)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            yield on_change
            tasks.cancel_scope.cancel()

    async def _send(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        for key, session in list(self._sessions.items()):
            if key[1] != uri:
                continue
            with anyio.move_on_after(SEND_TIMEOUT_SECONDS) as scope:
                await session.send_resource_updated(uri)
            if scope.cancelled_caught:
                self._sessions.pop(key, None)
