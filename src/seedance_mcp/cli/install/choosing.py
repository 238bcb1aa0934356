"""The clients by name, and which of them are on this machine."""

import shutil
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from seedance_mcp.cli._table import plain, table
from seedance_mcp.errors import SeedanceError
from seedance_mcp.text import quoted

from .client import Client
from .installer import read_back
from .machine import Machine, System
from .registry import CLIENTS

HEAD = ("CLIENT", "NAME", "FOUND", "SEEDANCE", "FILE")
FILE = 4


def this_machine(environment: Mapping[str, str]) -> Machine:
    """Return the machine that this process runs on.

    Raises:
        SeedanceError: The user's home folder is unknown.
    """
    systems: dict[str, System] = {"darwin": "darwin", "win32": "win32"}
    system = systems.get(sys.platform, "linux")
    variable = "USERPROFILE" if system == "win32" else "HOME"
    home = environment.get(variable, "").strip()
    if not Path(home).is_absolute():
        raise SeedanceError(f"The user's home folder is unknown, as {variable} is not set.")
    return Machine(system=system, home=Path(home), environment=environment)


def named_client(name: str | None) -> Client:
    """Return a client.

    Raises:
        SeedanceError: There is none of that name; the message has the nearest.
    """
    valid = f"Valid names: {', '.join(CLIENTS)}."
    if name is None:
        raise SeedanceError(f"Name a client, or list them with --list. {valid}")
    if client := CLIENTS.get(name):
        return client
    near = get_close_matches(name.lower(), CLIENTS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise SeedanceError(f"Unknown client {quoted(name)}.{hint} {valid}")


def list_clients(machine: Machine) -> list[str]:
    """Return a table of the clients."""
    rows = [_row(client, machine) for client in CLIENTS.values()]
    # A program that reads it gets whole paths.
    columns = shutil.get_terminal_size(fallback=(200, 24)).columns
    return table(HEAD, rows, columns=columns, flexible=FILE)


def _row(client: Client, machine: Machine) -> list[str]:
    try:
        entries = read_back(client, machine)
        there = "yes" if any(entry is not None for entry in entries.values()) else "no"
    except SeedanceError:
        entries, there = {}, "unreadable"
    file = next(iter([*entries, *client.files(machine)]))
    if file.is_relative_to(machine.home):
        file = "~" / file.relative_to(machine.home)
    found = "yes" if client.found(machine) else "no"
    return [client.id, client.title, found, there, plain(str(file))]
