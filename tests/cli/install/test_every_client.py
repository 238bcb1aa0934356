"""Every client and every configuration: installed, again, and taken out to the byte."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from seedance_mcp.cli.install.client import Client, Server
from seedance_mcp.cli.install.edits import UneditableFile, value_at
from seedance_mcp.cli.install.installer import Installed, Uninstalled, install, uninstall
from seedance_mcp.cli.install.machine import Machine, System
from seedance_mcp.cli.install.record import Records
from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.clock import Clock
from tests.support.client_configs import broken_configs, configs, for_client, only_inserted
from tests.support.machines import SYSTEMS, empty_machine

SERVER = Server(command="/opt/uv/uvx", args=["seedance-mcp"], env={"SEEDANCE_LOG_LEVEL": "info"})
LONG_AGO = 1_000_000_000_000_000_000
POSIX = os.name == "posix"
UNUSUAL_MODE, PRIVATE_MODE = (0o640, 0o600) if POSIX else (0o666, 0o666)

# What stands for "no servers" makes room for the first.
REPLACED = {
    ("json", "with a comment alone in its group"),
    ("yaml", "with an empty group"),
    ("yaml", "with null as its group"),
}
CASES = [(client, case) for client in CLIENTS for case in configs(CLIENTS[client].form)]
BROKEN = [(client, case) for client in CLIENTS for case in broken_configs(CLIENTS[client].form)]


@dataclass(frozen=True)
class Scene:
    """A client on a machine of its own, without its program.

    Attributes:
        file: Its file.
    """

    client: Client
    machine: Machine
    records: Records

    @property
    def file(self) -> Path:
        return self.client.files(self.machine)[0]

    def write(self, data: bytes) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(data)
        self.file.chmod(UNUSUAL_MODE)
        os.utime(self.file, ns=(LONG_AGO, LONG_AGO))

    def install(self, server: Server = SERVER) -> Installed:
        return install(self.client, server, self.machine, self.records, Clock())

    def uninstall(self) -> Uninstalled:
        return uninstall(self.client, self.machine, self.records, Clock())

    def everything(self) -> dict[str, tuple[int, int, bytes]]:
        """Return each file of the home, with its mode, the time of its change and its bytes."""
        return {str(path): _state(path) for path in self._paths() if not path.is_dir()}

    def folders(self) -> set[Path]:
        return {path for path in self._paths() if path.is_dir()}

    def _paths(self) -> Iterator[Path]:
        return self.machine.home.rglob("*")


def _state(path: Path) -> tuple[int, int, bytes]:
    status = path.lstat()
    data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    return status.st_mode & 0o777, status.st_mtime_ns, data


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Return the records of all tests here, which each of them leaves empty."""
    return Records(tmp_path_factory.mktemp("state"))


def scene_of(tmp_path: Path, client: str, records: Records, system: System = "linux") -> Scene:
    machine = empty_machine(tmp_path, system)
    machine.home.mkdir()
    return Scene(CLIENTS[client], machine, records)


@pytest.mark.parametrize(("client", "case"), CASES)
def test_every_configuration_is_kept_to_the_byte(
    client: str, case: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    before = for_client(client, configs(scene.client.form)[case])
    scene.write(before)
    original = scene.everything()

    [done] = scene.install().files
    after = scene.file.read_bytes()
    entry = value_at(after, scene.client.form, scene.client.keys(after))
    assert entry == scene.client.entry(SERVER)
    assert only_inserted(before, after) or (scene.client.form, case) in REPLACED
    assert is_strict(after) or not is_strict(before)
    assert scene.file.stat().st_mode & 0o777 == UNUSUAL_MODE
    assert done.backup is not None
    installed = scene.everything()
    assert installed.keys() == {*original, str(done.backup)}
    assert done.backup.read_bytes() == before

    assert not scene.install().changed
    assert scene.everything() == installed

    scene.uninstall()
    assert scene.file.read_bytes() == before
    assert scene.file.stat().st_mode & 0o777 == UNUSUAL_MODE
    assert scene.everything().keys() == original.keys()


def is_strict(data: bytes) -> bool:
    """Return whether it is JSON as strict parsers read it."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("client", "case"), BROKEN)
def test_a_configuration_that_cannot_be_parsed_is_left_alone(
    client: str, case: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    scene.write(for_client(client, broken_configs(scene.client.form)[case]))
    original = scene.everything()
    with pytest.raises(UneditableFile) as told:
        scene.install()
    assert str(scene.file) in told.value.message
    assert "was left alone" in told.value.message
    assert scene.everything() == original
    assert records.read(client) == ()


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_that_is_made_goes_with_the_folders_that_were_made_for_it(
    client: str, system: System, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records, system)
    [done] = scene.install().files
    assert (done.made, done.backup) == (True, None)
    assert list(scene.everything()) == [str(scene.file)]
    data = scene.file.read_bytes()
    entry = value_at(data, scene.client.form, scene.client.keys(data))
    assert entry == scene.client.entry(SERVER)
    assert data.endswith(b"}\n" if scene.client.form == "json" else b"\n")
    assert is_strict(data) == (scene.client.form == "json")
    installed = scene.everything()
    assert not scene.install().changed
    assert scene.everything() == installed
    scene.uninstall()
    assert (scene.everything(), scene.folders()) == ({}, set())


@pytest.mark.skipif(not POSIX, reason="symbolic links need a privilege")
@pytest.mark.parametrize("target", ["kept/config", "../kept/config"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_symbolic_link_stays_one(
    client: str, target: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    link = scene.file
    scene.write(for_client(client, configs(scene.client.form)["commented"]))
    kept = Path(os.path.normpath(link.parent / target))
    kept.parent.mkdir(parents=True, exist_ok=True)
    link.rename(kept)
    link.symlink_to(target)
    before = kept.read_bytes()
    scene.install()
    assert str(link.readlink()) == target
    assert kept.read_bytes() == link.read_bytes() != before
    [backup] = kept.parent.glob("config.bak-*")
    assert backup.read_bytes() == before
    scene.uninstall()
    assert str(link.readlink()) == target
    assert kept.read_bytes() == before


@pytest.mark.parametrize("client", CLIENTS)
def test_an_entry_of_an_older_version_is_replaced_and_put_back(
    client: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    older = replace(SERVER, command="uvx", env={})
    scene.write(for_client(client, configs(scene.client.form)["commented"]))
    scene.install(older)
    scene.records.write(client, ())  # its record is lost, as if it had been written by hand
    for path in scene.file.parent.glob("*.bak-*"):
        path.unlink()
    before = scene.file.read_bytes()
    scene.install()
    after = scene.file.read_bytes()
    assert value_at(after, scene.client.form, scene.client.keys(after)) == scene.client.entry(
        SERVER
    )
    scene.uninstall()
    assert scene.file.read_bytes() == before


@pytest.mark.parametrize("client", CLIENTS)
def test_an_update_of_our_own_is_taken_out_to_what_was_there_before_the_first(
    client: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    before = for_client(client, configs(scene.client.form)["commented"])
    scene.write(before)
    scene.install(replace(SERVER, command="uvx", env={}, authentication="client"))
    scene.install()
    scene.uninstall()
    assert scene.file.read_bytes() == before


@pytest.mark.parametrize("changed", [False, True])
def test_a_question_for_the_token_goes_with_what_asked_it(
    tmp_path: Path, records: Records, *, changed: bool
) -> None:
    scene = scene_of(tmp_path, "vscode", records)
    asks = replace(SERVER, authentication="client")
    scene.install(asks)
    if changed:
        scene.file.write_bytes(scene.file.read_bytes() + b"\n")
    scene.install()
    assert list(json.loads(scene.file.read_bytes())) == ["servers"]
    scene.install(asks)
    if changed:
        scene.file.write_bytes(scene.file.read_bytes() + b"\n")
    scene.uninstall()
    assert not scene.file.exists()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_token_in_the_file_makes_it_private(
    client: str, tmp_path: Path, records: Records
) -> None:
    scene = scene_of(tmp_path, client, records)
    before = for_client(client, configs(scene.client.form)["commented"])
    scene.write(before)
    variables = {**SERVER.env, "RUNCOMFY_API_TOKEN": "made-up"}
    scene.install(replace(SERVER, env=variables, authentication="file"))
    assert scene.file.stat().st_mode & 0o777 == PRIVATE_MODE
    assert b"made-up" in scene.file.read_bytes()
    scene.uninstall()
    assert scene.file.read_bytes() == before
    assert scene.file.stat().st_mode & 0o777 == UNUSUAL_MODE
    assert list(scene.everything()) == [str(scene.file)]
