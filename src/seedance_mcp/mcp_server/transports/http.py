"""Serves many clients over Streamable HTTP."""

import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware

from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.mcp_server.auth.authentication import authentication, check_access
from seedance_mcp.observability.figures import Figures
from seedance_mcp.observability.logs import NOTICES
from seedance_mcp.settings import Settings

from ._bodies import MOST_BODY_BYTES, BodyLimits, WholeBodies
from ._calls import CallLimits
from ._cut_off import CutOff
from ._endpoint import Endpoint, cross_origin
from ._figures_page import FIGURES_PATH, FiguresPage
from ._health import Health
from ._http_answers import HttpAnswers
from ._older_era import OlderEra
from ._unread_bodies import UnreadBodies
from .http_options import HttpOptions, url_host
from .listening import listen
from .shutdown import until_signal
from .web_server import web_server

SUBMIT_GRACE_SECONDS = 7.0
"""How long a paid request may still take when the server ends, of the ten seconds that it has."""


async def serve_http(server: SeedanceServer, options: HttpOptions, settings: Settings) -> None:
    """Serve many clients over Streamable HTTP. The URL goes to stderr.

    Raises:
        ConfigurationError: Others could call without a token, the port is taken, there is no key
            of the sessions, or the service cannot be opened.
    """
    check_access(settings, [options.host, *options.allowed_hosts])
    server.submit_grace_seconds = SUBMIT_GRACE_SECONDS
    await server.read_state_key()
    listening = listen(options.host, options.port)
    async with _figures_served(server, options):
        await _serve(server, listening, options, settings)
    if server.failure:
        raise server.failure


async def _serve(
    server: SeedanceServer, listening: socket.socket, options: HttpOptions, settings: Settings
) -> None:
    stopping, ended = anyio.Event(), anyio.Event()
    http = web_server(http_app(server, options, settings, is_stopping=stopping.is_set))
    _say("Serving on http://%s:%d%s", options.host_name, listening, options.path)

    async def serve() -> None:
        await http.serve([listening])
        ended.set()

    async def finish() -> None:
        stopping.set()
        await server.finish_calls()
        http.should_exit = True
        # Until then the signals are received: another one would end the process in between.
        await ended.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        async with until_signal(server, finish):
            await anyio.sleep_forever()


@asynccontextmanager
async def _figures_served(
    server: SeedanceServer, options: HttpOptions
) -> AsyncGenerator[None, None]:
    """Serve the figures in the meantime, if that is wanted."""
    if options.metrics_port is None:
        yield
        return
    server.observer = figures = Figures()
    listening = listen(options.metrics_host, options.metrics_port)
    http = web_server(FiguresPage(figures, server.services.ledger_figures), lifespan="off")
    _say("Figures on http://%s:%d%s", url_host(options.metrics_host), listening, FIGURES_PATH)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(http.serve, [listening])
        yield
        http.should_exit = True


def _say(notice: str, host: str, listening: socket.socket, path: str) -> None:
    logging.getLogger(NOTICES).info(notice, host, listening.getsockname()[1], path)


def http_app(
    server: SeedanceServer,
    options: HttpOptions,
    settings: Settings,
    *,
    is_stopping: Callable[[], bool] = bool,
) -> Starlette:
    """Return the server as an ASGI application, in layers that a request passes one by one.

    New calls are refused once `is_stopping` returns true.
    """
    server.saves_files = False
    server.keeps_connections = False
    app = server.streamable_http_app(
        streamable_http_path=options.path,
        max_request_body_size=MOST_BODY_BYTES,
        # `Endpoint` checks Host and Origin.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    for layer in reversed(_layers(server, options, settings, is_stopping)):
        app.add_middleware(layer.cls, *layer.args, **layer.kwargs)
    return app


def _layers(
    server: SeedanceServer,
    options: HttpOptions,
    settings: Settings,
    is_stopping: Callable[[], bool],
) -> list[Middleware]:
    """Return what a request passes before it reaches the SDK, the outermost layer first."""
    return [
        Middleware(CutOff),
        Middleware(UnreadBodies),
        Middleware(Health, server.services.check_ledger, is_stopping),
        *cross_origin(options),
        Middleware(Endpoint, options),
        Middleware(BodyLimits),
        *authentication(server, settings, path=options.path),
        Middleware(
            CallLimits,
            is_stopping=is_stopping,
            calls_a_minute=settings.max_calls_per_minute_per_caller,
            limits_machine_user="max_calls_per_minute_per_caller" in settings.model_fields_set,
        ),
        Middleware(WholeBodies),
        Middleware(HttpAnswers),
        Middleware(OlderEra, server, options.path),
    ]
