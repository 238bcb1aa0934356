"""Opens the services of a server from its settings, and closes them again."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, closing

import anyio

from seedance_mcp.ledger.store import Store
from seedance_mcp.proxies import read_proxies
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.text import quoted

from ._ledger import open_ledger
from ._options import ServiceOptions
from ._shared_parts import SharedParts
from ._temporary_clips import TemporaryFolder
from .reports import OnJobChange
from .service import Service
from .services import Services

__all__ = ["ServiceOptions", "open_service", "open_services"]

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_services(options: ServiceOptions) -> AsyncGenerator[Services, None]:
    """Yield the services of all principals.

    At the end, paid requests finish before the connections close.

    Raises:
        ConfigurationError: The proxy or the certificates of the environment cannot be used, or
            the ledger's database is set wrongly.
    """
    settings, clock = options.settings, options.clock
    for entry in read_proxies().unreadable:
        message = "NO_PROXY has an entry that cannot be read, and is left out: %s."
        logger.warning(message, quoted(entry))
    token = settings.plain_token
    observer = options.observer
    async with open_http(settings.base_url, token, clock, options.transport, observer) as http:
        opened = open_ledger(settings, clock, window=options.window)
        with closing(opened) as store, closing(TemporaryFolder()) as temporary:
            async with anyio.create_task_group() as tasks:
                services = Services(SharedParts(options, http, store, tasks, temporary))
                services.machine_user.follower.start()
                try:
                    async with _announcing(store, options.on_change):
                        yield services
                finally:
                    services.close()


@asynccontextmanager
async def open_service(options: ServiceOptions) -> AsyncGenerator[Service, None]:
    """Yield the service of this machine's user; as `open_services`."""
    async with open_services(options) as services:
        yield services.machine_user


@asynccontextmanager
async def _announcing(store: Store, on_change: OnJobChange) -> AsyncGenerator[None, None]:
    """Announce what servers on other machines change, for as long as the context lasts."""

    async def announce() -> None:
        try:
            async with aclosing(store.changes()) as changes:
                async for job in changes:
                    on_change(job)
        except Exception:
            # Nothing depends on it but notifications: a client that asks is told the same.
            logger.exception("Announcing the changes by other servers broke")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(announce)
        yield
        tasks.cancel_scope.cancel()
