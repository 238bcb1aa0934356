"""`seedance-mcp join`: several clips joined to one file."""

import sys
import time
from argparse import Namespace

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import InputError
from seedance_mcp.service.reports import LEAST_CLIPS, MOST_CLIPS
from seedance_mcp.settings import load_settings

from ._output import print_lines
from ._progress_bar import ProgressBar


def join(options: Namespace) -> None:
    """Join the clips of jobs to a new file.

    Raises:
        SeedanceError: The ledger, a setting or a job cannot be used, or the file not be written.
    """
    if not LEAST_CLIPS <= len(options.ids) <= MOST_CLIPS:
        raise InputError(
            "ID", f"join takes {LEAST_CLIPS} to {MOST_CLIPS} ids; got {len(options.ids)}."
        )
    anyio.run(_join, options)


async def _join(options: Namespace) -> None:
    # Slow to import; wrong arguments are answered sooner without it.
    from seedance_mcp.service.retrieval import join_jobs

    bar = ProgressBar(sys.stderr, time.monotonic)
    try:
        settings = load_settings(options.environment)
        path = await join_jobs(settings, Clock(), options.ids, options.output, bar)
    finally:
        bar.close()
    print_lines([str(path)])
