"""Graceful shutdown: SIGINT and SIGTERM let every waiting call answer first."""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn, cast

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.mcp_server._server import SeedanceServer

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
            sys.stderr.write(f"seedance-mcp: {cause.message}\n")
        else:
            logger.critical("The server broke", exc_info=error)
    sys.stderr.flush()
    os._exit(0 if error is None else 1)


@asynccontextmanager
async def until_signal(server: SeedanceServer) -> AsyncGenerator[anyio.CancelScope, None]:
    """Cancel what runs inside, after its waiting calls have answered.

    That is at SIGINT or SIGTERM, or when the server's service could not be opened.
    """
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await server.finish_calls()
            scope.cancel()

        async def cancel_at_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                ready.set()
                async for _ in signals:
                    await cancel()

        async def cancel_at_failure() -> None:
            await server.failed.wait()
            await cancel()

        ready = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_at_failure)
            # On Windows there are no such signals; clients close stdin or kill the process.
            if sys.platform != "win32":
                tasks.start_soon(cancel_at_signal)
                await ready.wait()
            yield scope
            tasks.cancel_scope.cancel()
