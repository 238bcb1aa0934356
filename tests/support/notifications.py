"""Listening for resource updates, as clients of either protocol era do."""

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
    """Collects the resource updates that a client receives.

    Attributes:
        uris: The URIs of the updated resources, in order.
        any: Set at the first update.
    """

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.any = anyio.Event()

    async def __call__(self, message: object) -> None:
        """Take a message; an update that belongs to a stream comes from the stream as well."""
        if not isinstance(message, ResourceUpdatedNotification):
            return
        if SUBSCRIPTION_ID_META_KEY not in (message.params.meta or {}):
            self._take(message.params.uri)

    @asynccontextmanager
    async def listening(
        self, client: Client, *uris: str, to_the_end: bool = False
    ) -> AsyncGenerator[None, None]:
        """Listen for updates of resources in this context, as the client's era does it.

        Args:
            client: The client.
            uris: The resources.
            to_the_end: Whether the server ends within the context.
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
