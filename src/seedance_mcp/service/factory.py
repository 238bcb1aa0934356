"""Opening what a service needs, and closing it again: the connections and the ledger."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.outputs.download import Downloader
from seedance_mcp.outputs.job_locks import JobLocks
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.connections import Connections, Transport, open_connections
from seedance_mcp.runcomfy.http import RunComfyHttp
from seedance_mcp.runcomfy.throttle import Throttle
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import SpendingLimits

from .reports import Limits, Listener
from .service import Service


@asynccontextmanager
async def open_service(  # noqa: PLR0913 - what build_server was given
    settings: Settings,
    model: Model,
    clock: Clock,
    transport: Transport | None,
    *,
    answers_left: Callable[[], bool],
    changed: Listener,
    local_files: bool,
) -> AsyncGenerator[Service, None]:
    """Open the connections and the ledger, and end paid requests in order when all is over.

    Args:
        settings: The configuration.
        model: The model that is bought from.
        clock: Clock, sleep and randomness.
        transport: How HTTP requests leave; None for the network.
        answers_left: Tells whether every answer so far has left for the client.
        changed: Who is told of every change of a job that is seen here.
        local_files: Whether images may be files of this machine.

    Raises:
        ConfigurationError: The environment's proxy or certificates cannot be used.
    """
    token = settings.token.get_secret_value() if settings.token else None
    history = timedelta(days=settings.history_days)
    async with (
        open_connections(settings.base_url, transport) as connections,
        _closing(SqliteStore(settings.state_dir, clock, history=history)) as store,
        anyio.create_task_group() as tasks,
    ):
        yield Service(
            client=_client(settings, connections, token, clock),
            store=store,
            model=model,
            token=token,
            limits=_limits(settings),
            tasks=tasks,
            clock=clock,
            answers_left=answers_left,
            gate=Preflight(
                model,
                check=settings.check_images,
                allow_private=settings.allow_private_urls,
                local_files=local_files,
            ),
            downloads=_downloads(settings, transport, clock),
            claims=JobLocks(settings.state_dir / "saving"),
            changed=changed,
        )


def _client(
    settings: Settings, connections: Connections, token: str | None, clock: Clock
) -> RunComfyClient:
    exchange = RunComfyHttp(
        connections,
        base_url=settings.base_url,
        token=token,
        clock=clock,
        throttle=Throttle(clock.sleep),
    )
    return RunComfyClient(exchange)


def _downloads(settings: Settings, transport: Transport | None, clock: Clock) -> Downloader:
    return Downloader(
        settings.output_dir,
        base_url=settings.base_url,
        transport=transport,
        clock=clock,
    )


def _limits(settings: Settings) -> Limits:
    allowance = SpendingLimits(
        jobs_per_hour=settings.max_jobs_per_hour, usd_per_day=settings.max_cost_usd_per_day
    )
    return Limits(allowance=allowance, auto_download=settings.auto_download)


@asynccontextmanager
async def _closing(store: Store) -> AsyncGenerator[Store, None]:
    try:
        yield store
    finally:
        store.close()
