"""A real server with the proxies of an environment, readable for httpx or not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.support.client import ARGUMENTS
from tests.support.server_process import Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio

NO_PORT = "socks5://127.0.0.1:1"
LEFT_OUT = 'NO_PROXY has an entry that cannot be read, and is left out: "{}".'


@asynccontextmanager
async def listening(answer: bytes = b"") -> AsyncGenerator[tuple[int, list[bytes]], None]:
    """Yield the port of a proxy that answers once, and what it was sent first each time."""
    asked: list[bytes] = []

    async def proxy(stream: SocketStream) -> None:
        # The server may be gone by now.
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            asked.append(await stream.receive())
            await stream.send(answer)
        await stream.aclose()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, proxy)
        yield listener.extra(SocketAttribute.local_port), asked
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("variables", "left_out"),
    [
        ({"NO_PROXY": "localhost,fe80::/10"}, "fe80::/10"),
        ({"NO_PROXY": "[::1]"}, "[::1]"),
        ({"no_proxy": "http://a:b, ,.corp.example,10.0.0.0/8,::1"}, "http://a:b"),
        ({"HTTP_PROXY": NO_PORT, "NO_PROXY": "localhost,127.0.0.1,*.x"}, None),
        ({"HTTP_PROXY": "foo://[", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "foo://[", "NO_PROXY": "*"}, None),
    ],
)
async def test_a_server_starts_with_proxies_that_it_never_uses(
    servers: Servers, variables: dict[str, str], left_out: str | None, tmp_path: Path
) -> None:
    env = environment(tmp_path, RUNCOMFY_API_TOKEN="a-token", **variables)
    log = tmp_path / "log"
    with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
        async with servers.stdio(env, stderr=stderr) as pipes:
            await pipes.initialize()
            result = (await pipes.request(1, "tools/call", {"name": "list_jobs"}))["result"]
            await pipes.stdin.aclose()
            assert await pipes.process.wait() == 0
    assert result["structuredContent"]["total"] == 0
    warned = [line.partition(" seedance_mcp")[2] for line in log.read_text().splitlines()]
    assert [line.partition(": ")[2] for line in warned] == (
        [LEFT_OUT.format(left_out)] if left_out else []
    )


@pytest.mark.parametrize(
    ("variables", "first_bytes"),
    [
        ({"HTTPS_PROXY": "http://{}"}, b"CONNECT model-api.runcomfy.net:443 HTTP/1.1\r\n"),
        ({"https_proxy": "{}", "NO_PROXY": "[::1],x"}, b"CONNECT model-api.runcomfy.net:443 HTTP"),
        ({"ALL_PROXY": "http://{}", "HTTP_PROXY": NO_PORT}, b"CONNECT model-api.runcomfy.net:443"),
        ({"ALL_PROXY": "socks5://{}"}, b"\x05\x01\x00"),
    ],
)
async def test_requests_to_runcomfy_go_through_the_proxy_for_https(
    servers: Servers, variables: dict[str, str], first_bytes: bytes, tmp_path: Path
) -> None:
    async with listening(b"HTTP/1.1 403 Forbidden\r\n\r\n") as (port, asked):
        named = {name: value.format(f"127.0.0.1:{port}") for name, value in variables.items()}
        env = environment(tmp_path, RUNCOMFY_API_TOKEN="a-token", **named)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS | {"wait_seconds": 0}}
                await pipes.send(id=1, method="tools/call", params=call)
                await wait_until(lambda: bool(asked))
    assert asked[0].startswith(first_bytes)


@pytest.mark.parametrize("url", ["foo://127.0.0.1:1", "http://me:se/cret@127.0.0.1:1"])
async def test_a_proxy_for_https_that_cannot_be_read_ends_the_start_with_one_line(
    servers: Servers, url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
        async with servers.stdio(environment(tmp_path, HTTPS_PROXY=url), stderr=stderr) as pipes:
            assert await pipes.process.wait() == 1
    (line,) = log.read_text("utf-8").splitlines()
    assert line.startswith("seedance-mcp: The proxy or the certificates that the environment names")
    assert "se/cret" not in line
    assert "'se'" not in line


@pytest.mark.parametrize(("variable", "refused"), [("HTTPS_PROXY", False), ("HTTP_PROXY", True)])
async def test_an_image_whose_host_only_the_proxy_can_resolve_gets_a_warning(
    *, servers: Servers, variable: str, refused: bool, tmp_path: Path
) -> None:
    async with listening() as (port, _):
        env = environment(
            tmp_path,
            RUNCOMFY_API_TOKEN="a-token",
            SEEDANCE_CHECK_IMAGES="true",
            **{variable: f"http://127.0.0.1:{port}"},
        )
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                image = {"first_frame_image_url": "https://no-such-host.invalid/lake.jpg"}
                call = {"name": "generate_video", "arguments": ARGUMENTS | image}
                text = (await pipes.request(1, "tools/call", call))["result"]["content"][0]["text"]
    assert ("first_frame_image_url must be" in text) is refused
