"""The models that a user has added, as files of the state folder."""

import json
from pathlib import Path

from seedance_mcp.models.model import load_models
from seedance_mcp.service.added_models import load_added_models, load_known_models


def keep(folder: Path, name: str, model_id: str) -> None:
    """Write the file of an added model as its entry in the catalogue."""
    (folder / "models").mkdir(exist_ok=True)
    properties = {"prompt": {"type": "string"}}
    entry = {"model_id": model_id, "input_schema": {"properties": properties}}
    (folder / "models" / f"{name}.json").write_text(json.dumps({"entry": entry}))


def test_every_added_model_has_a_short_name_and_a_tool_of_its_own(tmp_path: Path) -> None:
    for name, model_id in zip("abc", ["2.0/pro", "2.0-pro", "2_0/pro"], strict=True):
        keep(tmp_path, name, model_id)
    added, problems = load_added_models(tmp_path, load_models())
    assert {model_id: model.short_name for model_id, model in added.items()} == {
        "2.0/pro": "2.0-pro-2",
        "2.0-pro": "2.0-pro-3",
        "2_0/pro": "2_0-pro-4",
    }
    assert problems == []


def test_a_model_that_is_bundled_by_now_is_the_bundled_one(tmp_path: Path) -> None:
    bundled = load_models()
    keep(tmp_path, "a", "bytedance/seedance-2.0/pro")
    assert load_known_models(tmp_path) == (bundled, [])
