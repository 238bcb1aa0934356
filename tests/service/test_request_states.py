"""The states that prove what a user has agreed to, and the key that they are signed with."""

import json
import os
import stat
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.file_locks import folder_lock
from seedance_mcp.service._request_states import (
    LIFETIME,
    MOST_CHARACTERS,
    Approval,
    seal,
    unseal,
)
from seedance_mcp.service.state_key import KEY_FILE, StateKey
from tests.support.ledger import NOON, job
from tests.support.timeouts import TIMEOUT_SECONDS

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
WISH = job().fingerprint
YES = Approval(nonce="n" * 32, wish=WISH, microdollars=200_000)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("microdollars", [None, 0, 200_000, 10**12])
def test_a_state_proves_what_it_was_made_from_until_it_expires(microdollars: int | None) -> None:
    approval = replace(YES, microdollars=microdollars)
    state = seal(approval, KEY, NOON)
    assert len(state) <= MOST_CHARACTERS / 2
    for late in (timedelta(0), LIFETIME - timedelta(seconds=1)):
        assert unseal(state, KEY, NOON + late) == approval
    assert unseal(state, KEY, NOON + LIFETIME) is None
    # From a clock that was wrong.
    assert unseal(state, KEY, NOON - timedelta(seconds=1)) is None


def test_a_state_that_another_key_signed_proves_nothing() -> None:
    assert unseal(seal(YES, OTHER_KEY, NOON), KEY, NOON) is None


@given(st.data())
def test_a_state_with_any_other_character_proves_nothing(data: st.DataObject) -> None:
    state = seal(YES, KEY, NOON)
    place = data.draw(st.integers(0, len(state) - 1))
    changed = data.draw(st.characters().filter(lambda c: c != state[place]))
    assert unseal(state[:place] + changed + state[place + 1 :], KEY, NOON) is None
    assert unseal(state[:place], KEY, NOON) is None
    assert unseal(state + changed, KEY, NOON) is None


@given(st.text())
def test_any_text_proves_nothing(text: str) -> None:
    assert unseal(text, KEY, NOON) is None
    assert unseal(text * 1000, KEY, NOON) is None


def test_a_content_of_the_right_form_without_a_signature_proves_nothing() -> None:
    content = json.dumps(["n", WISH, None, int(NOON.timestamp()) + 60]).encode()
    for signature in ("", "0" * 64):
        forged = f"{urlsafe_b64encode(content).decode()}.{signature}"
        assert unseal(forged, KEY, NOON) is None


@pytest.mark.parametrize(
    ("shown", "now", "covered"),
    [
        (200_000, 200_000, True),
        (200_000, 199_999, True),
        (200_000, 200_001, False),
        (None, None, True),
        (None, 1, False),
        (200_000, None, False),
        (0, 0, True),
        (0, None, False),
    ],
)
def test_a_yes_covers_what_costs_no_more_than_was_shown(
    shown: int | None, now: int | None, *, covered: bool
) -> None:
    approval = replace(YES, microdollars=shown)
    assert approval.covers(job(estimated_microdollars=now)) is covered
    assert not approval.covers(job(2, estimated_microdollars=now))


async def test_the_key_is_made_once_for_all_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert await StateKey(folder, None).read() is None
    assert not folder.exists()

    def make(_: int) -> bytes:
        return anyio.run(StateKey(folder, None).read_or_make)

    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(make, range(16)))
    (key,) = keys
    assert len(key) == 32
    assert await StateKey(folder, None).read() == key
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    if os.name == "posix":
        assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert key.hex() not in repr(StateKey(folder, key.hex()))


async def test_a_key_of_the_user_needs_no_file(tmp_path: Path) -> None:
    given = StateKey(tmp_path, "a key of the user, with 32 bytes at least")
    assert await given.read_or_make() == b"a key of the user, with 32 bytes at least"
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"k"',
        b"{}",
        b'{"key": 5}',
        b'{"key": ""}',
        b'{"key": "abcd"}',
        json.dumps({"key": "g" * 64}).encode(),
        json.dumps({"key": "a" * 63}).encode(),
        json.dumps({"key": "a" * 62 + "  "}).encode(),
        b"\xff" * 64,
    ],
)
async def test_a_damaged_key_is_reported_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / KEY_FILE
    file.write_bytes(content)
    for read in (StateKey(tmp_path, None).read, StateKey(tmp_path, None).read_or_make):
        with pytest.raises(ConfigurationError) as refused:
            await read()
        assert refused.value.line == (
            f'The user cannot be asked whether to buy this clip: the key file "{file}" is damaged.'
            " Delete it, and a new one is made, or set SEEDANCE_STATE_KEY. Nothing was charged."
        )
    assert file.read_bytes() == content


async def test_a_key_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(ConfigurationError, match="cannot be written: File exists"):
        await StateKey(tmp_path / "state", None).read_or_make()
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written: Is a directory"):
        await StateKey(tmp_path, None).read_or_make()


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot lock a folder")
async def test_a_folder_that_a_stopped_program_has_locked_is_reported(tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path),
        pytest.raises(ConfigurationError, match="written: another program has locked its folder"),
    ):
        await StateKey(tmp_path, None).read_or_make()
    assert len(await StateKey(tmp_path, None).read_or_make()) == 32


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux lists the open files")
async def test_a_key_that_another_process_makes_meanwhile_is_taken(tmp_path: Path) -> None:
    made: list[bytes] = []

    async def make() -> None:
        made.append(await StateKey(tmp_path, None).read_or_make())

    with anyio.fail_after(TIMEOUT_SECONDS):
        async with anyio.create_task_group() as tasks:
            with folder_lock(tmp_path):
                tasks.start_soon(make)
                # It has found no key by then, and waits for the lock.
                await to_thread.run_sync(wait_until_opened_twice, tmp_path)
                (tmp_path / KEY_FILE).write_text(json.dumps({"key": "ab" * 32}))
    assert made == [b"\xab" * 32]


def wait_until_opened_twice(folder: Path) -> None:
    """Wait until this process has opened a folder twice."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while sum(link == str(folder) for link in open_files()) < 2:
        assert time.monotonic() < until
        time.sleep(0.001)


def open_files() -> Iterator[str]:
    """Yield what this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            yield str(link.readlink())
