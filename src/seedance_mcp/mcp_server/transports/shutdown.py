"""How serving ends: at SIGINT and SIGTERM, with every waiting call answered first."""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn, cast

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.mcp_server.app import SeedanceServer

logger = logging.getLogger(__name__)


def end_process(error: BaseException | None) -> NoReturn:
    """End the process at once, with exit code 0 or, after saying what broke, with 1.

    The SDK reads stdin in a thread that would keep the process alive until the client hangs up,
    and the interpreter's farewell would flush what a library printed into the client's pipe. All
    that must be closed has been, by the server's lifespan.
    """
    if error is not None:
        cause = _innermost(error)
        if isinstance(cause, SeedanceError):
            print(f"seedance-mcp: {cause.message}", file=sys.stderr)  # noqa: T201
        else:
            logger.critical("The server broke", exc_info=error)
    sys.stderr.flush()
    os._exit(0 if error is None else 1)


def _innermost(error: BaseException) -> BaseException:
    """Give the first error out of the groups that task groups wrap around it."""
    if isinstance(error, BaseExceptionGroup):
        return _innermost(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    return error


@asynccontextmanager
async def until_signal(server: SeedanceServer) -> AsyncGenerator[anyio.CancelScope, None]:
    """Cancel what runs inside when SIGINT or SIGTERM comes, its waiting calls answered first."""
    with anyio.CancelScope() as scope:
        if sys.platform == "win32":
            # There are no such signals to wait for; clients close stdin or end the process.
            yield scope
            return

        async def cancel_at_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                ready.set()
                async for _ in signals:
                    await server.end_calls()
                    scope.cancel()

        ready = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_at_signal)
            await ready.wait()
            yield scope
            tasks.cancel_scope.cancel()
