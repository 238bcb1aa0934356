"""`seedance-mcp install`: put the server into a client, or print what would be put there."""

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from getpass import getpass
from pathlib import Path

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.service.doctor.examination import NOT_KNOWN, examine
from seedance_mcp.service.doctor.finding import Finding

from ._doctor import as_text
from ._output import print_lines
from ._setting_flags import SETTING_FLAGS
from ._table import plain
from .install.choosing import list_clients, named_client, this_machine
from .install.client import Client, Server
from .install.edits import Json
from .install.entry import check_settings, entry_environment, make_server, snippet, state_folder
from .install.installer import ChangedFile, Installed, read_back
from .install.installer import install as put_in
from .install.launcher import command_of, read_start
from .install.machine import Machine
from .install.record import Records
from .install.token import Ask, TokenSource, find_token, printed_token

CHECK_SECONDS = 3.0
"""How long the checks after an install may take."""

_OF_THE_TOKEN = {"token", "authentication", "balance", "model", "price"}
"""The checks that need a token, which only the client may know."""


def install(options: Namespace) -> None:
    """Install, list or print; the checks after an install never change the exit code.

    Raises:
        SeedanceError: It cannot be installed; nothing was changed.
    """
    machine = this_machine(options.environment)
    if options.list:
        print_lines(list_clients(machine))
        return
    client = named_client(options.client)
    settings = _given_settings(options)
    check_settings(settings, options.environment)
    command = command_of(read_start(machine))
    if options.print:
        token = printed_token(client, options.environment, in_file=options.token_in_file)
        _print(client, make_server(client, command, settings, token), machine, token)
        return
    records = Records(state_folder(options.environment))
    entries = read_back(client, machine)
    if not client.found(machine):
        unfound = f"{client.title} was not found on this machine"
        print_lines([f"{unfound}; its file can be written all the same."])
    token = _token(client, machine, entries, in_file=options.token_in_file)
    server = make_server(client, command, settings, token)
    installed = put_in(client, server, machine, records, Clock())
    print_lines(_lines(client, server, installed, token))
    variables = entry_environment(server, token, options.environment)
    anyio.run(_check_and_end, variables, token, client.next_step)


def _given_settings(options: Namespace) -> dict[str, str]:
    """Return the settings that are given as flags, by variable."""
    given = {each.variable: getattr(options, each.variable) for each in SETTING_FLAGS}
    return {
        variable: str(value).lower() if isinstance(value, bool) else value
        for variable, value in given.items()
        if value is not None
    }


def _token(
    client: Client, machine: Machine, entries: Mapping[Path, Json | None], *, in_file: bool
) -> TokenSource:
    """Return where the token is from, which the user may be asked for.

    Raises:
        ConfigurationError: A token is none.
    """
    ask: Ask | None = _ask if sys.stdin.isatty() else None
    existing = next((entry for entry in entries.values() if entry is not None), None)
    return find_token(client, machine.environment, in_file=in_file, ask=ask, existing=existing)


def _ask(prompt: str) -> str:
    try:
        return getpass(prompt)
    except EOFError:
        return ""


def _print(client: Client, server: Server, machine: Machine, token: TokenSource) -> None:
    """Print what goes into the file to stdout, and all else to stderr."""
    text = snippet(client, server)
    own = client.own and client.own.add(client.entry(server), server)
    notes = [f"It goes into {_shown(path)}" for path in client.files(machine)]
    if client.own and own:
        notes.append(f"Or run: {shlex.join([client.own.program, *own])}")
    sys.stderr.writelines(f"{note}\n" for note in [*notes, token.sentence])
    print_lines(text.splitlines())


def _lines(
    client: Client, server: Server, installed: Installed, token: TokenSource
) -> Iterator[str]:
    """Yield what was done."""
    for file in installed.files:
        yield from _file_lines(client, file)
    if installed.doubt:
        yield f"{client.title} itself does not show it: {installed.doubt}"
    yield f"It starts {plain(shlex.join([server.command, *server.args]))}"
    yield token.sentence


def _file_lines(client: Client, file: ChangedFile) -> Iterator[str]:
    where = _shown(file.path)
    if not file.changed:
        yield f"{client.title} has seedance already: {where} is as it was."
        return
    own = " by its own command" if file.own else ""
    does = "Updated seedance in" if file.updated else "Added seedance to"
    yield f"{does} {client.title}{own}, in {where}"
    if file.backup:
        yield f"  What it was is in {_shown(file.backup)}"


def _shown(path: Path) -> str:
    return plain(str(path))


async def _check_and_end(variables: Mapping[str, str], token: TokenSource, next_step: str) -> None:
    """Print what the doctor finds that is not well, and what to do next, and end the process."""
    found = await examine(variables, Clock(), seconds=CHECK_SECONDS)
    checked = check_lines(found, sys.stdout.encoding, has_token=token.known is not None)
    # Whoever reads may have seen enough.
    with suppress(BrokenPipeError):
        print_lines([*checked, f"Next: {next_step}"])
    # An ordinary exit would wait for what was given up: a dead name server, a dead share.
    os._exit(0)


def check_lines(found: Sequence[Finding], encoding: str, *, has_token: bool) -> list[str]:
    """Return what is not well, and whether a clip can be made.

    Without a token, which only the client may know, what needs one is left out.
    """
    findings = [
        each
        for each in found
        if each.state != "ok"
        and (has_token or each.check not in _OF_THE_TOKEN)
        and not each.message.startswith("Not checked")
    ]
    if not findings:
        return [f"Checked: a clip can be made{'' if has_token else ' once there is a token'}."]
    lines = as_text(findings, encoding).splitlines()
    if any(each.message.startswith(NOT_KNOWN) for each in findings):
        lines[-1] = (
            "Run seedance-mcp doctor, which waits longer, to know whether a clip can be made."
        )
    return lines
