"""`seedance-mcp simulate`: run the simulator of RunComfy on its own."""

import os
from argparse import Namespace
from functools import partial

import anyio

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.simulator.server import Simulator, serve

from ._output import print_lines


def simulate(options: Namespace) -> None:
    """Run the simulator until the process is interrupted.

    Raises:
        ConfigurationError: The port is taken or forbidden, or PyAV is not installed.
    """
    run = partial(
        serve,
        port=options.port,
        workers=options.workers,
        run_seconds=options.run_seconds,
        token=options.token,
        announce=_announce,
    )
    try:
        anyio.run(run)
    except OSError as error:
        # `strerror` of the exception repeats the address; the errno's does not.
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigurationError(f"Cannot listen on port {options.port}: {reason}.") from None


def _announce(simulator: Simulator) -> None:
    """Print the variables that point a server at the simulator."""
    print_lines(
        [
            f"Simulating RunComfy's Model API, for this machine only: {simulator.url}",
            "Clips are drawn here and nothing is charged. To point a server at it:",
            f"  export RUNCOMFY_API_BASE_URL={simulator.url}",
            f"  export RUNCOMFY_API_TOKEN={simulator.token}",
            "  export SEEDANCE_ALLOW_PRIVATE_URLS=true",
        ]
    )
