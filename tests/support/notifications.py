"""Hearing of changes: what a client is told unasked, in the way of either protocol era."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)


async def subscribe(client: Client, uri: str) -> None:
    """Subscribe as clients of 2025-11-25 do; the SDK's own method for it is deprecated."""
    request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    """End a subscription of 2025-11-25."""
    request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)


class UpdateListener:
    """The names of the resources whose changes a client was told of, in order.

    Attributes:
        uris: The names.
        any: Set when there is one.
    """

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.any = anyio.Event()

    async def __call__(self, message: object) -> None:
        """Take what a client is sent on its connection, other than what a stream gives it too."""
        if not isinstance(message, ResourceUpdatedNotification):
            return
        if SUBSCRIPTION_ID_META_KEY not in (message.params.meta or {}):
            self._take(message.params.uri)

    @asynccontextmanager
    async def listening(
        self, client: Client, *uris: str, to_the_end: bool = False
    ) -> AsyncGenerator[None, None]:
        """Hear of resources for as long as this lasts, in the way of the client's era.

        Args:
            client: Who hears.
            uris: Of which resources.
            to_the_end: Whether the server ends before this does.
        """
        if client.protocol_version == "2025-11-25":
            for uri in uris:
                await subscribe(client, uri)
            yield
            for uri in () if to_the_end else uris:
                await unsubscribe(client, uri)
            return
        async with (
            client.listen(resource_subscriptions=uris) as stream,
            anyio.create_task_group() as tasks,
        ):

            async def collect() -> None:
                async for event in stream:
                    assert isinstance(event, ResourceUpdated)
                    self._take(event.uri)

            tasks.start_soon(collect)
            yield
            tasks.cancel_scope.cancel()

    def _take(self, uri: str) -> None:
        self.uris.append(uri)
        self.any.set()
