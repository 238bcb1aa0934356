"""Writing a joined file in a thread, for as long as that may take."""

from functools import partial
from pathlib import Path

import pytest
from anyio import from_thread

from seedance_mcp.clips.join import Part, join_clips
from seedance_mcp.errors import JoinFailed
from seedance_mcp.service._joiner import write_within
from tests.support.sample_clips import SAMPLES

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("form", ["plain", "10-bit"])
async def test_a_join_that_takes_too_long_is_stopped_and_leaves_nothing(
    form: str, tmp_path: Path
) -> None:
    parts = [Part(path=SAMPLES[name](tmp_path / f"{name}.mp4")) for name in ("B-frames", form)]
    film = tmp_path / "film.mp4"
    write = partial(join_clips, parts, film, lambda _, __: None, from_thread.check_cancelled)
    with pytest.raises(JoinFailed, match="took over 0 minutes and was stopped; join fewer clips"):
        await write_within(0, write)
    assert not film.exists()
    assert await write_within(600, write) > 0
    assert film.exists()
