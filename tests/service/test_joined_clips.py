"""The record of what joins have made: which file is found again, and how many are kept."""

from pathlib import Path

import pytest

from seedance_mcp.service._joined_clips import MOST_KEPT, JoinedClips
from seedance_mcp.service.reports import JoinedClip


def made_at(path: Path, content: bytes = b"joined") -> JoinedClip:
    path.write_bytes(content)
    return JoinedClip(path=str(path), seconds=1.5)


def test_a_file_is_found_again_until_it_changes_or_is_gone(tmp_path: Path) -> None:
    made = made_at(tmp_path / "a.mp4")
    JoinedClips(tmp_path / "joined.json").note("a", made)
    joined = JoinedClips(tmp_path / "joined.json")
    assert (joined.find("a"), joined.find("b")) == (made, None)
    made_at(tmp_path / "a.mp4", b"another clip")
    assert joined.find("a") is None
    joined.note("a", made)
    Path(made.path).unlink()
    assert joined.find("a") is None


def test_the_newest_are_kept(tmp_path: Path) -> None:
    joined, made = JoinedClips(tmp_path / "joined.json"), made_at(tmp_path / "a.mp4")
    for number in range(MOST_KEPT):
        joined.note(f"{number}", made)
    joined.note("0", made)
    joined.note("one more", made)
    names = ("0", "1", "2", f"{MOST_KEPT - 1}", "one more")
    assert [bool(joined.find(name)) for name in names] == [True, False, True, True, True]


def test_a_record_that_cannot_be_written_costs_no_more_than_another_join(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "joined.json").mkdir()
    joined = JoinedClips(tmp_path / "joined.json")
    with caplog.at_level("INFO"):
        joined.note("a", made_at(tmp_path / "a.mp4"))
    assert joined.find("a") is None
    assert "a.mp4" in caplog.text
