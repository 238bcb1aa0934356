"""What commands do where nothing can be written or read."""

import sys
from pathlib import Path

import pytest

from tests.support.server_process import FreshServers, environment

if sys.platform != "linux":
    pytest.skip("it has no /dev/full", allow_module_level=True)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("arguments", "where", "code", "said"),
    [
        (["jobs"], ">&- 2>&-", 0, ""),
        ([], "<&-", 0, ""),
        (["jobs"], ">/dev/full", 1, "Cannot write to stdout: no space left on device."),
    ],
)
async def test_a_stream_that_is_closed_or_full_ends_a_command_without_a_traceback(
    arguments: list[str], where: str, code: int, said: str, tmp_path: Path
) -> None:
    servers = FreshServers(("sh", "-c", f'exec "$@" {where}', "sh"))
    run = await servers.command(arguments, environment(tmp_path))
    expected = f"seedance-mcp: {said}\n" if said else ""
    assert (run.returncode, run.stdout, run.stderr.decode()) == (code, b"", expected)
