import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seedance_mcp.cli.install.client import OwnCommand, Server
from seedance_mcp.cli.install.config_file import UnusableFile
from seedance_mcp.cli.install.edits import UneditableFile
from seedance_mcp.cli.install.installer import ChangedFile
from tests.support.made_up_client import SERVER, STAMP, Desk, client, entry

COMMENTED = """{
\t// mine
\t"theme": "dark",\r
\t"mcpServers": {
\t\t"other": {"command": "x"}, // theirs
\t},
}
"""


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


def test_uninstalling_leaves_the_file_as_it_was(desk: Desk, config: Path) -> None:
    config.write_bytes(COMMENTED.encode())
    backup = config.with_name(f"config.json.{STAMP}")
    assert desk.install().files == (ChangedFile(path=config, backup=backup),)
    assert b'"seedance": {\n' in config.read_bytes()
    assert desk.uninstall().files == (ChangedFile(path=config),)
    assert config.read_bytes() == COMMENTED.encode()
    assert names(config.parent) == ["config.json"]
    assert not desk.records.folder.exists()


def test_installing_again_changes_nothing(desk: Desk, config: Path) -> None:
    config.write_bytes(COMMENTED.encode())
    desk.install()
    before = config.read_bytes(), config.stat().st_mtime_ns
    assert desk.install().files == (ChangedFile(path=config, changed=False),)
    assert (config.read_bytes(), config.stat().st_mtime_ns) == before
    assert len(names(config.parent)) == 2


def test_a_file_and_folders_that_were_made_go_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "config.json"
    desk = Desk(tmp_path, client(path))
    assert desk.install().files == (ChangedFile(path=path, made=True),)
    assert json.loads(path.read_bytes()) == {"mcpServers": {"seedance": entry(SERVER)}}
    assert desk.uninstall().files == (ChangedFile(path=path, removed=True),)
    assert names(tmp_path) == ["state"]
    desk.install()
    path.write_text(f"\n{path.read_text()}\n")
    assert desk.uninstall().files == (ChangedFile(path=path, removed=True),)
    assert names(tmp_path) == ["state"]


def test_what_others_changed_in_between_stays(desk: Desk, config: Path) -> None:
    config.write_text('{\n  "a": 1\n}\n')
    desk.install()
    config.write_text(config.read_text().replace('"a": 1', '"a": 2, "b": 3'))
    desk.uninstall()
    assert config.read_text() == '{\n  "a": 2, "b": 3\n}\n'


def test_other_settings_are_undone_with_the_first(desk: Desk, config: Path) -> None:
    config.write_bytes(COMMENTED.encode())
    desk.install()
    (changed,) = desk.install(Server(command="/opt/uvx", env={"SEEDANCE_MODEL": "x/y"})).files
    assert changed == ChangedFile(path=config, updated=True)
    desk.uninstall()
    assert config.read_bytes() == COMMENTED.encode()
    assert names(config.parent) == ["config.json"]


def test_what_others_changed_between_two_installs_stays(desk: Desk, config: Path) -> None:
    config.write_text('{"a": 1}')
    desk.install()
    config.write_text(config.read_text().replace('"a": 1', '"a": 2'))
    desk.install(Server(command="/opt/other"))
    desk.uninstall()
    assert config.read_text() == '{"a": 2}'


def test_an_entry_that_was_taken_out_by_hand_does_not_come_back(desk: Desk, config: Path) -> None:
    config.write_text('{"mcpServers": {"seedance": {"command": "mine"}, "b": {}}}')
    desk.install()
    config.write_text('{"mcpServers": {"b": {}}}')
    desk.install()
    config.write_text(config.read_text() + "\n")
    (changed,) = desk.uninstall().files
    assert not changed.restored
    assert config.read_text() == '{"mcpServers": {"b": {}}}\n'


def test_an_entry_that_was_there_comes_back(desk: Desk, config: Path) -> None:
    old = '{"mcpServers": {"seedance": {"command": "mine" /* ! */}}, "a": 1}'
    config.write_text(old)
    desk.install()
    desk.install(Server(command="/opt/other"))
    config.write_text(config.read_text().replace('"a": 1', '"a": 2'))
    (changed,) = desk.uninstall().files
    assert changed.restored
    assert config.read_text() == old.replace('"a": 1', '"a": 2')


def test_an_entry_changed_by_hand_is_restored_by_installing(desk: Desk, config: Path) -> None:
    config.write_text("{}")
    desk.install()
    config.write_text(config.read_text().replace("/opt/uvx", "uvx"))
    by_hand = config.read_text()
    (changed,) = desk.install().files
    assert changed.backup
    assert changed.backup.read_text() == by_hand
    assert json.loads(config.read_text())["mcpServers"]["seedance"] == entry(SERVER)
    desk.uninstall()
    assert config.read_text() == "{}"


def test_a_lost_record_leaves_only_empty_containers(desk: Desk, config: Path) -> None:
    config.write_text('{"a":1}')
    desk.install()
    desk.records.write("made-up", ())
    desk.uninstall()
    assert config.read_text() == '{"a":1,"mcpServers":{}}'


def test_a_token_in_the_file_makes_it_and_its_backups_private(desk: Desk, config: Path) -> None:
    config.write_text("{}")
    config.chmod(0o644)
    private = Server(command="/opt/uvx", env={"RUNCOMFY_API_TOKEN": "t0ken"}, authentication="file")
    (changed,) = desk.install(private).files
    assert changed.backup
    assert (mode(config), mode(changed.backup)) == (0o600, 0o600)
    config.chmod(0o644)
    assert desk.install(private).changed
    assert mode(config) == 0o600
    desk.install(replace(private, command="/opt/other"))
    desk.uninstall()
    assert (config.read_text(), mode(config)) == ("{}", 0o644)


def test_windows_has_no_modes_that_a_second_install_would_have_to_change(
    desk: Desk, config: Path
) -> None:
    desk.system = "win32"
    private = replace(SERVER, authentication="file")
    desk.install(private)
    config.chmod(0o644)
    assert not desk.install(private).changed


def test_a_file_that_others_made_private_since_stays_so(desk: Desk, config: Path) -> None:
    config.write_text("{}")
    config.chmod(0o644)
    desk.install()
    config.chmod(0o600)
    desk.uninstall()
    assert (config.read_text(), mode(config)) == ("{}", 0o600)


def test_a_file_that_links_lead_to_twice_is_changed_once(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_text('{"mcpServers": {"seedance": {"command": "mine"}}}')
    two.symlink_to(one)
    before = one.read_text()
    desk = Desk(tmp_path, client(one, two))
    assert [changed.path for changed in desk.install().files] == [one]
    # A home folder can have several names, too.
    other = Desk(tmp_path, client(two))
    other.install(Server(command="/opt/other"))
    assert [changed.path for changed in other.uninstall().files] == [two]
    assert (one.read_text(), two.is_symlink()) == (before, True)


def test_every_file_of_a_client_is_changed_or_none(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("1.json", "2.json", "3.json"))
    desk = Desk(tmp_path, client(one, two, three))
    two.write_text("{}")
    three.write_text("{,}")
    with pytest.raises(UneditableFile, match=r"3\.json was left alone: line 1, column 2: "):
        desk.install()
    assert (one.exists(), two.read_text()) == (False, "{}")
    three.write_text("")
    three.chmod(0o444)
    with pytest.raises(UnusableFile, match=r"3\.json is read-only"):
        desk.install()
    assert (one.exists(), two.read_text()) == (False, "{}")
    three.chmod(0o644)
    assert [changed.path for changed in desk.install().files] == [one, two, three]
    desk.uninstall()
    assert (two.read_text(), three.read_text(), one.exists()) == ("{}", "", False)


# Adds or removes the entry as a client's own command may: it lays the file out anew, without
# comments. What it was called with goes into a file beside it.
PROGRAM = """#!{python}
import json, sys
from pathlib import Path
path = Path({config!r})
with open({calls!r}, "a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "fail":
    sys.exit("no such command")
loaded = json.loads("".join(l for l in path.read_text().splitlines() if "//" not in l))
servers = loaded.setdefault("mcpServers", {{}})
if sys.argv[1] == "remove":
    del servers["seedance"]
elif sys.argv[1] != "show":
    servers["seedance"] = json.loads(sys.argv[2]) | json.loads(sys.argv[3])
path.write_text(json.dumps(loaded))
"""


def own_desk(
    tmp_path: Path, config: Path, add: str = "add", more: str = "{}", show: str = "show"
) -> Desk:
    program = tmp_path / "bin" / "made-up"
    program.parent.mkdir()
    calls = str(tmp_path / "calls")
    program.write_text(PROGRAM.format(python=sys.executable, config=str(config), calls=calls))
    program.chmod(0o755)
    own = OwnCommand(
        program="made-up",
        add=lambda entry, _: [add, json.dumps(entry), more],
        remove=["remove"],
        show=[show],
    )
    return Desk(tmp_path, client(config, own=own), path=str(program.parent))


def calls(tmp_path: Path) -> list[str]:
    return [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]


def test_what_the_clients_own_command_did_is_undone_to_the_byte(
    tmp_path: Path, config: Path
) -> None:
    before = '{\n  // mine\n  "a": 1\n}\n'
    config.write_text(before)
    desk = own_desk(tmp_path, config)
    installed = desk.install()
    assert installed.files[0].own
    assert installed.doubt is None
    assert json.loads(config.read_text())["mcpServers"]["seedance"] == entry(SERVER)
    assert not desk.install().changed
    assert calls(tmp_path) == ["add", "show"]
    desk.install(Server(command="/opt/other"))
    assert calls(tmp_path)[2:] == ["remove", "add", "show"]
    desk.uninstall()
    assert config.read_text() == before


@pytest.mark.parametrize(("add", "more"), [("fail", "{}"), ("add", '{"trust": true}')])
def test_the_file_is_edited_where_the_own_command_does_not_do_it(
    add: str, more: str, tmp_path: Path, config: Path
) -> None:
    config.write_text('{"a": 1}')
    desk = own_desk(tmp_path, config, add=add, more=more, show="fail")
    installed = desk.install()
    assert not installed.files[0].own
    assert installed.doubt == '"made-up" failed: "no such command".'
    assert json.loads(config.read_text()) == {
        "a": 1,
        "mcpServers": {"seedance": entry(SERVER)},
    }
    assert len(names(config.parent)) == 2
    desk.uninstall()
    assert config.read_text() == '{"a": 1}'


def test_a_secret_is_never_given_to_a_command(tmp_path: Path, config: Path) -> None:
    desk = own_desk(tmp_path, config)
    env = {"RUNCOMFY_API_TOKEN": "t0ken"}
    desk.install(Server(command="/opt/uvx", env=env, authentication="file"))
    assert calls(tmp_path) == ["show"]
    assert mode(config) == 0o600


def test_a_file_that_the_client_reads_no_longer_is_put_back_too(desk: Desk, config: Path) -> None:
    config.write_text('{"a": 1}')
    desk.install()
    moved = config.with_name("moved.json")
    desk.client = client(moved)
    desk.install()
    assert [changed.path for changed in desk.uninstall().files] == [config, moved]
    assert (config.read_text(), names(config.parent)) == ('{"a": 1}', ["config.json"])


def test_a_file_that_was_broken_since_is_left_alone_and_can_be_mended(
    desk: Desk, config: Path
) -> None:
    config.write_text("{}")
    desk.install()
    whole = config.read_text()
    config.write_text(whole + "}")
    with pytest.raises(UneditableFile, match="was left alone: line"):
        desk.uninstall()
    assert config.read_text() == whole + "}"
    config.write_text(whole)
    desk.uninstall()
    assert config.read_text() == "{}"


def test_a_file_that_is_gone_and_folders_that_others_use_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "config.json"
    desk = Desk(tmp_path, client(path))
    desk.install()
    path.unlink()
    (tmp_path / "new" / "theirs").write_text("")
    assert desk.uninstall().files == ()
    assert names(tmp_path / "new") == ["theirs"]
