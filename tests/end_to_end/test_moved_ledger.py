"""A ledger that is moved, replaced or unreachable while servers run on it."""

import shutil
from pathlib import Path

import anyio
import pytest

from seedance_mcp.text import valid
from tests.support.client import structured, text
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_a_ledger_that_is_moved_away_is_begun_anew_by_every_window(tmp_path: Path) -> None:
    state, away = tmp_path / "state", tmp_path / "old.db"
    async with (
        run_simulator(run_seconds=20) as simulator,
        open_server(simulator, state) as one,
        open_server(simulator, state) as other,
    ):
        kept = structured(await generate(one, prompt="Kept."))["request_id"]
        assert [job["request_id"] for job in await list_jobs(other)] == [kept]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generate, one)
            await anyio.sleep(1)
            (state / "ledger.db").rename(away)
        again = structured(await generate(other, prompt="Another."))["request_id"]
        under_way, new = [job.request_id for job in simulator.accepted[1:]]
        assert again == new
        # What was under way is in the new ledger; what had ended is in the old one.
        for client in one, other:
            listed = {job["request_id"] for job in await list_jobs(client)}
            assert listed == {under_way, new}
        # Another ledger at the path, here the old one, is used as well.
        shutil.copy(away, tmp_path / "copy.db")
        (tmp_path / "copy.db").replace(state / "ledger.db")
        for client in one, other:
            listed = {job["request_id"] for job in await list_jobs(client)}
            assert listed == {kept, under_way}


@pytest.mark.parametrize("other_folder", [False, True])
async def test_nothing_is_bought_while_the_whole_folder_is_away(
    *, other_folder: bool, tmp_path: Path
) -> None:
    state, away = tmp_path / "state", tmp_path / "away"
    async with run_simulator() as simulator, open_server(simulator, state) as client:
        made = structured(await generate(client))["request_id"]
        state.rename(away)
        if other_folder:
            state.mkdir()
        for _ in range(2):
            refused = await generate(client, prompt="Another.")
            assert refused.is_error
            assert text(refused) == (
                f"The folder of the ledger {valid(str(state / 'ledger.db'))} is away, or is another"
                " one: bring it back, or restart the server to begin a new ledger. Nothing was"
                " charged."
            )
        assert len(simulator.accepted) == 1
        if other_folder:
            state.rmdir()
        assert not state.exists()
        away.rename(state)
        assert [job["request_id"] for job in await list_jobs(client)] == [made]
        assert not (await generate(client, prompt="Another.")).is_error
