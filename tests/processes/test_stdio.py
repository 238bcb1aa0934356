"""A real server over stdio: both protocol eras, nothing but JSON-RPC on stdout, a prompt end."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from seedance_mcp.mcp_server.transports.stdio import END_SECONDS
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import (
    COMMAND,
    INITIALIZE,
    MODERN_META,
    FreshServers,
    Servers,
    account,
    environment,
)
from tests.support.timeouts import NEVER_SECONDS, PROMPT_SECONDS, TIMEOUT_SECONDS, wait_until
from tests.support.wording import NO_TOKEN, TOOLS

pytestmark = pytest.mark.anyio

GOOD: dict[str, dict[str, Any]] = {
    "generate_video": ARGUMENTS,
    "list_jobs": {},
    "join_clips": {"request_ids": ["abc", "abd"]},
}


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_a_clip_is_made_over_stdio_in_both_eras(
    mode: str, version: str, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never")) as simulator:
        env = account(simulator, tmp_path)
        parameters = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=env)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with Client(parameters, mode=mode) as client:
                assert client.protocol_version == version
                assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
                made = await client.call_tool("generate_video", ARGUMENTS)
                assert made.structured_content["status"] == "completed"
                request_id = made.structured_content["request_id"]
                result = await client.call_tool("get_result", {"request_id": request_id})
                assert result.structured_content["videos"] == [
                    f"{simulator.url}/outputs/{request_id}.mp4"
                ]
        assert [job.request_id for job in simulator.accepted] == [request_id]


async def test_the_stateless_revision_needs_no_handshake(servers: Servers, tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            listed = await pipes.request(1, "tools/list", {"_meta": MODERN_META})
            assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS
            params = {"name": "get_result", "arguments": {}, "_meta": MODERN_META}
            answer = await pipes.request(2, "tools/call", params)
            assert answer["result"]["isError"] is True
            assert answer["result"]["content"][0]["text"].startswith("request_id is required")


async def test_a_client_whose_probe_was_answered_too_late_can_fall_back_to_the_handshake(
    servers: Servers, tmp_path: Path
) -> None:
    # The AI SDK waits one second for the answer to its probe, which a loaded machine takes longer
    # to give.
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await pipes.send(id=0, method="server/discover", params={"_meta": MODERN_META})
            await pipes.send(method="notifications/cancelled", params={"requestId": 0})
            await pipes.send(id=1, method="initialize", params=INITIALIZE)
            await pipes.send(method="notifications/initialized")
            assert "2026-07-28" in (await pipes.answer(0))["result"]["supportedVersions"]
            assert (await pipes.answer(1))["result"]["protocolVersion"] == "2025-11-25"
            listed = await pipes.request(2, "tools/list")
            assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS


async def test_stdout_has_nothing_but_json_rpc(tmp_path: Path) -> None:
    async with running(Behaviour(images="never")) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_LOG_LEVEL="debug", PYTHONUNBUFFERED="1")
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with FreshServers().stdio(env) as pipes:
                await pipes.initialize()
                await pipes.send_raw(b"this is no JSON\n{}\n[]\n\xff\xfe\n")
                await pipes.request(1, "tools/list")
                await pipes.request(2, "no/such/method")
                await pipes.request(3, "tools/call", {"name": "no_such_tool", "arguments": {}})
                call: dict[str, Any] = {"name": "generate_video", "arguments": ARGUMENTS}
                await pipes.request(4, "tools/call", {**call, "_meta": {"progressToken": "p"}})
                await pipes.request(5, "tools/call", {**call, "arguments": {"promt": "x"}})
                await pipes.stdin.aclose()
                rest = await pipes.read_rest()
                assert await pipes.process.wait() == 0
        messages = [json.loads(line) for line in [*pipes.lines, *rest.splitlines()]]
        assert {message["jsonrpc"] for message in messages} == {"2.0"}
        answered = {message["id"] for message in messages if message.get("id") is not None}
        assert answered == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("busy", "end"),
    [
        *(("idle", end) for end in ("eof", signal.SIGTERM, signal.SIGINT)),
        *(("waiting", end) for end in ("eof", signal.SIGTERM, signal.SIGINT)),
        *(("submitting", end) for end in (signal.SIGTERM, signal.SIGINT, "eof and SIGTERM")),
    ],
)
async def test_the_process_ends_promptly_with_exit_code_0(
    servers: Servers, end: str | signal.Signals, busy: str, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never", run_seconds=NEVER_SECONDS)) as simulator:
        if busy == "submitting":
            simulator.faults.append(Fault.delay("submit", NEVER_SECONDS))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                if busy != "idle":
                    call = {"name": "generate_video", "arguments": ARGUMENTS}
                    meta = {"_meta": {"progressToken": 1}}
                    await pipes.send(id=1, method="tools/call", params={**call, **meta})
                    said = "in queue" if busy == "waiting" else "submitting"
                    while said not in (await pipes.receive())["params"]["message"]:
                        pass
                started_at = time.monotonic()
                if isinstance(end, signal.Signals):
                    pipes.process.send_signal(end)
                else:
                    await pipes.stdin.aclose()
                if end == "eof and SIGTERM":
                    pipes.process.send_signal(signal.SIGTERM)
                assert await pipes.process.wait() == 0
                assert time.monotonic() - started_at < PROMPT_SECONDS


async def test_a_client_that_is_killed_leaves_no_paid_request_unknown(
    servers: Servers, tmp_path: Path
) -> None:
    ending = anyio.Event()

    async def delay(_: float) -> None:
        await ending.wait()

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, sleep=delay) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS}
                await pipes.send(id=1, method="tools/call", params=call)
                await wait_until(lambda: bool(simulator.accepted))
                await pipes.stdin.aclose()
                # By then, an idle one has ended.
                with anyio.move_on_after(2 * END_SECONDS):
                    await pipes.process.wait()
                ending.set()
                assert await pipes.process.wait() == 0
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                listing = await pipes.request(1, "tools/call", {"name": "list_jobs"})
        (job,) = listing["result"]["structuredContent"]["jobs"]
        assert job["request_id"] == simulator.accepted[0].request_id


async def test_the_process_ends_with_stdin_even_if_its_answers_are_not_read(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await pipes.initialize()
            for number in range(1, 61):
                await pipes.send(id=number, method="tools/list", params={})
            started_at = time.monotonic()
            await pipes.stdin.aclose()
            assert await pipes.process.wait() == 0
            assert time.monotonic() - started_at < PROMPT_SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="the test looks for handlers in /proc")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_process_that_is_still_starting_with_exit_code_0(
    end: signal.Signals, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with FreshServers().stdio(environment(tmp_path)) as pipes:
            status = Path(f"/proc/{pipes.process.pid}/status")
            await wait_until(lambda: _catches(status.read_text(), signal.SIGTERM))
            pipes.process.send_signal(end)
            assert await pipes.process.wait() == 0
            assert await pipes.read_rest() == b""


def _catches(status: str, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal, from its status in /proc."""
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("line", "id_", "why"),
    [
        (rb'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\ud83d"}}', 7, "surrogate"),
        (rb'{"jsonrpc":"2.0","id":"x","method":"ping","params":{"a":"\ud83d"}}', "x", "surrogate"),
        (rb'{"jsonrpc":"2.0","id":7,"method":"ping"', None, "EOF"),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}', None, ""),
        (b"[" * 100_000, None, "recursion"),
        (b'{"id":7,"params":{"id":1,"a":' + b"9" * 5000 + b"}}", 7, "number"),
        (b'{"params":[[{"id":1}],' + b"[" * 1000 + b"]" * 1001 + b',"id":"x"}', "x", "recursion"),
        (b'{"id":7,"params":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, 7, "recursion"),
        (b'{"method":"id","id":7.5,"id":true,"a":"\\"id\\":8", "id" : 9 ,}', 9, "trailing"),
        (b'{"id":7,"a":' + b'"\\' * 300_000, None, "escape"),
    ],
    ids=[
        *("surrogate", "surrogate, named", "cut", "number", "deep", "number inside"),
        *("deep list inside", "deep object inside", "many ids", "cut text"),
    ],
)
async def test_a_line_that_cannot_be_read_is_answered(
    servers: Servers, line: bytes, id_: str | int | None, why: str, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            await pipes.send_raw(line + b"\n")
            answer = await pipes.receive()
            message = answer["error"].pop("message")
            assert answer == {"jsonrpc": "2.0", "id": id_, "error": {"code": -32700}}
            assert message.startswith("The line is not valid JSON-RPC: ")
            assert why in message
            assert message.endswith(". Nothing was done or charged.")
            assert len(message) < 300
            listed = await pipes.request(8, "tools/list", {"_meta": MODERN_META})
            assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS


async def test_a_batch_is_refused_in_one_line(servers: Servers, tmp_path: Path) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            for batch in ([ping, ping | {"id": 2}], []):
                await pipes.send_raw(b" " + json.dumps(batch).encode() + b"\n")
                error = {
                    "code": -32600,
                    "message": "Batches are not supported: send each message by itself."
                    " Nothing was done or charged.",
                }
                assert await pipes.receive() == {"jsonrpc": "2.0", "id": None, "error": error}


async def test_an_unknown_method_is_not_repeated_at_length(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(environment(tmp_path)) as pipes:
            for number, name in enumerate(["no/such", "x" * 10**6]):
                answer = await pipes.request(number, name, {"_meta": MODERN_META})
                error = {"code": -32601, "message": "Method not found"}
                assert answer["error"].pop("data") == (name if number == 0 else "x" * 59 + "…")
                assert answer["error"] == error


@pytest.mark.parametrize(
    ("answered", "status", "is_error"), [(True, "in_queue", False), (False, "unknown", True)]
)
async def test_a_call_is_answered_before_the_end_with_what_is_known_of_its_paid_request(
    *, servers: Servers, answered: bool, status: str, is_error: bool, tmp_path: Path
) -> None:
    ending = anyio.Event()

    async def delay(_: float) -> None:
        await (ending.wait() if answered else anyio.sleep_forever())

    behaviour = Behaviour(images="never", run_seconds=NEVER_SECONDS)
    async with running(behaviour, sleep=delay) as simulator:
        simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS}
                await pipes.send(id=1, method="tools/call", params=call)
                await wait_until(lambda: bool(simulator.accepted))
                pipes.process.send_signal(signal.SIGTERM)
                ending.set()
                result = (await pipes.answer(1))["result"]
                assert await pipes.process.wait() == 0
        known = simulator.accepted[0].request_id if status == "in_queue" else None
        structure = result["structuredContent"]
        assert (structure["status"], structure["request_id"]) == (status, known)
        assert result["isError"] is is_error


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_process_whose_client_reads_no_answer(
    servers: Servers, end: signal.Signals, tmp_path: Path
) -> None:
    asked = [{"jsonrpc": "2.0", "id": number, "method": "tools/list"} for number in range(3_000)]
    async with running() as simulator:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(account(simulator, tmp_path)) as pipes:
                await pipes.initialize()
                await pipes.send_raw(b"".join(json.dumps(each).encode() + b"\n" for each in asked))
                pipes.process.send_signal(end)
                assert await pipes.process.wait() == 0


async def test_a_client_that_leaves_while_a_call_waits_is_not_an_error(
    servers: Servers, tmp_path: Path
) -> None:
    async with running(Behaviour(images="never", run_seconds=NEVER_SECONDS)) as simulator:
        env = account(simulator, tmp_path)
        log = tmp_path / "log"
        with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
            async with servers.stdio(env, stderr=stderr) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS}
                meta = {"_meta": {"progressToken": 1}}
                await pipes.send(id=1, method="tools/call", params={**call, **meta})
                await wait_until(lambda: bool(simulator.accepted))
                assert pipes.process.stdout
                await pipes.process.stdout.aclose()
                await pipes.stdin.aclose()
                assert await pipes.process.wait() == 0
        assert log.read_bytes() == b""


async def test_a_proxy_of_the_environment_does_not_see_the_token(
    servers: Servers, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    async def proxy(stream: SocketStream) -> None:
        asked.append(await stream.receive())
        await stream.aclose()

    async with (
        running(Behaviour(images="never")) as simulator,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, proxy)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        env = account(
            simulator,
            tmp_path,
            HTTP_PROXY=f"http://127.0.0.1:{port}",
            ALL_PROXY=f"http://127.0.0.1:{port}",
        )
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.stdio(env) as pipes:
                await pipes.initialize()
                call = {"name": "generate_video", "arguments": ARGUMENTS | {"wait_seconds": 0}}
                await pipes.request(1, "tools/call", call)
        tasks.cancel_scope.cancel()
    assert (len(simulator.accepted), asked) == (1, [])


async def test_a_proxy_that_cannot_be_used_ends_the_start_with_one_line(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, SSL_CERT_FILE=str(tmp_path / "no-such-file"))
    log = tmp_path / "log"
    with anyio.fail_after(TIMEOUT_SECONDS), log.open("wb") as stderr:
        async with servers.stdio(env, stderr=stderr) as pipes:
            # stdin stays open: the end does not wait for the client.
            assert await pipes.process.wait() == 1
    (line,) = log.read_text("utf-8").splitlines()
    assert line.startswith("seedance-mcp: The proxy or the certificates that the environment names")


async def test_the_first_call_is_answered_with_the_reason_that_ends_the_start(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, SSL_CERT_FILE=str(tmp_path / "no-such-file"))
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(env, stderr=DEVNULL) as pipes:
            await pipes.initialize()
            result = (await pipes.request(1, "tools/call", {"name": "list_jobs"}))["result"]
            assert await pipes.process.wait() == 1
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert text.startswith("The proxy or the certificates that the environment names")
    assert text.endswith("Nothing was charged.")


async def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, SEEDANCE_WAIT_SECONDS="901")
    with anyio.fail_after(TIMEOUT_SECONDS):
        process = await servers.command([], env)
    assert process.returncode == 1
    assert process.stdout == b""
    assert process.stderr == (
        b"seedance-mcp: SEEDANCE_WAIT_SECONDS must be a whole number from 0 to 900.\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's id")
@pytest.mark.parametrize("unset", ["SEEDANCE_STATE_DIR", "SEEDANCE_OUTPUT_DIR"])
async def test_without_a_home_the_start_stops_with_one_line_that_says_what_to_set(
    unset: str, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    del env["HOME"], env[unset]
    command = [sys.executable, "-c", _WITHOUT_PASSWD]
    with anyio.fail_after(TIMEOUT_SECONDS):
        process = await anyio.run_process(command, env=env, check=False)
    assert (process.returncode, process.stdout) == (1, b"")
    assert process.stderr.decode() == (
        f"seedance-mcp: {unset} must be set to the absolute path of a folder, since the user's home"
        " folder is unknown (HOME is not set).\n"
    )


# The user whose id it takes has no entry in /etc/passwd.
_WITHOUT_PASSWD = """
import os
import platformdirs.unix, pwd, seedance_mcp.cli._serve, seedance_mcp.mcp_server.app
import seedance_mcp.mcp_server.transports.stdio
from seedance_mcp.cli.main import main
os.setuid(54321)
main([])
"""


async def test_a_home_that_cannot_be_written_names_the_variable_to_set(
    servers: Servers, tmp_path: Path
) -> None:
    env = environment(tmp_path, HOME="/dev/null", RUNCOMFY_API_TOKEN="a-token")
    del env["SEEDANCE_STATE_DIR"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.stdio(env) as pipes:
            await pipes.initialize()
            result = (await pipes.request(1, "tools/call", {"name": "list_jobs"}))["result"]
    assert result["content"][0]["text"] == (
        "The ledger in /dev/null/.local/state/seedance-mcp cannot be used: Not a directory; set"
        " SEEDANCE_STATE_DIR to a writable folder. Nothing was charged."
    )


async def test_no_token_is_needed_to_start_and_every_tool_says_how_to_set_it(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        # The token is checked before any image.
        env = environment(tmp_path, SEEDANCE_CHECK_IMAGES="true")
        async with servers.stdio(env) as pipes:
            await pipes.initialize()
            for number, tool in enumerate(TOOLS, 1):
                params = {"name": tool, "arguments": GOOD.get(tool, {"request_id": "abc"})}
                result = (await pipes.request(number, "tools/call", params))["result"]
                assert result["isError"] is True
                assert result["content"][0]["text"] == (NO_TOKEN)
