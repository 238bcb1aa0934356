from pathlib import Path

import pytest

from seedance_mcp.clips.join import Part, join_clips
from tests.support.sample_clips import SAMPLES, numbers_shown


@pytest.mark.parametrize("names", [("plain", "B-frames"), ("plain", "odd time base")])
def test_all_frames_are_in_the_joined_clip(tmp_path: Path, names: tuple[str, str]) -> None:
    paths = [SAMPLES[name](tmp_path / f"{number}.mp4") for number, name in enumerate(names)]
    target = tmp_path / "joined.mp4"
    join_clips([Part(path=path) for path in paths], target, print, lambda: None)
    assert numbers_shown(target)[:6] == [0, 1, 2, 3, 4, 5]
