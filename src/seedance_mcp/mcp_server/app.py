"""The MCP server: the parts put together, and the requests that it answers."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, compose_tool_call_handler
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    ListToolsResult,
    PaginatedRequestParams,
    ServerCapabilities,
)

from seedance_mcp import __version__
from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.mcp_server.tasks.extension import listening
from seedance_mcp.mcp_server.tasks.job_tasks import video_tasks
from seedance_mcp.mcp_server.tools.tool import Tool, build_tools, is_connected
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.runcomfy.connections import Transport
from seedance_mcp.service.factory import open_service
from seedance_mcp.service.service import Service
from seedance_mcp.settings import Settings
from seedance_mcp.text import one_line

from ._completions import Completions
from ._prompts import Prompts
from ._resources import Resources

INSTRUCTIONS = (
    "Makes video clips from images with ByteDance Seedance on RunComfy. Each generate_video"
    " buys a job that costs money and takes minutes. It answers with a request_id: follow that"
    " with check_status until it is completed, then get_result. A call that timed out is resumed"
    " with check_status and not repeated; list_jobs has the request_id where it never came."
)

# What is left of the second that a server has to end, for a paid request still under way.
SUBMIT_GRACE_SECONDS = 0.4
# What then is known is written down and answered.
ANSWER_GRACE_SECONDS = 0.25
# An answer that is there still has its way through the SDK and the pipe before it.
SEND_OFF_SECONDS = 0.05


Lifespan = Callable[["SeedanceServer"], AbstractAsyncContextManager[Service]]
"""What opens a server's service and closes it again."""


class SeedanceServer(Server[Service]):
    """The SDK's server with our tools, which can also be asked to end its calls.

    Args:
        tools: What it does.
        extension: What answers some calls of them in a form of its own.
        resources: What can be read.
        prompts: What a user can pick.
        lifespan: What opens the service that the tools call, and closes it.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        extension: Extension,
        resources: Resources,
        prompts: Prompts,
        lifespan: Lifespan,
    ) -> None:
        super().__init__(
            "seedance-mcp",
            title="Seedance video",
            version=__version__,
            instructions=INSTRUCTIONS,
            lifespan=lambda _: lifespan(self),
            on_list_tools=self._list_tools,
            on_list_resources=resources.list,
            on_list_resource_templates=resources.list_templates,
            on_read_resource=resources.read,
            on_subscribe_resource=resources.subscribe,
            on_unsubscribe_resource=resources.unsubscribe,
            on_subscriptions_listen=listening(resources.announcements.listen),
            on_list_prompts=prompts.list,
            on_get_prompt=prompts.get,
            on_completion=Completions(prompts.offered).complete,
        )
        self._announcements = resources.announcements
        self._tools = {tool.listed.name: tool for tool in tools}
        self._answer = compose_tool_call_handler([extension], self._ordinary_answer)
        self.add_request_handler("tools/call", CallToolRequestParams, self._call_tool)
        for method in extension.methods():
            self.add_request_handler(method.method, method.params_type, method.handler)
        self.extensions[extension.identifier] = extension.settings()
        self._services: set[Service] = set()
        self._calls = 0
        self._idle = anyio.Event()
        self.answers_left: Callable[[], bool] | None = None
        """How the transport tells that every answer has left; None where it cannot."""

    def have_answers_left(self) -> bool:
        """Tell whether every answer has left, as far as the transport knows."""
        return self.answers_left is None or self.answers_left()

    def get_capabilities(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
        *,
        protocol_version: str | None = None,
    ) -> ServerCapabilities:
        """Say what is offered; no list changes, as the SDK would have it of whoever streams."""
        capabilities = super().get_capabilities(
            notification_options,
            experimental_capabilities,
            extensions,
            protocol_version=protocol_version,
        )
        for lists in (capabilities.tools, capabilities.prompts, capabilities.resources):
            if lists is not None:
                lists.list_changed = False
        return capabilities

    @contextmanager
    def running(self, service: Service) -> Generator[Service, None, None]:
        """Count a service as one that runs, for as long as it does."""
        self._services.add(service)
        try:
            yield service
        finally:
            self._services.discard(service)
            service.end(SUBMIT_GRACE_SECONDS)

    async def _list_tools(
        self, _: ServerRequestContext[Service], __: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool.listed for tool in self._tools.values()])

    async def _call_tool(
        self, context: ServerRequestContext[Service], params: CallToolRequestParams
    ) -> HandlerResult:
        if params.name not in self._tools:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {one_line(params.name)}")
        with self._call_under_way():
            return await self._answer(context, params)

    async def _ordinary_answer(
        self, context: ServerRequestContext[Service], params: CallToolRequestParams
    ) -> HandlerResult:
        return await self._tools[params.name].call(
            context.lifespan_context,
            params.arguments or {},
            notify=context.session.report_progress,
            connected=partial(is_connected, context.request),
        )

    @contextmanager
    def _call_under_way(self) -> Generator[None, None, None]:
        """Count a call as one whose answer the end must wait for."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()
                self._idle = anyio.Event()

    async def end_calls(self) -> None:
        """Let every waiting call answer with what it knows, and see the answers off."""
        for service in self._services:
            service.end(SUBMIT_GRACE_SECONDS)
        self._announcements.end()
        with anyio.move_on_after(SUBMIT_GRACE_SECONDS + ANSWER_GRACE_SECONDS):
            if self._calls:
                await self._idle.wait()
        await anyio.sleep(SEND_OFF_SECONDS)


def build_server(
    settings: Settings,
    *,
    transport: Transport | None = None,
    clock: Clock | None = None,
    local_files: bool = False,
) -> SeedanceServer:
    """Put a server together; nothing is opened before it runs.

    Args:
        settings: The configuration.
        transport: How HTTP requests leave; None for the network.
        clock: The time, pauses and randomness; None for the machine's.
        local_files: Whether images may be files of this machine, unless the settings say so:
            over stdio the caller is this machine's user, over HTTP nobody knows.

    Raises:
        ConfigurationError: The configured model is not one that this package knows.
    """
    model = _model(settings.model)
    clock = clock or Clock()
    tools = build_tools(model, clock, wait_seconds=settings.wait_seconds)
    tasks = video_tasks(tools, clock, kept=timedelta(days=settings.history_days))
    resources = Resources(model, clock)
    local = local_files if settings.local_files is None else settings.local_files

    @asynccontextmanager
    async def lifespan(server: SeedanceServer) -> AsyncGenerator[Service, None]:
        async with (
            resources.announcements.running() as changed,
            open_service(
                settings,
                model,
                clock,
                transport,
                answers_left=server.have_answers_left,
                changed=changed,
                local_files=local,
            ) as service,
        ):
            with server.running(service):
                yield service

    return SeedanceServer(tools, tasks, resources, Prompts(model), lifespan)


def _model(model_id: str) -> Model:
    models = load_models()
    if model_id not in models:
        raise ConfigurationError(f"SEEDANCE_MODEL must be one of: {', '.join(models)}.")
    return models[model_id]
