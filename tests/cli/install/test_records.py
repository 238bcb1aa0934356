"""The record of an install, which may be lost, damaged, or written by someone else."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.cli.install.client import Server
from seedance_mcp.cli.install.record import Records, digest
from seedance_mcp.errors import SeedanceError
from tests.support.made_up_client import Desk, client

COMMENTED = '{\n\t// mine\n\t"mcpServers": {\n\t\t"other": {}, // theirs\n\t},\n}\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "app" / "config.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def desk(tmp_path: Path, config: Path) -> Desk:
    return Desk(tmp_path, client(config))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


NO_CHANGES = b'[{"path": "/x", "changes": []}]'
NO_KEYS = b'[{"path": "/x", "changes": [{"keys": [], "undo": {}}]}]'


def test_a_damaged_record_is_a_lost_one(desk: Desk, config: Path) -> None:
    config.write_text('{"a": 1, "mcpServers": {}}')
    desk.install()
    (record,) = desk.records.folder.iterdir()
    made = (record, desk.records.folder, desk.records.folder.parent)
    assert [mode(each) for each in made] == [0o600, 0o700, 0o700]
    for damaged in (
        b"",
        b"[1]",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'[{"path": 1}]',
        NO_CHANGES,
        NO_KEYS,
    ):
        record.write_bytes(damaged)
        assert desk.records.read("made-up") == ()
    desk.uninstall()
    assert config.read_text() == '{"a": 1, "mcpServers": {}}'
    assert not record.exists()


def test_without_a_place_for_the_record_nothing_is_changed(desk: Desk, config: Path) -> None:
    config.write_text("{}")
    desk.records = Records(config / "installs")
    with pytest.raises(SeedanceError, match=r"config\.json/installs cannot keep what is changed: "):
        desk.install()
    assert (config.read_text(), names(config.parent)) == ("{}", ["config.json"])


def test_a_lost_backup_does_no_harm(desk: Desk, config: Path) -> None:
    config.write_bytes(COMMENTED.encode())
    (changed,) = desk.install().files
    assert changed.backup
    changed.backup.write_text("changed")
    desk.uninstall()
    assert config.read_bytes() == COMMENTED.encode()


def test_the_record_follows_a_path_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "\udcff" / "config.json"
    desk = Desk(tmp_path, client(path))
    desk.install()
    desk.install(Server(command="/opt/other"))
    (changed,) = desk.uninstall().files
    assert changed.removed
    assert names(tmp_path) == ["state"]


def rewrite(desk: Desk, **changed: Any) -> None:
    """Change what the record of the only file says."""
    (path,) = desk.records.folder.iterdir()
    (record,) = json.loads(path.read_bytes())
    path.write_text(json.dumps([record | changed]))


def test_a_record_has_no_other_file_removed_or_overwritten(
    desk: Desk, config: Path, tmp_path: Path
) -> None:
    config.write_text("{}")
    desk.install()
    victim, folder = tmp_path / "victim.json", tmp_path / "theirs"
    victim.write_text('{"a": 1}')
    folder.mkdir()
    theirs = digest(victim.read_bytes())
    rewrite(desk, path=str(victim), after=theirs, made=True, folders=[str(folder)])
    desk.uninstall()
    assert (victim.read_text(), folder.is_dir()) == ('{"a": 1}', True)
    config.write_text("{}")
    desk.install()
    rewrite(desk, backup=str(victim), before=theirs)
    desk.uninstall()
    assert (victim.read_text(), config.read_text()) == ('{"a": 1}', "{}")


def test_a_record_that_others_can_write_is_none(desk: Desk, config: Path) -> None:
    config.write_text('{"a": 1}')
    desk.install()
    (record,) = desk.records.folder.iterdir()
    record.chmod(0o606)
    assert desk.records.read("made-up") == ()
    record.chmod(0o600)
    assert desk.records.read("made-up") != ()


def test_installs_at_once_lose_nothing(desk: Desk, config: Path) -> None:
    config.write_text(COMMENTED)

    def install(number: int) -> None:
        with suppress(SeedanceError):  # one that came too late may say so
            desk.install(Server(command=f"/opt/{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(install, range(16)))
    assert config.read_text().count('"seedance"') == 1
    desk.uninstall()
    assert config.read_text() == COMMENTED
