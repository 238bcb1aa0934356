"""The SDK's server with our tools, resources and prompts, which can finish its calls."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server.context import HandlerResult
from mcp.server.extension import Extension, compose_tool_call_handler
from mcp.server.lowlevel.server import HandlerEntry, Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp import __version__
from seedance_mcp.errors import SeedanceError
from seedance_mcp.observability.observer import Observer
from seedance_mcp.service.principals import MACHINE_USER
from seedance_mcp.text import one_line

from ._caller import Caller
from ._client_clock import ClientClocks
from ._completions import complete
from ._lazy_service import Context, LazyService, principal_of, session_of
from ._middleware import ObservedCalls, keep_service, parse_arguments, with_call_id
from ._prompts import Prompts
from ._resources import Resources
from ._running_services import RunningServices
from .tasks.extension import checked_listen
from .tools.tool import Tool

if TYPE_CHECKING:
    from seedance_mcp.service.services import Services

INSTRUCTIONS = (
    "Makes video clips from images with ByteDance Seedance on RunComfy. Each generate_video"
    " buys a job that costs money and takes minutes. It answers with a request_id: unless a player"
    " in the chat follows that, do so with check_status until it is completed; then call"
    " get_result. After a time-out, resume with check_status and do not repeat the call; list_jobs"
    " finds a request_id that never arrived."
)

SUBMIT_GRACE_SECONDS = 0.4
"""How long a paid request may still take when the server ends, of the second that it has."""

ANSWER_GRACE_SECONDS = 0.25
"""How long writing and answering may take after that."""

SEND_SECONDS = 0.05
"""How long an answer takes through the SDK and the pipe."""

HTTP_WINDOW = "http"
"""Who acknowledges jobs over HTTP, where the calls of a client may reach any of the servers."""

_SUBSCRIBING = {"resources/subscribe", "resources/unsubscribe"}
"""The older era's methods; the newer one subscribes with `subscriptions/listen`."""

OpenServices = Callable[..., AbstractAsyncContextManager["Services"]]
"""Opens the services, given what a transport decides, by its names in `ServiceOptions`."""

ReadKey = Callable[[], Awaitable[bytes]]
"""Returns the key of what clients bring back; raises `ConfigurationError` if it cannot be used."""


def _handlers(resources: Resources, prompts: Prompts) -> dict[str, Any]:
    """Return what answers requests about resources and prompts, by the SDK's names for it."""
    return {
        "on_list_resources": resources.list,
        "on_list_resource_templates": resources.list_templates,
        "on_read_resource": resources.read,
        "on_subscribe_resource": resources.subscribe,
        "on_unsubscribe_resource": resources.unsubscribe,
        "on_subscriptions_listen": partial(checked_listen, resources.subscriptions.listen),
        "on_list_prompts": prompts.list,
        "on_completion": partial(complete, prompts.offered),
    }


class SeedanceServer(Server[LazyService]):
    """The SDK's server with our tools, which can also be asked to finish its calls.

    The extension answers some calls of the tools in its own form.

    Attributes:
        submit_grace_seconds: How long a paid request may still take at the end; a transport that
            has time sets it.
        saves_files: Whether its callers have the output folder; over HTTP they may be anyone.
        observer: Is told what happens; a transport sets another one.
        follow_jobs: Whether open jobs are followed in the background if downloads are automatic; a
            transport whose caller is this machine's user sets it.
        keeps_connections: Whether a client of the older era can be sent what it has not asked for;
            over HTTP it cannot, so that it is offered no subscriptions there.
        read_state_key: Returns the key of what clients are given to bring back; set with the rest.
        services: Those that run.
        failure: Why the service could not be opened; the transport then ends the process.
        failed: Set with `failure`.
        buying: The names of the tools that may cost money.
    """

    submit_grace_seconds = SUBMIT_GRACE_SECONDS
    saves_files = True
    follow_jobs = False
    keeps_connections = True
    read_state_key: ReadKey
    failure: SeedanceError | None = None

    def __init__(
        self,
        tools: Sequence[Tool],
        extension: Extension,
        resources: Resources,
        prompts: Prompts,
        open_services: OpenServices,
    ) -> None:
        super().__init__(
            "seedance-mcp",
            title="Seedance video",
            version=__version__,
            instructions=INSTRUCTIONS,
            lifespan=self._running,
            on_list_tools=self._list_tools,
            on_get_prompt=self._get_prompt,
            **_handlers(resources, prompts),
        )
        self._subscriptions = resources.subscriptions
        self._pages = resources.pages
        self._prompts = prompts
        self._open_services = open_services
        self._tools = {tool.definition.name: tool for tool in tools}
        self.buying = frozenset(name for name, tool in self._tools.items() if tool.buys)
        self._answer = compose_tool_call_handler([extension], self._ordinary_answer)
        self.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        self._register(extension)
        self.observer = Observer()
        observed = ObservedCalls(self, self._tools.keys())
        ours = [keep_service, observed, parse_arguments]
        self.middleware[:] = [with_call_id, *self.middleware, *ours]
        self._clocks = ClientClocks()
        self.services = RunningServices()
        self._calls = 0
        self._idle = anyio.Event()
        self.failed = anyio.Event()

    def _register(self, extension: Extension) -> None:
        """Take over an extension's methods, as only the SDK's high-level server does by itself."""
        for method in extension.methods():
            self.add_request_handler(method.method, method.params_type, method.handler)
        self.extensions[extension.identifier] = extension.settings()

    def get_capabilities(self, *args: Any, **kwargs: Any) -> types.ServerCapabilities:
        """Return the capabilities; unlike the SDK's, without lists that change."""
        capabilities = super().get_capabilities(*args, **kwargs)
        for lists in (capabilities.tools, capabilities.prompts, capabilities.resources):
            if lists is not None:
                lists.list_changed = False
        newer = kwargs.get("protocol_version") in MODERN_PROTOCOL_VERSIONS
        if capabilities.resources and not (self.keeps_connections or newer):
            capabilities.resources.subscribe = False
        return capabilities

    def get_request_handler(self, method: str) -> HandlerEntry[LazyService] | None:
        """Return a method's handler; the SDK would repeat the name of an unknown one in full."""
        handler = super().get_request_handler(method)
        if handler is None or (method in _SUBSCRIBING and not self.keeps_connections):
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found", one_line(method))
        return handler

    async def finish_calls(self) -> None:
        """Let every waiting call answer with what it knows, and wait until the answers are sent."""
        self.services.shut_down()
        # A stream of `subscriptions/listen` would otherwise never end.
        self._subscriptions.close()
        with anyio.move_on_after(self.submit_grace_seconds + ANSWER_GRACE_SECONDS):
            if self._calls:
                await self._idle.wait()
        await anyio.sleep(SEND_SECONDS)

    @asynccontextmanager
    async def _running(self, _: Server[LazyService]) -> AsyncGenerator[LazyService, None]:
        async with self._subscriptions.running() as on_change:
            # The transport has set its attributes by now; it does so before it runs the server.
            lazy_service = LazyService(
                partial(
                    self._open_services,
                    on_change=on_change,
                    follow_jobs=self.follow_jobs,
                    saves_files=self.saves_files,
                    window=None if self.keeps_connections else HTTP_WINDOW,
                    observer=self.observer,
                ),
                self._fail,
                submit_grace_seconds=self.submit_grace_seconds,
            )
            async with self.services.run(lazy_service):
                yield lazy_service

    def _fail(self, error: SeedanceError) -> None:
        self.failure = error
        self.failed.set()

    @cached_property
    def _listed_tools(self) -> list[types.Tool]:
        return self._listed(paths=True)

    @cached_property
    def _listed_elsewhere(self) -> list[types.Tool]:
        return self._listed(paths=False)

    def _listed(self, *, paths: bool) -> list[types.Tool]:
        listed = partial(Tool.listed, pages=self._pages, saves_files=self.saves_files, paths=paths)
        return [listed(tool) for tool in filter(self._offers, self._tools.values())]

    async def _list_tools(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        here = principal_of(context) == MACHINE_USER
        return types.ListToolsResult(tools=self._listed_tools if here else self._listed_elsewhere)

    async def _get_prompt(
        self, _: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        return self._prompts.get(params, joins=self.saves_files)

    def _offers(self, tool: Tool) -> bool:
        return self.saves_files or not tool.makes_files

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> HandlerResult:
        tool = self._tools.get(params.name)
        if tool is None or not self._offers(tool):
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {one_line(params.name)}")
        self._calls += 1
        try:
            return await self._answer(context, params)
        finally:
            self._calls -= 1
            if not self._calls:
                # An event cannot be cleared, and more calls may come before the server ends.
                self._idle.set()
                self._idle = anyio.Event()

    async def _ordinary_answer(
        self, context: Context, params: types.CallToolRequestParams
    ) -> HandlerResult:
        session, shared = session_of(context)
        clock = self._clocks.of(session, shared=shared)
        caller = Caller.of(context, clock).with_answer(params)
        return await self._tools[params.name].call(params.arguments or {}, caller)
