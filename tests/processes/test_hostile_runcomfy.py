"""A RunComfy that is hostile in every answer cannot fell the server, stop it, or lose an id."""

import os
import sys
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("it forks, and reads /proc", allow_module_level=True)

from tests.support.client import ARGUMENTS
from tests.support.fork_server import ForkServer
from tests.support.forked_server import ForkedServer
from tests.support.hostile_runcomfy import (
    HostileRunComfy,
    Hostility,
    bomb,
    run_hostile_runcomfy,
)
from tests.support.json_values import json_objects, json_values
from tests.support.server_process import environment
from tests.support.timeouts import TIMEOUT_SECONDS

MAX_MEGABYTES = 250
MAX_STANDSTILL_SECONDS = 0.5

IDS = count(1)
STATUSES = st.sampled_from([200, 200, 202, 204, 302, 400, 401, 402, 404, 422, 429, 500, 503])
ANY_STATUS = STATUSES | st.integers(200, 599)
CODINGS = st.sampled_from(["identity", "gzip", "deflate", "gzip, gzip", "br"])
SAID_AND_DONE = CODINGS.map(lambda coding: (coding, coding)) | st.tuples(CODINGS, CODINGS)
CHARSETS = st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-32"])
BODIES = json_objects() | json_objects() | json_values() | st.binary(max_size=99)


def hostilities(*cuts: int) -> st.SearchStrategy[Hostility]:
    """Return a strategy for any answer, which is perhaps cut short."""

    def made(status: int, body: Any, charset: str, coding: tuple[Any, Any], cut: int) -> Hostility:
        said, done = coding
        return Hostility(status=status, body=body, charset=charset, said=said, done=done, cut=cut)

    return st.builds(made, ANY_STATUS, BODIES, CHARSETS, SAID_AND_DONE, st.sampled_from([0, *cuts]))


class Victim:
    """A server over stdio whose RunComfy is hostile."""

    def __init__(self, server: ForkedServer, hostile: HostileRunComfy) -> None:
        self.server = server
        self.hostile = hostile

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; meanwhile the server must answer other requests promptly."""
        call = self.server.send_call(tool, **arguments)
        while (result := self.server.received(call)) is None:
            before = self._cpu_seconds()
            await self.server.answer(self.server.send("prompts/list"))
            # Not the wall clock: the machine may be busy.
            assert self._cpu_seconds() - before < MAX_STANDSTILL_SECONDS
            await anyio.sleep(0.01)
        assert "broke inside this server" not in str(result)
        return result

    @property
    def megabytes(self) -> int:
        """The most memory that the process ever took."""
        lines = Path(f"/proc/{self.server.pid}/status").read_text("ascii").splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(peak) // 1024

    def _cpu_seconds(self) -> float:
        numbers = Path(f"/proc/{self.server.pid}/stat").read_text("ascii").rpartition(")")[2]
        return sum(map(int, numbers.split()[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def victim(fork_server: ForkServer, tmp_path: Path) -> Generator[Victim, None, None]:
    with run_hostile_runcomfy() as hostile:
        env = environment(
            tmp_path,
            RUNCOMFY_API_TOKEN="made-up",
            RUNCOMFY_API_BASE_URL=hostile.url,
            SEEDANCE_MAX_JOBS_PER_HOUR="100000",
            SEEDANCE_LOG_LEVEL="critical",
        )
        with fork_server.forked(env) as server:
            yield Victim(server, hostile)


async def attack(victim: Victim, submit: Hostility, **others: Hostility) -> None:
    """Buy a clip, follow it and cancel it; no id that was named may be lost."""
    request_id = f"job-{next(IDS)}"
    body, named = submit.body, submit
    if isinstance(body, dict):
        named = replace(submit, body=cast("dict[str, Any]", body) | {"request_id": request_id})
    victim.hostile.answers = {"submit": named, **others}
    with anyio.fail_after(TIMEOUT_SECONDS):
        made = await victim.call("generate_video", **ARGUMENTS, force_new=True, wait_seconds=0)
        if named is not submit and named.can_be_read and named.status != 204:
            assert made["structuredContent"]["request_id"] == request_id
            listed = await victim.call("list_jobs", limit=1)
            assert listed["structuredContent"]["jobs"][0]["request_id"] == request_id
        await victim.call("check_status", request_id=request_id, wait_seconds=0)
        await victim.call("get_result", request_id=request_id)
        await victim.call("cancel_job", request_id=request_id)


def long_text() -> bytes:
    """Return a text that takes four times its size in memory."""
    return b'{"status": "completed", "x": "\xf0\x9f\x98\x80' + b"x" * 13_000_000 + b'"}'


def large(head: bytes, tail: bytes = b'"}', *, fill: bytes = b"x") -> bytes:
    """Return a body of 13 MB, all of it one text that takes four bytes a character."""
    return head + "😀".encode() + fill * (13_000_000 // len(fill)) + tail


def many_parts(count: int) -> bytes:
    """Return a list of so many empty objects."""
    return b"[" + b"{}," * count + b"{}]"


LONG = Hostility(body=long_text)
ZIPPED = replace(LONG, said="gzip", done="gzip")
MANY = Hostility(body=partial(many_parts, 4_300_000))
FEWER = Hostility(body=partial(many_parts, 340_000))
BOMB = Hostility(body=partial(bomb, 250), said="gzip, gzip")


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hostilities(1, 9), hostilities(), hostilities(), hostilities(1))
@example(replace(BOMB, status=402), BOMB, MANY, LONG)
@example(FEWER, BOMB, ZIPPED, BOMB)
def test_no_answer_of_runcomfy_fells_or_stops_the_server_or_loses_an_id_that_it_names(
    victim: Victim, submit: Hostility, status: Hostility, result: Hostility, cancel: Hostility
) -> None:
    anyio.run(lambda: attack(victim, submit, status=status, result=result, cancel=cancel))
    assert victim.megabytes < MAX_MEGABYTES


LARGE = {
    "an error": Hostility(status=400, body=partial(large, b'{"error": "')),
    "an error that is retried": Hostility(status=503, body=partial(large, b'{"message": "')),
    "a list of errors": Hostility(
        status=400,
        body=partial(large, b'{"detail": ["', b'"]}', fill=b"x" * 9990 + b'", "\\ud83d\\ude00'),
    ),
    "a status": Hostility(body=partial(large, b'{"status": "')),
    "another id": Hostility(body=partial(large, b'{"status": "completed", "request_id": "')),
    "an echo": Hostility(
        body=partial(large, b'{"status": "succeeded", "output": {}, "input": {"x": "', b'"}}')
    ),
    "an output": Hostility(
        body=partial(large, b'{"status": "succeeded", "output": {"video": "', b'"}}')
    ),
    "too many parts": Hostility(body=partial(large, b'["', b'"' + b",[]" * 200_000 + b"]")),
    "zipped": Hostility(
        body=partial(large, b'{"status": "completed", "error_code": "'), said="gzip", done="gzip"
    ),
    "damaged": Hostility(body=partial(large, b'{"status": "', b"")),
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind == "an output" else pytest.mark.stress) for kind in LARGE],
)
def test_large_answers_to_several_calls_at_once_do_not_fill_memory(
    victim: Victim, kind: str
) -> None:
    victim.hostile.answers = dict.fromkeys(["submit", "status", "result", "cancel"], LARGE[kind])

    async def call() -> None:
        server = victim.server
        calls = [
            server.send_call(tool, request_id=f"{tool}-{number}", **more)
            for number in range(2)
            for tool, more in (("check_status", {"wait_seconds": 0}), ("get_result", {}))
        ]
        calls += [server.send_call("cancel_job", request_id="a"), server.send_call("list_jobs")]
        with anyio.fail_after(TIMEOUT_SECONDS):
            for one in calls:
                assert "broke inside this server" not in str(await server.answer(one))

    anyio.run(call)
    assert victim.megabytes < MAX_MEGABYTES
