"""`seedance-mcp gallery`: every clip that was made, in a browser on this machine.

Only the ledger is read. The page is behind a key that is made at each start.
"""

import logging
import os
import secrets
import signal
import socket
import sys
from argparse import Namespace
from functools import partial

import anyio
import anyio.to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.transports.listening import listen
from seedance_mcp.observability.logs import NOTICES, configure_logging
from seedance_mcp.service.gallery import GalleryQuery
from seedance_mcp.service.gallery_reader import GalleryReader
from seedance_mcp.settings import Settings, load_settings

from ._output import print_lines
from .gallery.access import HOSTS, Access
from .gallery.app import GalleryApp
from .gallery.browser import file_that_leads_to, open_file
from .main import INTERRUPTED

KEY_BYTES = 32

BROWSER_SECONDS = 60.0
"""How long a browser has to open the file that leads to the page."""


def gallery(options: Namespace) -> None:
    """Serve the gallery until a signal arrives; this ends the process.

    Raises:
        SeedanceError: The port is taken, or the ledger cannot be read.
    """
    settings = load_settings(options.environment)
    listening = listen(HOSTS[0], options.port)
    key = secrets.token_urlsafe(KEY_BYTES)
    access = Access(port=listening.getsockname()[1], key=key)
    hidden = [*settings.secrets, key]
    configure_logging(
        sys.stderr, level=settings.log_level, form=settings.log_format, secrets=hidden
    )
    print_lines([access.url])
    run = partial(_serve, settings, listening, access, opens_browser=not options.no_browser)
    try:
        code = anyio.run(run)
    except KeyboardInterrupt:
        code = INTERRUPTED
    # A thread that waits for a database or a disk would keep the process.
    os._exit(code)


async def _serve(
    settings: Settings, listening: socket.socket, access: Access, *, opens_browser: bool
) -> int:
    """Serve the gallery, and return the exit code once a signal has arrived."""
    # They take longer to import than the person takes to see the URL.
    from seedance_mcp.mcp_server.apps.pages import clip_origins, read_page
    from seedance_mcp.mcp_server.transports.web_server import web_server

    reader = GalleryReader(settings, Clock())
    first = await reader.page(GalleryQuery())
    if first["total"]:
        said = "Every clip in the ledger, for whoever has this URL."
    else:
        said = "There are no jobs in the ledger yet, so the page is empty."
    print_lines([f"{said} Ctrl-C ends it."])
    app = GalleryApp(access, read_page("gallery", clip_origins(settings.base_url)), reader)
    http = web_server(app, lifespan="off")
    code = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(http.serve, [listening])
        if opens_browser:
            tasks.start_soon(_open_browser, access.url, app)
        code = await _signal_code()
        tasks.cancel_scope.cancel()
    return code


async def _signal_code() -> int:
    """Wait for Ctrl-C, SIGTERM or the end of the terminal, and return the exit code."""
    if sys.platform == "win32":
        # Ctrl-C raises KeyboardInterrupt there.
        await anyio.sleep_forever()
    code, ends = 0, [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        ends.append(signal.SIGHUP)
    with anyio.open_signal_receiver(*ends) as signals:
        async for number in signals:
            code = INTERRUPTED if number == signal.SIGINT else 0
            break
    return code


async def _open_browser(url: str, app: GalleryApp) -> None:
    with file_that_leads_to(url) as file, anyio.move_on_after(BROWSER_SECONDS):
        if await anyio.to_thread.run_sync(open_file, file, abandon_on_cancel=True):
            await app.seen.wait()
        else:
            no_browser = "No browser could be opened: open the URL yourself."
            logging.getLogger(NOTICES).info(no_browser)
