"""Puts the MCP server together from the settings."""

import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.settings import Settings

from ._prompts import Prompts
from ._resources import Resources
from ._server import SeedanceServer
from .apps.declared import APPS
from .apps.page_resources import Pages
from .tasks.job_tasks import job_tasks
from .tools.cancel_job import cancel_job
from .tools.check_status import check_status
from .tools.generate_video import generate_video, generate_with_further
from .tools.get_result import get_result
from .tools.join_clips import join_clips
from .tools.list_jobs import list_jobs
from .tools.tool import Tool

if TYPE_CHECKING:
    from seedance_mcp.runcomfy.connections import Transport
    from seedance_mcp.service.services import Services

logger = logging.getLogger(__name__)

_NO_SHARED_KEY = (
    "SEEDANCE_DATABASE_URL needs SEEDANCE_STATE_KEY over HTTP, the same at every server: a secret"
    " of 32 bytes or more, such as what `openssl rand -hex 32` prints."
)


def build_server(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    clock: Clock | None = None,
    local_files: bool = False,
    models: Mapping[str, Model] | None = None,
) -> SeedanceServer:
    """Return the server; nothing is opened before it runs.

    By default requests go over the network, time is this machine's, and the models are the bundled
    and the added ones. `local_files` is what holds if the settings do not say so: over stdio the
    caller is this machine's user, over HTTP it may be anyone.

    Raises:
        ConfigurationError: A configured model is unknown.
    """
    clock, known = clock or Clock(), models or _known_models(settings)
    chosen = choose_models(settings.model, known)
    local = local_files if settings.local_files is None else settings.local_files
    options = {"settings": settings, "clock": clock, "transport": transport, "local_files": local}
    open_services = partial(_open_services, **options, models=chosen, known=known)
    tools = build_tools(
        chosen,
        wait_seconds=settings.wait_seconds,
        attachments=settings.attachments,
        local_files=local,
    )
    if settings.portable_schemas:
        tools = [replace(tool, portable=True) for tool in tools]
    if settings.ask_above_usd == 0:
        tools[: len(chosen)] = [tool.asking_each_time() for tool in tools[: len(chosen)]]
    # Those that buy clips come first, one a model.
    buying = {pair[0].definition.name: pair for pair in zip(tools, chosen, strict=False)}
    tasks = job_tasks(buying, clock, kept=timedelta(days=settings.history_days))
    prompts = Prompts({name: model for name, (_, model) in buying.items()})
    resources = Resources(chosen, Pages(settings.base_url))
    server = SeedanceServer(tools, tasks, resources, prompts, open_services)
    server.extensions[APPS] = {}
    server.read_state_key = partial(_read_state_key, settings)
    return server


async def _read_state_key(settings: Settings) -> bytes:
    from seedance_mcp.service.state_key import StateKey

    if settings.database_url and not settings.state_key:
        raise ConfigurationError(_NO_SHARED_KEY)
    given, consequence = settings.plain_state_key, "Clients cannot be served over HTTP"
    return await StateKey(settings.state_dir, given, consequence).read_or_make()


def _known_models(settings: Settings) -> dict[str, Model]:
    """Return the bundled models and those that the user has added."""
    if not (settings.state_dir / "models").is_dir():
        return load_models()
    # Few have any, and reading them takes imports that a start does not need.
    from seedance_mcp.service.added_models import load_known_models

    known, problems = load_known_models(settings.state_dir)
    for problem in problems:
        logger.warning("The file of an added model, %s", problem)
    return known


@asynccontextmanager
async def _open_services(**options: Any) -> AsyncGenerator["Services", None]:
    # These imports take longer than everything else that a start needs, so a thread does them.
    # A server that ends meanwhile does not wait for it.
    await to_thread.run_sync(import_module, "seedance_mcp.service.factory", abandon_on_cancel=True)
    from seedance_mcp.service.factory import ServiceOptions, open_services

    async with open_services(ServiceOptions(**options)) as services:
        if options["settings"].token is not None:
            services.machine_user.catalogue.start()
        yield services


def build_tools(
    models: Sequence[Model],
    *,
    wait_seconds: int,
    attachments: Collection[str] = (),
    local_files: bool = False,
) -> list[Tool]:
    """Return the tools: first those that buy clips, one a model, in the models' order.

    Args:
        models: What clips are made with.
        wait_seconds: How long a call waits by default.
        attachments: What may follow the text of a result: "preview", "link" or both.
        local_files: Whether images may be files of this machine.
    """
    first, *further = models
    takes_images = any(file.kind == "image" for model in models for file in model.files())
    return [
        generate_video(first, wait_seconds=wait_seconds, local_files=local_files),
        *generate_with_further(further, wait_seconds=wait_seconds, local_files=local_files),
        check_status(wait_seconds=wait_seconds),
        get_result(attachments=attachments, takes_images=takes_images),
        cancel_job(),
        list_jobs(),
        join_clips(attachments=attachments),
    ]
