"""The SDK's server with our tools, resources and prompts, which can finish its calls."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, compose_tool_call_handler
from mcp.server.lowlevel.server import HandlerEntry, Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp import __version__
from seedance_mcp.errors import SeedanceError
from seedance_mcp.text import one_line

from ._arguments import parse_object
from ._asking import readable_answer
from ._client_clock import ClientClocks
from ._completions import complete
from ._lazy_service import Context, LazyService
from ._prompts import Prompts
from ._resources import Resources
from .tasks.extension import checked_listen
from .tools.tool import Caller, Tool

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

INSTRUCTIONS = (
    "Makes video clips from images with ByteDance Seedance on RunComfy. Each generate_video"
    " buys a job that costs money and takes minutes. It answers with a request_id: follow that"
    " with check_status until it is completed, then call get_result. After a time-out, resume with"
    " check_status and do not repeat the call; list_jobs finds a request_id that never arrived."
)

SUBMIT_GRACE_SECONDS = 0.4
"""How long a paid request may still take when the server ends, of the second that it has."""

ABANDONED_GRACE_SECONDS = 45.0
"""How long it may take when the client has left without a word: longer than any of them takes."""

ANSWER_GRACE_SECONDS = 0.25
"""How long writing and answering may take after that."""

SEND_SECONDS = 0.05
"""How long an answer takes through the SDK and the pipe."""

_NO_OBJECT = "The arguments must be a JSON object. Nothing was done or charged."

MCP_SESSION_ID_HEADER = "mcp-session-id"

OpenService = Callable[..., AbstractAsyncContextManager["Service"]]
"""Opens the service, given `on_change` and `follow_jobs` as in `ServiceOptions`."""


async def _parse_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Parse what some clients send in another form, which the SDK would refuse."""
    if ctx.method != "tools/call" or not ctx.params:
        return await call_next(ctx)
    params = readable_answer(ctx.params)
    given = params.get("arguments")
    if given is not None and not isinstance(given, dict):
        params["arguments"] = parse_object(given)
        if params["arguments"] is None:
            raise MCPError(types.INVALID_PARAMS, _NO_OBJECT)
    return await call_next(replace(ctx, params=params))


def _session(context: Context) -> str | None:
    """Return the session of a request: this process over stdio, None where HTTP has none."""
    if context.request is None:
        return ""
    # Only the handshake's revisions have sessions; the SDK knows that this one exists.
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    return None if modern else context.request.headers.get(MCP_SESSION_ID_HEADER)


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
        follow_jobs: Whether open jobs are followed in the background if downloads are automatic; a
            transport whose caller is this machine's user sets it.
        failure: Why the service could not be opened; the transport then ends the process.
        failed: Set with `failure`.
    """

    submit_grace_seconds = SUBMIT_GRACE_SECONDS
    saves_files = True
    follow_jobs = False
    failure: SeedanceError | None = None

    def __init__(
        self,
        tools: Sequence[Tool],
        extension: Extension,
        resources: Resources,
        prompts: Prompts,
        open_service: OpenService,
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
        self._prompts = prompts
        self._open_service = open_service
        self._tools = {tool.definition.name: tool for tool in tools}
        self._answer = compose_tool_call_handler([extension], self._ordinary_answer)
        self.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        self._register(extension)
        self.middleware.append(_parse_arguments)
        self._clocks = ClientClocks()
        self._lazy_services: set[LazyService] = set()
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
        return capabilities

    def get_request_handler(self, method: str) -> HandlerEntry[LazyService] | None:
        """Return a method's handler; the SDK would repeat the name of an unknown one in full."""
        handler = super().get_request_handler(method)
        if handler is None:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found", one_line(method))
        return handler

    async def finish_purchases(self) -> None:
        """Refuse new calls, and wait until every paid request is answered.

        No client waits for it any more, but RunComfy may still accept the job.
        """
        for lazy_service in [*self._lazy_services]:
            await lazy_service.finish_purchases(ABANDONED_GRACE_SECONDS)

    async def finish_calls(self) -> None:
        """Let every waiting call answer with what it knows, and wait until the answers are sent."""
        for lazy_service in self._lazy_services:
            lazy_service.shut_down()
        # A stream of `subscriptions/listen` would otherwise never end.
        self._subscriptions.listen.close()
        with anyio.move_on_after(self.submit_grace_seconds + ANSWER_GRACE_SECONDS):
            if self._calls:
                await self._idle.wait()
        await anyio.sleep(SEND_SECONDS)

    @asynccontextmanager
    async def _running(self, _: Server[LazyService]) -> AsyncGenerator[LazyService, None]:
        async with self._subscriptions.running() as on_change:
            # The transport has set its attributes by now; it does so before it runs the server.
            lazy_service = LazyService(
                partial(self._open_service, on_change=on_change, follow_jobs=self.follow_jobs),
                self._fail,
                submit_grace_seconds=self.submit_grace_seconds,
            )
            async with lazy_service.running():
                self._lazy_services.add(lazy_service)
                try:
                    yield lazy_service
                finally:
                    self._lazy_services.discard(lazy_service)
                    lazy_service.shut_down()

    def _fail(self, error: SeedanceError) -> None:
        self.failure = error
        self.failed.set()

    @cached_property
    def _listed_tools(self) -> list[types.Tool]:
        return [tool.listed() for tool in self._tools.values() if self._offers(tool)]

    async def _list_tools(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._listed_tools)

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
        caller = Caller.of(context, self._clocks.of(_session(context))).with_answer(params)
        return await self._tools[params.name].call(params.arguments or {}, caller)
