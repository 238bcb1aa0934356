"""The models that a user has added, as files of the state folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import UnreadableAnswer
from seedance_mcp.models.model import load_models
from seedance_mcp.service.added_models import load_added_models, load_known_models
from seedance_mcp.service.model_list import add
from seedance_mcp.settings import load_settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.server_process import account

LITE = "bytedance/seedance-1-0/lite/image-to-video"


def keep(folder: Path, name: str, model_id: str) -> None:
    """Write the file of an added model as its entry in the catalogue."""
    (folder / "models").mkdir(exist_ok=True)
    properties = {"prompt": {"type": "string"}}
    entry = {"model_id": model_id, "input_schema": {"properties": properties}}
    (folder / "models" / f"{name}.json").write_text(json.dumps({"entry": entry}))


def test_every_added_model_has_a_short_name_and_a_tool_of_its_own(tmp_path: Path) -> None:
    for name, model_id in zip("abc", ["2.0/pro", "2-0/pro", "2_0/pro"], strict=True):
        keep(tmp_path, name, model_id)
    added, problems = load_added_models(tmp_path, load_models())
    assert {model_id: model.short_name for model_id, model in added.items()} == {
        "2.0/pro": "2.0-pro-2",
        "2-0/pro": "2-0-pro-3",
        "2_0/pro": "2_0-pro-4",
    }
    assert problems == []


def test_a_name_without_a_slash_and_a_pipe_are_left_out(tmp_path: Path) -> None:
    keep(tmp_path, "a", "lite")
    os.mkfifo(tmp_path / "models" / "pipe.json")
    assert load_added_models(tmp_path, load_models()) == (
        {},
        [
            '"a.json" is left out: The catalogue\'s entry has no valid model_id.',
            '"pipe.json" is left out: it is not a file',
        ],
    )


def test_a_model_that_is_bundled_by_now_is_the_bundled_one(tmp_path: Path) -> None:
    bundled = load_models()
    keep(tmp_path, "a", "bytedance/seedance-2.0/pro")
    assert load_known_models(tmp_path) == (bundled, [])


@pytest.mark.anyio
async def test_an_answer_about_another_model_is_not_kept(tmp_path: Path) -> None:
    def edit(entry: dict[str, Any]) -> None:
        entry["model_id"] = "maker/another"

    behaviour = Behaviour(renamed_models={LITE: "maker/new"}, edit_entry=edit)
    async with running(behaviour) as simulator:
        settings = load_settings(account(simulator, tmp_path))
        with pytest.raises(UnreadableAnswer, match="about another model, maker/another"):
            await add(settings, Clock(), "maker/new")
    assert not (tmp_path / "state").exists()
