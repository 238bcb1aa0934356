"""`seedance-mcp uninstall`: take the server out of a client again."""

from argparse import Namespace
from collections.abc import Iterator

from seedance_mcp.clock import Clock

from ._output import print_lines
from ._table import plain
from .install.choosing import named_client, this_machine
from .install.client import Client
from .install.entry import state_folder
from .install.installer import Uninstalled
from .install.installer import uninstall as take_out
from .install.record import Records


def uninstall(options: Namespace) -> None:
    """Uninstall; it is no error if nothing is installed.

    Raises:
        SeedanceError: A file cannot be changed; none was.
    """
    machine, client = this_machine(options.environment), named_client(options.client)
    done = take_out(client, machine, Records(state_folder(options.environment)), Clock())
    print_lines(_lines(client, done))


def _lines(client: Client, done: Uninstalled) -> Iterator[str]:
    """Yield what was done."""
    if not done.files:
        yield f"{client.title} does not have seedance; nothing was changed."
        return
    for file in done.files:
        where = plain(str(file.path))
        if file.removed:
            yield f"Removed {where}, which was made for seedance."
        elif file.restored:
            yield f"Took seedance out of {where}, which has again the entry from before."
        elif file.backup:
            yield f"Took seedance out of {where}"
        else:
            yield f"Took seedance out of {where}, which is as it was before."
        if file.backup:
            yield f"  What it was is in {plain(str(file.backup))}"
        if file.original:
            yield f"  What it was before the install is in {plain(str(file.original))}"
    yield f"Next: Start {client.title} again, so that it notices."
