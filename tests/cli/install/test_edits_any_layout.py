"""Whatever a file looks like: the entry comes in, and goes out without a trace."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedance_mcp.cli.install.edits import (
    Format,
    UneditableFile,
    value_at,
    with_value,
    without_value,
)
from tests.support.odd_layouts import json_texts, toml_texts, yaml_texts

KEYS = ("mcpServers", "seedance")
ENTRY = {"command": "/x", "args": ["a"], "env": {"A": "b"}}
LAYOUTS = {"json": json_texts(), "toml": toml_texts(), "yaml": yaml_texts()}
FORMATS = pytest.mark.parametrize("form", ["json", "toml", "yaml"])
EDITS = st.lists(
    st.tuples(
        st.integers(0, 1000), st.sampled_from([*"{}[],:\"'\n\r\t #/*&-\\=.|!?\0\x85\u2028é", ""])
    ),
    max_size=2,
)
SETTINGS = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def squeezed(data: bytes) -> bytes:
    return b"".join(data.split())


def parts_in_toml(replaced: str | None) -> int:
    """Return of how many tables an entry was at most."""
    return (replaced or "").count("seedance")


@FORMATS
@SETTINGS
@given(data=st.data())
def test_an_entry_goes_without_a_trace(form: Format, data: st.DataObject) -> None:
    before = data.draw(LAYOUTS[form]).encode()
    try:
        edited = with_value(before, form, KEYS, ENTRY)
    except UneditableFile:
        assert form == "yaml"  # a text whose last line has no end, or an anchor
        return
    assert value_at(edited.data, form, KEYS) == ENTRY
    assert with_value(edited.data, form, KEYS, ENTRY).data == edited.data
    after = without_value(edited.data, form, KEYS, edited.undo)
    if form == "toml" and parts_in_toml(edited.undo.replaced) > 1:
        # Tables of one entry with others between them come back side by side.
        assert tomllib.loads(after.decode("utf-8-sig")) == tomllib.loads(before.decode("utf-8-sig"))
    else:
        assert after == before


@FORMATS
@SETTINGS
@given(data=st.data())
def test_an_entry_goes_without_what_others_wrote_since(form: Format, data: st.DataObject) -> None:
    before = data.draw(LAYOUTS[form]).encode()
    others = data.draw(st.sampled_from([("other",), ("mcpServers", "other")]))
    try:
        edited = with_value(before, form, KEYS, ENTRY)
        changed = with_value(edited.data, form, others, {"q": 1})
    except UneditableFile:
        assert form == "yaml"
        return
    without = without_value(changed.data, form, KEYS, edited.undo)
    assert value_at(without, form, others) == {"q": 1}
    if edited.undo.made or edited.undo.filler is not None or parts_in_toml(edited.undo.replaced):
        return  # an empty container may have been filled in another layout
    assert squeezed(without_value(without, form, others, changed.undo)) == squeezed(before)


@FORMATS
@SETTINGS
@given(data=st.data())
def test_a_damaged_file_is_refused_in_one_line_or_edited_all_the_same(
    form: Format, data: st.DataObject
) -> None:
    text = data.draw(LAYOUTS[form])
    for place, new in data.draw(EDITS):
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + (not new) :]
    refusal = None
    try:
        edited = with_value(text.encode(), form, KEYS, ENTRY)
        without_value(edited.data, form, KEYS, edited.undo)
    except UneditableFile as error:
        refusal = error.message
    assert refusal is None or (refusal.isprintable() and 0 < len(refusal) < 400)


@FORMATS
@SETTINGS
@given(data=st.binary(max_size=30))
def test_any_bytes_are_refused_or_come_back(form: Format, data: bytes) -> None:
    try:
        edited = with_value(data, form, KEYS, ENTRY)
    except UneditableFile:
        return
    assert without_value(edited.data, form, KEYS, edited.undo) == data
