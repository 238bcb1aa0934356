"""Graceful shutdown: SIGINT and SIGTERM let every waiting call answer first."""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn, cast

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from seedance_mcp.errors import SeedanceError
from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.observability.logs import NOTICES
from seedance_mcp.observability.tracing import flush_spans

logger = logging.getLogger(__name__)


def end_process(error: BaseException | None) -> NoReturn:
    """Exit at once, with code 0, or with code 1 after reporting an error to stderr.

    The SDK reads stdin in a thread that would keep the process alive until the client hangs up,
    and an ordinary exit would flush what a library printed into the client's pipe. Whatever must
    be closed has been closed by the server's lifespan.
    """
    if error is not None:
        cause = error
        while isinstance(cause, BaseExceptionGroup):
            # Task groups wrap errors, group in group; the first one is the reason.
            cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
        if isinstance(cause, SeedanceError):
            logging.getLogger(NOTICES).critical("seedance-mcp: %s", cause.message)
        else:
            logger.critical("The server broke", exc_info=error)
    flush_spans()
    sys.stderr.flush()
    os._exit(0 if error is None else 1)


@asynccontextmanager
async def until_signal(
    server: SeedanceServer, finish: Callable[[], Awaitable[None]] | None = None
) -> AsyncGenerator[anyio.CancelScope, None]:
    """Cancel what runs inside, after its waiting calls have answered.

    That is at SIGINT or SIGTERM, or when the server's service could not be opened. `finish` is what
    comes before the end, by default the calls' answers; further signals change nothing.
    """
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await (finish or server.finish_calls)()
            scope.cancel()

        async def cancel_at_failure() -> None:
            await server.failed.wait()
            await cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_at_failure)
            # On Windows there are no such signals; clients close stdin or kill the process.
            if sys.platform != "win32":
                await tasks.start(_at_each_signal, cancel)
            yield scope
            tasks.cancel_scope.cancel()


async def _at_each_signal(
    act: Callable[[], Awaitable[None]], *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
) -> None:
    """Act at SIGINT and SIGTERM; the task has started once both are received."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            await act()
