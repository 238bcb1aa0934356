"""When models were last seen in RunComfy's catalogue."""

import json
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from seedance_mcp.service._sightings import Sightings

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_of_models_that_are_seen_at_the_same_time_every_sighting_is_kept(
    tmp_path: Path,
) -> None:
    file = tmp_path / "catalogue.json"
    # A long file takes long to read and to write.
    file.write_text(json.dumps({f"elsewhere {number}": f"{NOW}" for number in range(10_000)}))
    sightings = Sightings(file, "https://a.example")
    models = [f"model-{number}" for number in range(20)]
    async with anyio.create_task_group() as tasks:
        for model_id in models:
            tasks.start_soon(sightings.note, model_id, NOW)
    assert [await sightings.last(model_id) for model_id in models] == [NOW] * len(models)
    assert len(json.loads(file.read_text())) == 500
