"""A line over stdio that is too long: answered, skipped, and never held."""

import sys
from pathlib import Path

import anyio
import pytest

from tests.support.server_process import MODERN_META, Pipes, Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import TOOLS

pytestmark = pytest.mark.anyio

MIB = 2**20
TOO_LONG = "The line is longer than 64 MiB. Nothing was done or charged."


async def send_padded(pipes: Pipes, start: bytes, mebibytes: int, end: bytes) -> None:
    """Send a line with that much padding in it."""
    await pipes.send_raw(start)
    for _ in range(mebibytes):
        await pipes.send_raw(b"x" * MIB)
    await pipes.send_raw(end + b"\n")


@pytest.mark.parametrize(
    ("start", "end", "id_"),
    [
        (b'{"jsonrpc":"2.0","id":7,"params":{"id":1,"a":"', b'"}}', 7),
        (b'{"params":{"id":1,"a":"', b'","b":{"id":2}},"method":"id","id" : "x\\u0041"}', "xA"),
        (b'{"params":{"id":1,"a":"', b'","b":"\\"id\\":3"},"id":8,"c":[{"id":2}]}', 8),
        (b'{"params":{"id":1,"a":"', b'"},"c":[{"id":2}]}', None),
        (b'{"a":"' + b"x" * 65_523 + b'","id":12', b"", None),
        (b"[" * 70_000 + b'"', b'"id":1', None),
    ],
    ids=["start", "end", "end, not last", "only others", "cut", "no object"],
)
async def test_a_line_over_64_mib_is_answered_under_its_id(
    servers: Servers, start: bytes, end: bytes, id_: str | int | None, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await send_padded(pipes, start, 64, end)
            error = {"code": -32600, "message": TOO_LONG}
            assert await pipes.receive() == {"jsonrpc": "2.0", "id": id_, "error": error}
            listed = await pipes.request(9, "tools/list", {"_meta": MODERN_META})
            assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much was in use")
async def test_of_a_line_of_200_mib_no_more_than_64_are_held(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await pipes.request(1, "tools/list", {"_meta": MODERN_META})
            before = most_in_use(pipes.process.pid)
            await send_padded(pipes, b'{"jsonrpc":"2.0","id":7,"a":"', 200, b'"}')
            assert (await pipes.receive())["id"] == 7
            assert most_in_use(pipes.process.pid) - before < 90 * MIB


def most_in_use(pid: int) -> int:
    """Return the most bytes of memory that a process ever had in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def test_a_line_of_60_mib_is_read(servers: Servers, tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await send_padded(pipes, b'{"jsonrpc":"2.0","id":7,"method":"no/such","x":"', 60, b'"}')
            answer = await pipes.receive()
    assert (answer["id"], answer["error"]["message"]) == (7, "Method not found")
