"""Session ids that hold their session; pure."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import integers, text
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

from seedance_mcp.mcp_server.transports._session_ids import (
    MOST_CAPABILITIES,
    MOST_CHARACTERS,
    ClientSession,
    seal,
    unseal,
)
from tests.support.apps_client import CAPABILITIES

KEY, NONCE = b"k" * 32, "n" * 32
SESSION = ClientSession(
    protocol_version="2025-11-25",
    client_info={"name": "a client", "version": "1.2"},
    capabilities={"elicitation": {"form": {}}, "extensions": {"example/ui": {"types": ["a"]}}},
)


@given(text(), text(), text())
def test_an_id_is_the_session_for_whom_it_was_made(name: str, version: str, owner: str) -> None:
    session = ClientSession(
        protocol_version="2025-06-18",
        client_info={"name": name[:40], "version": version[:40]},
        capabilities=SESSION.capabilities,
    )
    made = seal(session, KEY, owner=owner, nonce=NONCE)
    assert made.isascii()
    assert made.isprintable()
    assert " " not in made
    assert unseal(made, KEY, owner=owner) == session
    assert unseal(made, KEY, owner=f"{owner}'") is None
    assert unseal(made, b"j" * 32, owner=owner) is None


@given(integers(0, 10_000), text(min_size=1, max_size=1))
def test_an_id_with_another_character_is_none(at: int, other: str) -> None:
    made = seal(SESSION, KEY, owner="alice", nonce=NONCE)
    at %= len(made)
    changed = made[:at] + other + made[at + 1 :]
    assert changed == made or unseal(changed, KEY, owner="alice") is None


@pytest.mark.parametrize("session_id", ["", ".", "..", "1..", "1", "é", "x" * 100_000, "2.a.b"])
def test_what_was_never_an_id_is_none(session_id: str) -> None:
    assert unseal(session_id, KEY, owner="") is None


def test_an_id_of_another_version_is_none_although_it_is_signed() -> None:
    made = seal(SESSION, KEY, owner="", nonce=NONCE)
    assert unseal(f"2{made[1:]}", KEY, owner="") is None


def test_a_client_that_says_too_much_of_itself_has_a_short_id_all_the_same() -> None:
    session = ClientSession(
        protocol_version="2025-11-25",
        client_info={"name": "🎬" * 10_000, "version": "🎬" * 10_000, "title": "a title"},
        capabilities={"experimental": {"x": {"y": "z" * MOST_CAPABILITIES}}},
    )
    made = seal(session, KEY, owner="", nonce=NONCE)
    assert unseal(made, KEY, owner="") == ClientSession(
        protocol_version="2025-11-25",
        client_info={"name": "🎬" * 40, "version": "🎬" * 40},
        capabilities={},
    )


@pytest.mark.parametrize(
    ("media_types", "kept"),
    [
        ([APP_MIME_TYPE, *map(str, range(1000))], CAPABILITIES),
        ([*map(str, range(1000))], {}),
        (APP_MIME_TYPE + "z" * MOST_CAPABILITIES, {}),
        ({APP_MIME_TYPE: "z" * MOST_CAPABILITIES}, {}),
    ],
    ids=["among many", "not among many", "in a long string", "a key"],
)
def test_of_too_many_capabilities_those_are_kept_that_this_server_acts_on(
    media_types: object, kept: dict[str, Any]
) -> None:
    extensions = {EXTENSION_ID: {"mimeTypes": media_types, "more": [1]}, "example/other": {}}
    session = replace(SESSION, capabilities={"elicitation": {}, "extensions": extensions})
    made = unseal(seal(session, KEY, owner="", nonce=NONCE), KEY, owner="")
    assert made == replace(session, capabilities=kept)


def test_the_longest_id_counts() -> None:
    capabilities = {"experimental": {"x": {"y": ""}}}
    capabilities["experimental"]["x"]["y"] = "z" * (
        MOST_CAPABILITIES - len(json.dumps(capabilities, separators=(",", ":")))
    )
    session = ClientSession(
        protocol_version="2025-11-25",
        client_info={"name": "🎬" * 40, "version": "🎬" * 40},
        capabilities=capabilities,
    )
    made = seal(session, KEY, owner="a" * 1000, nonce=NONCE)
    assert 2700 < len(made) <= MOST_CHARACTERS
    assert unseal(made, KEY, owner="a" * 1000) == session
