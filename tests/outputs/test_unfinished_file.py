"""A file that takes long to write: what is left of it, and what is removed."""

import os
from pathlib import Path

import pytest

from seedance_mcp.outputs.unfinished_file import try_lock


def written(path: Path) -> None:
    path.write_bytes(b"whole")


def interrupted(path: Path) -> None:
    path.write_bytes(b"half")
    raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(lock: Path, path: Path, *, may_number: bool = False) -> Path:
    with try_lock(lock) as unfinished:
        assert unfinished
        return unfinished.write(path, written, may_number=may_number)[0]


def test_a_file_is_there_when_it_is_whole_and_never_in_the_place_of_another(tmp_path: Path) -> None:
    lock, path = tmp_path / "lock", tmp_path / "films" / "film.mp4"
    with try_lock(lock) as unfinished:
        assert unfinished
        with pytest.raises(KeyboardInterrupt):
            unfinished.write(path, interrupted, may_number=False)
    assert names(path.parent) == []
    assert write(lock, path) == path
    assert path.read_bytes() == b"whole"
    with pytest.raises(FileExistsError):
        write(lock, path)
    assert write(lock, path, may_number=True) == path.with_name("film-2.mp4")
    assert names(path.parent) == ["film-2.mp4", "film.mp4"]
    assert lock.read_bytes() == b""


def test_one_holder_at_a_time_may_write(tmp_path: Path) -> None:
    with try_lock(tmp_path / "lock") as first:
        assert first
        with try_lock(tmp_path / "lock") as second:
            assert second is None
    with try_lock(tmp_path / "lock") as third:
        assert third


def test_the_file_of_a_killed_process_is_removed_and_no_other(tmp_path: Path) -> None:
    lock, folder = tmp_path / "lock", tmp_path / "a folder \udcff"
    folder.mkdir()
    left, other = folder / "joining-0123abcd.part", folder / "joining-mine.part"
    for named in left, other:
        named.touch()
        lock.write_bytes(os.fsencode(named))
        write(lock, folder / "film.mp4", may_number=True)
    for odd in b"joining-0123abcd.part", b"\0", b"/", bytes(100_000), os.fsencode(left):
        lock.write_bytes(odd)
        write(lock, folder / "film.mp4", may_number=True)
    assert other.name in names(folder)
    assert not left.exists()
    assert len(names(folder)) == 8


def test_without_a_place_for_the_lock_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    assert write(tmp_path / "no such folder" / "lock", path) == path
