"""Which models the setting names, and what the start says of a name that it does not know."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.model import load_models

MODELS = load_models()
VALID = (
    f"Valid names, separated by commas: {', '.join(m.short_name for m in MODELS.values())}, and the"
    " ids of these models."
)


def chosen(written: str) -> list[str]:
    return [model.model_id for model in choose_models(written, MODELS)]


def refusal(written: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        choose_models(written, MODELS)
    return refused.value.message


def test_every_model_is_chosen_by_its_id_and_by_its_short_name() -> None:
    for model in MODELS.values():
        assert chosen(model.model_id) == chosen(model.short_name) == [model.model_id]


def test_several_are_chosen_in_their_order_each_once() -> None:
    assert chosen(" 2.5-720p,lite ,, bytedance/seedance-2.5/image-to-video/720p,") == [
        "bytedance/seedance-2.5/image-to-video/720p",
        "bytedance/seedance-1-0/lite/image-to-video",
    ]


def test_an_id_means_its_own_model_even_if_another_is_called_so() -> None:
    lite, pro = choose_models("lite,2.0-pro", MODELS)
    thief = replace(pro, short_name=lite.model_id)
    known = {lite.model_id: lite, thief.model_id: thief}
    assert choose_models(lite.model_id, known) == [lite]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2.5-720", "a model that this server does not know: '2.5-720'. Did you mean 2.5-720p?"),
        ("Lite", "a model that this server does not know: 'Lite'. Did you mean lite?"),
        (
            "bytedance/seedance-1-0/lite/image-to-vidoe",
            (
                "a model that this server does not know:"
                " 'bytedance/seedance-1-0/lite/image-to-vidoe'."
                " Did you mean bytedance/seedance-1-0/lite/image-to-video?"
            ),
        ),
        (
            "lite,2.0-por",
            "a model (number 2) that this server does not know: '2.0-por'. Did you mean 2.0-pro?",
        ),
        # It is like no model, so it may be a secret in the wrong variable.
        ("sk-hKw82Jq0", "a model that this server does not know."),
        ("lite,sk-hKw82Jq0", "a model (number 2) that this server does not know."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_never_taken_for_it(
    written: str, why: str
) -> None:
    assert refusal(written) == f"SEEDANCE_MODEL names {why} {VALID}"


@pytest.mark.parametrize("written", [",", " , ,"])
def test_a_list_of_nothing_names_no_model(written: str) -> None:
    assert refusal(written) == f"SEEDANCE_MODEL names no model. {VALID}"


@given(st.text(max_size=300))
def test_whatever_is_written_is_chosen_as_it_is_or_refused_in_one_line(written: str) -> None:
    names = {
        name: model for model in MODELS.values() for name in (model.model_id, model.short_name)
    }
    parts = [part.strip() for part in written.split(",") if part.strip()]
    if parts and all(part in names for part in parts):
        assert chosen(written) == list(dict.fromkeys(names[part].model_id for part in parts))
    else:
        line = refusal(written)
        assert line.isprintable()
        assert len(line) < 1000
