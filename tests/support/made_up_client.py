"""A client that the installer's tests make up, with a machine, a record and a clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from seedance_mcp.cli.install.client import Client, OwnCommand, Server
from seedance_mcp.cli.install.edits import Format, Json
from seedance_mcp.cli.install.installer import Installed, Uninstalled, install, uninstall
from seedance_mcp.cli.install.machine import Machine, System
from seedance_mcp.cli.install.record import Records
from seedance_mcp.clock import Clock

NOON = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
STAMP = "bak-20261130T120000Z"
SERVER = Server(command="/opt/uvx", args=["seedance-mcp"])


def entry(server: Server) -> Mapping[str, Json]:
    return {"command": server.command, "args": list(server.args), "env": dict(server.env)}


def client(*files: Path, form: Format = "json", own: OwnCommand | None = None) -> Client:
    return Client(
        id="made-up",
        title="Made Up",
        form=form,
        keys=lambda _: ("mcpServers", "seedance"),
        files=lambda _: files,
        found=lambda _: True,
        entry=entry,
        next_step="Restart it.",
        own=own,
    )


@dataclass
class Desk:
    """A machine with one client, at noon."""

    home: Path
    client: Client
    path: str = "/nowhere"
    now: datetime = NOON
    system: System = "linux"
    records: Records = field(init=False)

    def __post_init__(self) -> None:
        self.records = Records(self.home / "state" / "installs")

    @property
    def machine(self) -> Machine:
        return Machine(system=self.system, home=self.home, environment={"PATH": self.path})

    def install(self, server: Server = SERVER) -> Installed:
        return install(self.client, server, self.machine, self.records, self._clock())

    def uninstall(self) -> Uninstalled:
        return uninstall(self.client, self.machine, self.records, self._clock())

    def _clock(self) -> Clock:
        self.now += timedelta(seconds=1)
        return Clock(now=lambda: self.now - timedelta(seconds=1))
