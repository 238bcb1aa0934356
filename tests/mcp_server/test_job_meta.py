"""How often the player polls where the server itself would poll after some pause; pure."""

import pytest

from seedance_mcp.mcp_server.apps.job_meta import nearest_pause


@pytest.mark.parametrize(
    ("pause", "seconds"),
    [(1, 2), (2, 2), (3.1, 2), (3.2, 5), (5, 5), (7, 5), (7.1, 10), (10, 10), (15, 10)],
)
def test_the_player_pauses_about_as_long_as_the_schedule(pause: float, seconds: int) -> None:
    assert nearest_pause(pause) == seconds
