"""Telling clients that a resource has changed, in the way of either protocol era.

A client of 2025-11-25 subscribes to a URI and hears of it on its connection; one of 2026-07-28
opens a stream with `subscriptions/listen`, which the SDK serves from a bus. Either hears only that
something changed, and reads it again if it cares, so changes that come in quickly are told once.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import Listener

from ._resource_uris import JOBS_URI, job_uri

MOST_SUBSCRIPTIONS = 1_000
"""How many are kept; nothing says that a connection has gone, so the oldest ones make room."""

SEND_SECONDS = 1.0
"""How long a client may take to let a notification in, before its subscription is dropped."""


class Subscriptions:
    """Who wants to hear of which resource, and what is told to them."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self.listen = ListenHandler(self._bus)
        # A session object belongs to one request; what it knows of its client, to the connection.
        self._sessions: dict[tuple[int, str], ServerSession] = {}

    def subscribe(self, session: ServerSession, uri: str) -> None:
        """Tell a connection of a resource's changes from now on."""
        self.unsubscribe(session, uri)
        if len(self._sessions) >= MOST_SUBSCRIPTIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[id(session.client_params), uri] = session

    def unsubscribe(self, session: ServerSession, uri: str) -> None:
        """Tell a connection no more of a resource's changes."""
        self._sessions.pop((id(session.client_params), uri), None)

    def end(self) -> None:
        """Let every stream of `subscriptions/listen` end in order."""
        self.listen.close()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Listener, None]:
        """Tell of the changes of jobs that the listener hears, in a task of its own."""
        changed: dict[str, None] = {}
        wake = anyio.Event()

        def hear(job: Job) -> None:
            if job.request_id:
                changed[job_uri(job.request_id)] = None
            changed[JOBS_URI] = None
            wake.set()

        async def tell() -> None:
            nonlocal wake
            while True:
                await wake.wait()
                wake = anyio.Event()
                while changed:
                    uri = next(iter(changed))
                    del changed[uri]
                    await self._announce(uri)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            yield hear
            tasks.cancel_scope.cancel()

    async def _announce(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        for key, session in list(self._sessions.items()):
            if key[1] != uri:
                continue
            with anyio.move_on_after(SEND_SECONDS) as scope:
                await session.send_resource_updated(uri)
            if scope.cancelled_caught:
                self._sessions.pop(key, None)
