"""Files kept beside a clip: each once, and never in place of another file."""

import os
from pathlib import Path

import pytest

from seedance_mcp.outputs.beside import MOST_NAMES, keep_beside

ENDING = "-last-frame.png"


def test_the_same_data_is_kept_once_and_other_data_beside_it(tmp_path: Path) -> None:
    clip = tmp_path / "a.b.mp4"
    kept = [keep_beside(clip, ENDING, data) for data in (b"one", b"one", b"two", b"one", b"two")]
    names = ["a.b-last-frame.png", "a.b-last-frame-2.png"]
    one, two = (tmp_path / name for name in names)
    assert kept == [one, one, two, one, two]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict(
        zip(names, (b"one", b"two"), strict=True)
    )


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a dangling link", "a link to other data"])
def test_nothing_that_has_the_name_is_overwritten_or_waited_for(kind: str, tmp_path: Path) -> None:
    taken, other = tmp_path / "a-last-frame.png", tmp_path / "other"
    match kind:
        case "a folder":
            taken.mkdir()
        case "a pipe":
            os.mkfifo(taken)
        case "a dangling link":
            taken.symlink_to(tmp_path / "missing")
        case _:
            other.write_bytes(b"its")
            taken.symlink_to(other)
    before = taken.lstat()
    assert keep_beside(tmp_path / "a.mp4", ENDING, b"ours") == tmp_path / "a-last-frame-2.png"
    assert (taken.lstat().st_ino, taken.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not other.exists() or other.read_bytes() == b"its"
    assert not (tmp_path / "missing").exists()


def test_where_too_many_names_are_taken_nothing_is_kept(tmp_path: Path) -> None:
    for number in range(MOST_NAMES):
        assert keep_beside(tmp_path / "a.mp4", ENDING, b"%d" % number)
    assert keep_beside(tmp_path / "a.mp4", ENDING, b"more") is None
    assert len([*tmp_path.iterdir()]) == MOST_NAMES


def test_a_folder_that_is_gone_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        keep_beside(tmp_path / "gone" / "a.mp4", ENDING, b"x")
    assert [*tmp_path.iterdir()] == []
