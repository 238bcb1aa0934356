"""Two servers over HTTP that share a ledger: each answers for what the other has begun."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator, running
from tests.support.asked_user import AskedUser, answered, asked, result_of
from tests.support.client import ARGUMENTS, ToolClient, structured
from tests.support.notifications import UpdateListener
from tests.support.postgres import PostgresServer
from tests.support.server_process import Servers, account
from tests.support.task_client import TaskPolling, ask_about_task, start_task
from tests.support.timeouts import NEVER_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

KEY = "a-key-that-all-replicas-share-0123456789"

NOW = {**ARGUMENTS, "wait_seconds": 0}


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.stress), "postgres"])
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what servers have in their environment for a ledger in either database."""
    if request.param == "sqlite":
        return {}
    return {"SEEDANCE_DATABASE_URL": request.getfixturevalue("database_url")}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two servers, by their URLs, and what they buy from.

    Attributes:
        seconds: The simulator's clock: its last item is the time.
        released: Ends the delays of the simulator.
    """

    simulator: Simulator
    seconds: list[float]
    released: anyio.Event
    urls: list[str] = field(default_factory=list[str])

    @asynccontextmanager
    async def clients(self, **options: Any) -> AsyncGenerator[tuple[Client, Client], None]:
        """Connect a client of the newer era to each."""
        one, other = self.urls
        async with Client(one, **options) as first, Client(other, **options) as second:
            yield first, second


@asynccontextmanager
async def open_pair(
    servers: Servers, folder: Path, variables: dict[str, str]
) -> AsyncGenerator[Pair, None]:
    """Run two servers that share a ledger, on two machines where the ledger is in a database."""
    seconds, released = [0.0], anyio.Event()
    behaviour = Behaviour(images="never", queue_seconds=100, run_seconds=100)

    async def delay(_: float) -> None:
        await released.wait()

    async with (
        running(behaviour, clock=lambda: seconds[-1], sleep=delay) as simulator,
        AsyncExitStack() as stack,
    ):
        pair = Pair(simulator=simulator, seconds=seconds, released=released)
        stack.enter_context(anyio.fail_after(TIMEOUT_SECONDS))
        for number in range(2):
            home = folder / str(number if variables.get("SEEDANCE_DATABASE_URL") else "both")
            env = account(simulator, home, SEEDANCE_STATE_KEY=KEY, **variables)
            url, _ = await stack.enter_async_context(servers.http(env))
            pair.urls.append(url)
        yield pair


def token_of(name: str) -> str:
    """Return a caller's access token."""
    return f"{name}-s-token-0123456789-0123456789-0123456789"


@asynccontextmanager
async def open_client(url: str, name: str) -> AsyncGenerator[Client, None]:
    """Connect a client with the access token of a caller."""
    headers = {"Authorization": f"Bearer {token_of(name)}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def test_a_task_of_one_server_is_polled_cancelled_and_awaited_at_the_other(
    servers: Servers, variables: dict[str, str], tmp_path: Path
) -> None:
    async with (
        open_pair(servers, tmp_path, variables) as pair,
        pair.clients(extensions=[TaskPolling()]) as (one, other),
    ):
        task = await start_task(one, ARGUMENTS)
        unwanted = await start_task(one, {**ARGUMENTS, "prompt": "Rain."})
        assert (await ask_about_task(other.session, "get", task.task_id))["status"] == "working"
        await ask_about_task(other.session, "cancel", unwanted.task_id)
        for client in (one, other):
            state = await ask_about_task(client.session, "get", unwanted.task_id)
            assert state["status"] == "cancelled"
        pair.seconds.append(500)
        for client in (other, one):
            state = await ask_about_task(client.session, "get", task.task_id)
            assert state["status"] == "completed"
            assert state["result"]["structuredContent"]["request_id"] == task.task_id


async def test_a_job_is_owed_and_acknowledged_at_either_server(
    servers: Servers, variables: dict[str, str], tmp_path: Path
) -> None:
    async with open_pair(servers, tmp_path, variables) as pair, pair.clients() as (one, other):
        begun = (await one.call_tool("generate_video", NOW)).structured_content
        again = (await other.call_tool("generate_video", NOW)).structured_content
        assert (again["request_id"], again["reused"]) == (begun["request_id"], True)
        job = {"request_id": begun["request_id"], "wait_seconds": 0}
        assert (await other.call_tool("check_status", job)).structured_content["status"]
        # One client has seen the job at the one server, and wants another clip of the other.
        wanted = (await one.call_tool("generate_video", NOW)).structured_content
        assert wanted["reused"] is False
        assert [taken.request_id for taken in pair.simulator.accepted] == [
            begun["request_id"],
            wanted["request_id"],
        ]


@pytest.mark.stress
async def test_a_call_waits_for_the_paid_request_of_the_other_server(
    servers: Servers, variables: dict[str, str], tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []

    async def release(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if message and message.startswith("submitting"):
            pair.released.set()

    async with open_pair(servers, tmp_path, variables) as pair, pair.clients() as (one, other):

        async def buy(client: Client, **options: Any) -> None:
            made = await client.call_tool("generate_video", ARGUMENTS, **options)
            told.append(made.structured_content)

        pair.simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        async with anyio.create_task_group() as tasks:
            begun = anyio.Event()

            async def begin(progress: float, total: float | None, message: str | None) -> None:
                del progress, total, message
                begun.set()

            tasks.start_soon(lambda: buy(one, progress_callback=begin))
            await begun.wait()
            tasks.start_soon(lambda: buy(other, progress_callback=release))
            await pair.released.wait()
            pair.seconds.append(500)
        (bought,) = pair.simulator.accepted
        assert {(each["request_id"], each["status"]) for each in told} == {
            (bought.request_id, "completed")
        }
        assert sorted(each["reused"] for each in told) == [False, True]


@pytest.mark.stress
async def test_a_yes_given_at_one_server_counts_once_at_any(
    servers: Servers, variables: dict[str, str], tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    wanted: dict[str, Any] = {"wait_seconds": 0, "force_new": True}
    asking = {**variables, "SEEDANCE_ASK_ABOVE_USD": "0"}
    async with (
        open_pair(servers, tmp_path, asking) as pair,
        pair.clients(elicitation_callback=AskedUser()) as clients,
    ):
        state = await asked(ToolClient(clients[0], pair.simulator), **wanted)

        async def agree(client: Client) -> None:
            made = await answered(ToolClient(client, pair.simulator), state, **wanted)
            told.append(structured(result_of(made)))

        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(agree, client)
        (bought,) = pair.simulator.accepted
        assert [each["request_id"] for each in told] == [bought.request_id] * 2
        assert sorted(each["reused"] for each in told) == [False, True]


@pytest.mark.stress
async def test_a_listener_at_one_server_hears_of_a_job_at_the_other(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    updates = UpdateListener()
    variables = {"SEEDANCE_DATABASE_URL": database_url}
    async with open_pair(servers, tmp_path, variables) as pair, pair.clients() as (one, other):
        begun = (await one.call_tool("generate_video", NOW)).structured_content
        job = {"request_id": begun["request_id"]}
        uri = f"seedance://jobs/{begun['request_id']}"
        async with updates.listening(other, uri):
            pair.seconds.append(500)
            ended = (await one.call_tool("check_status", job)).structured_content
            assert ended["status"] == "completed"
            await updates.any.wait()
        assert set(updates.uris) == {uri}


async def test_a_listener_at_one_server_hears_of_no_one_elses_job_at_the_other(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    names = ("alice", "bob")
    tokens = tmp_path / "tokens"
    lines = [f"{name}:{sha256(token_of(name).encode()).hexdigest()}\n" for name in names]
    tokens.write_text("".join(lines), "utf-8")
    tokens.chmod(0o600)
    variables = {
        "SEEDANCE_DATABASE_URL": database_url,
        "SEEDANCE_ACCESS_TOKENS": str(tokens),
    }
    heard = {name: UpdateListener() for name in names}
    async with open_pair(servers, tmp_path, variables) as pair, AsyncExitStack() as stack:
        alice, bob = [
            [await stack.enter_async_context(open_client(url, name)) for url in pair.urls]
            for name in names
        ]
        begun = (await alice[0].call_tool("generate_video", NOW)).structured_content
        job = {"request_id": begun["request_id"]}
        uris = ["seedance://jobs", f"seedance://jobs/{begun['request_id']}"]
        await stack.enter_async_context(heard["alice"].listening(alice[1], *uris))
        await stack.enter_async_context(heard["bob"].listening(bob[1], *uris))
        pair.seconds.append(500)
        await alice[0].call_tool("check_status", job)
        await heard["alice"].any.wait()
        assert heard["bob"].uris == []
        # What came before would have been heard of before.
        await bob[0].call_tool("generate_video", NOW)
        await heard["bob"].any.wait()
        assert set(heard["bob"].uris) == {"seedance://jobs"}


async def test_a_server_whose_clock_is_not_the_databases_buys_nothing(
    servers: Servers, postgres_server: PostgresServer, database_url: str, tmp_path: Path
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    postgres_server.execute(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$SELECT pg_catalog.clock_timestamp() - interval '1 hour'$$",
        name,
    )
    postgres_server.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    variables = {"SEEDANCE_DATABASE_URL": database_url}
    async with open_pair(servers, tmp_path, variables) as pair, pair.clients() as clients:
        for client in clients:
            refused = await client.call_tool("generate_video", NOW)
            assert isinstance(refused.content[0], TextContent)
            assert refused.content[0].text == (
                "The clock of this server's machine is 60 minutes ahead of that of the ledger's"
                " database: set the wrong one, then repeat the call. Nothing was charged."
            )
        assert pair.simulator.accepted == []
