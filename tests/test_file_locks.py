import stat
from contextlib import closing
from pathlib import Path

import pytest

from seedance_mcp.file_locks import LockFile, folder_lock


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    first = LockFile.try_lock(tmp_path / "a")
    assert first
    assert LockFile.try_lock(tmp_path / "a") is None
    first.close()
    second = LockFile.try_lock(tmp_path / "a")
    assert second
    second.close()


def test_a_removed_file_is_locked_anew_under_its_name(tmp_path: Path) -> None:
    old = LockFile.try_lock(tmp_path / "a")
    assert old
    with closing(old):
        old.remove()
        new = LockFile.try_lock(tmp_path / "a")
        assert new
        new.close()


def test_a_missing_file_is_created_only_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LockFile.try_lock(tmp_path / "a", create=False)
    lock = LockFile.try_lock(tmp_path / "a")
    assert lock
    with closing(lock):
        assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600


def test_a_symbolic_link_is_never_locked(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    with pytest.raises(OSError, match="symbolic"):
        LockFile.try_lock(tmp_path / "a")
    assert not (tmp_path / "b").exists()


def test_a_folder_that_a_stopped_program_has_locked_is_not_waited_for_without_end(
    tmp_path: Path,
) -> None:
    with (
        folder_lock(tmp_path),
        pytest.raises(OSError, match="another program has locked its folder"),
        folder_lock(tmp_path, seconds=0.05),
    ):
        pytest.fail("two have the lock")
    with folder_lock(tmp_path, seconds=0):
        pass


def test_a_folder_that_cannot_be_opened_needs_no_lock(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "missing"), folder_lock(tmp_path / "missing"):
        pass
