import os
import signal
import stat
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seedance_mcp.cli.install.config_file import MOST_BYTES, ConfigFile, UnusableFile
from seedance_mcp.clock import Clock
from tests.support.timeouts import TIMEOUT_SECONDS

STAMP = "bak-20261130T120000Z"


def config_file(path: Path) -> ConfigFile:
    return ConfigFile(path, Clock(now=lambda: datetime(2026, 11, 30, 12, tzinfo=UTC)))


def change(path: Path, data: bytes = b"new", *, private: bool = False) -> Path | None:
    file = config_file(path)
    file.read()
    return file.replace(data, private=private)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_the_older_one_is_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    assert change(path) == tmp_path / f"c.json.{STAMP}"
    assert change(path, b"newer") == tmp_path / f"c.json.{STAMP}-2"
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == {
        "c.json": b"newer",
        f"c.json.{STAMP}": b"old",
        f"c.json.{STAMP}-2": b"new",
    }
    assert {mode(each) for each in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize(("private", "expected"), [(True, 0o600), (False, 0o644)])
def test_a_new_file_is_made_with_its_folders(private: bool, expected: int, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    file = config_file(path)
    assert file.read() is None
    assert file.missing_folders() == (tmp_path / "a", tmp_path / "a" / "b")
    umask = os.umask(0o022)
    try:
        assert file.replace(b"new", private=private) is None
    finally:
        os.umask(umask)
    assert (path.read_bytes(), mode(path), names(path.parent)) == (b"new", expected, ["c.json"])


def test_a_private_file_and_its_backup_are_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    backup = change(path, private=True)
    assert backup
    assert (mode(path), mode(backup)) == (0o600, 0o600)


def test_symbolic_links_are_followed_and_stay(tmp_path: Path) -> None:
    dots = tmp_path / "dots"
    dots.mkdir()
    (dots / "real").write_bytes(b"old")
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to("two")
    two.symlink_to(dots / "real")
    assert change(one) == dots / f"real.{STAMP}"
    assert (one.readlink(), two.readlink()) == (Path("two"), dots / "real")
    assert (dots / "real").read_bytes() == b"new"
    file = config_file(one)
    file.read()
    file.remove()
    assert names(tmp_path) == ["dots", "one", "two"]
    change(one, b"made again")  # a link that leads nowhere
    assert (dots / "real").read_bytes() == b"made again"


def test_what_another_program_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for then, now in [(None, b"theirs"), (b"old", b"theirs"), (b"old", None)]:
        path.unlink(missing_ok=True)
        if then is not None:
            path.write_bytes(then)
        file = config_file(path)
        assert file.read() == then
        path.unlink(missing_ok=True)
        if now is not None:
            path.write_bytes(now)
        with pytest.raises(UnusableFile, match="was changed by another program meanwhile"):
            file.replace(b"new", private=False)
        assert (path.read_bytes() if path.exists() else None) == now
    assert names(tmp_path) == []


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    fifo, loop = tmp_path / "fifo", tmp_path / "loop"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    (tmp_path / "file").write_bytes(b"")
    problems = {
        fifo: "is not a file",
        tmp_path: "is not a file",
        loop: "cannot be read: too many levels of symbolic links",
        tmp_path / "file" / "c.json": "cannot be read: not a directory",
        Path(os.devnull): "is not a file",
    }
    for path, problem in problems.items():
        with pytest.raises(UnusableFile) as refused:
            config_file(path).read()
        assert refused.value.message == f"{path} {problem}."


def test_a_file_of_the_greatest_size_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES)
    assert len(config_file(path).read() or b"") == MOST_BYTES
    with path.open("ab") as file:
        file.write(b" ")
    with pytest.raises(UnusableFile, match="has more than 10,000,000 bytes"):
        config_file(path).read()


def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(UnusableFile, match=r"c\.json is read-only\.$"):
        change(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["c.json"])


ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from seedance_mcp.cli.install.config_file import ConfigFile
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
file = ConfigFile(Path(sys.argv[1]))
file.read()
try:
    file.replace(b"x" * 101, private=False)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout == f"UnusableFile {path} cannot be written: file too large.\n"
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["c.json"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_the_owner_of_a_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    backup = change(path)
    assert backup
    for each in (path, backup):
        assert (each.stat().st_uid, each.stat().st_gid) == (1234, 5678)


@pytest.mark.skipif(sys.platform != "linux", reason="Python reads attributes only on Linux")
def test_access_control_lists_are_kept_and_never_widened(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    # As acl(5) has it: owner rw, user 1234 rw, group nothing, mask rw, others nothing.
    rights = [(1, 6, -1), (2, 6, 1234), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
    entries = [struct.pack("<HHi", *each) for each in rights]
    acl = struct.pack("<I", 2) + b"".join(entries)
    os.setxattr(path, "system.posix_acl_access", acl)
    backup = change(path)
    assert backup
    for each in (path, backup):
        assert os.getxattr(each, "system.posix_acl_access") == acl
    private = change(path, b"secret", private=True)
    assert private
    for each in (path, private):
        assert mode(each) == 0o600  # the mask: nobody else may do anything


WRITING = """
import sys
from pathlib import Path
from seedance_mcp.cli.install.config_file import ConfigFile
while True:
    for data in (b"a" * 1_000_000, b"b" * 1_000_000):
        file = ConfigFile(Path(sys.argv[1]))
        file.read()
        file.replace(data, private=False, backup=False)
        print(flush=True)
"""


def test_a_killed_process_leaves_one_of_both_files_whole(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"a" * 1_000_000)
    for writes in (1, 2, 3, 5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITING, path], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            for _ in range(writes):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert path.read_bytes() in {b"a" * 1_000_000, b"b" * 1_000_000}
