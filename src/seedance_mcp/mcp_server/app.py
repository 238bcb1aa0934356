"""Puts the MCP server together from the settings."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from anyio import to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.settings import Settings

from ._lazy_service import LazyService
from ._prompts import Prompts
from ._resources import Resources
from ._server import SeedanceServer
from .tasks.job_tasks import job_tasks
from .tools.cancel_job import cancel_job
from .tools.check_status import check_status
from .tools.generate_video import generate_video
from .tools.get_result import get_result
from .tools.list_jobs import list_jobs
from .tools.tool import Tool

if TYPE_CHECKING:
    from types import ModuleType

    from seedance_mcp.runcomfy.connections import Transport
    from seedance_mcp.service.service import Service


def build_server(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    clock: Clock | None = None,
    local_files: bool = False,
    models: Mapping[str, Model] | None = None,
) -> SeedanceServer:
    """Return a server; nothing is opened before it runs.

    Args:
        settings: The configuration.
        transport: How HTTP requests leave; None for the network.
        clock: The time, pauses and jitter; None for this machine's.
        local_files: Whether images may be files of this machine if the settings do not say so:
            over stdio the caller is this machine's user, over HTTP it may be anyone.
        models: The models by id; by default the bundled ones.

    Raises:
        ConfigurationError: The configured model is unknown.
    """
    clock = clock or Clock()
    model = _model(settings.model, models or load_models())
    tools = build_tools(model, clock, wait_seconds=settings.wait_seconds)
    tasks = job_tasks(tools[0], clock, kept=timedelta(days=settings.history_days))
    resources = Resources(model, clock)
    local = local_files if settings.local_files is None else settings.local_files

    @asynccontextmanager
    async def lifespan(server: SeedanceServer) -> AsyncGenerator[LazyService, None]:
        @asynccontextmanager
        async def open_service() -> AsyncGenerator["Service", None]:
            factory = await to_thread.run_sync(_import_factory)
            options = factory.ServiceOptions(
                settings=settings,
                model=model,
                clock=clock,
                transport=transport,
                local_files=local,
                answers_left=server.have_answers_left,
                on_change=on_change,
            )
            async with factory.open_service(options) as service:
                yield service

        opener = LazyService(open_service)
        async with resources.subscriptions.running() as on_change, opener.running():
            with server.serving(opener):
                yield opener

    return SeedanceServer(tools, tasks, resources, Prompts(model), lifespan)


def _import_factory() -> "ModuleType":
    """Import the service, which takes longer than everything else that a start needs."""
    from seedance_mcp.service import factory

    return factory


def build_tools(model: Model, clock: Clock, *, wait_seconds: int) -> list[Tool]:
    """Return the tools, `generate_video` first.

    Args:
        model: The model that makes the clips.
        clock: The time, and pauses between progress notifications.
        wait_seconds: How long a call waits by default.
    """
    return [
        generate_video(model, wait_seconds=wait_seconds, clock=clock),
        check_status(wait_seconds=wait_seconds, clock=clock),
        get_result(clock=clock),
        cancel_job(clock=clock),
        list_jobs(clock=clock),
    ]


def _model(model_id: str, models: Mapping[str, Model]) -> Model:
    if model_id not in models:
        raise ConfigurationError(f"SEEDANCE_MODEL must be one of: {', '.join(models)}.")
    return models[model_id]
