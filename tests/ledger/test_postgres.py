"""What only a ledger in PostgreSQL must do: several machines, and a database that goes away."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from time import monotonic
from typing import Any

import anyio
import psycopg
import pytest

from seedance_mcp.clock import EVER, Clock, utc_now
from seedance_mcp.errors import ConfigurationError, LedgerError, SpendingLimitReached
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.postgres._workers import MOST_CONNECTIONS
from seedance_mcp.ledger.postgres.store import PostgresStore
from seedance_mcp.ledger.store import Locks, Store
from seedance_mcp.spending.limits import SpendingLimits
from tests.support.database_proxy import DatabaseProxy, open_proxy
from tests.support.ledger import NOON, TAKEN, SlowStep, begin, job, opened, written
from tests.support.postgres import PostgresServer
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio

CLOCK = Clock(now=lambda: NOON, random=lambda: 0.5)


@pytest.fixture
def raw(database_url: str) -> Generator[psycopg.Connection[Any], None, None]:
    """Yield a connection of another program to the ledger."""
    with psycopg.connect(
        database_url, autocommit=True, options="-c search_path=seedance"
    ) as connection:
        yield connection


@pytest.fixture
async def proxy(database_url: str) -> AsyncGenerator[DatabaseProxy, None]:
    """Yield a network between a ledger and the database."""
    with TemporaryDirectory(prefix="px-", dir="/tmp") as folder:
        async with open_proxy(database_url, Path(folder)) as proxy:
            yield proxy


@asynccontextmanager
async def several(url: str, number: int) -> AsyncGenerator[list[Store], None]:
    """Yield the stores of so many replicas."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(url)) for _ in range(number)]


@asynccontextmanager
async def opened_behind(proxy: DatabaseProxy) -> AsyncGenerator[Store, None]:
    """Yield a ledger that is closed while the proxy, in this event loop, goes on."""
    store = PostgresStore(proxy.url, CLOCK, history=timedelta(days=90))
    try:
        yield store
    finally:
        await anyio.to_thread.run_sync(store.close)


# Several replicas.


async def test_replicas_that_begin_the_same_job_at_once_on_a_new_database_begin_one(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    begun: list[Job] = []

    async def call(store: Store, number: int) -> None:
        begun.append(await begin(store, job(number, arguments={"prompt": "same"})))

    async with several(database_url, 4) as stores, anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(call, stores[number % 4], number)
    assert len(begun) == 12
    assert {each.id for each in begun} == set(written(raw))
    assert len(written(raw)) == 1


async def test_replicas_that_begin_jobs_at_once_start_no_more_than_a_limit_allows(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    refused: list[int] = []

    async def call(store: Store, number: int) -> None:
        try:
            await begin(store, job(number), limits=SpendingLimits(jobs_per_hour=5))
        except SpendingLimitReached:
            refused.append(number)

    async with several(database_url, 4) as stores, anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(call, stores[number % 4], number)
    assert (len(written(raw)), len(refused)) == (5, 7)


async def test_a_job_of_a_process_whose_lease_has_ended_becomes_unknown(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    async with several(database_url, 2) as (stopped, other):
        await begin(stopped, job(1))
        assert (await other.recent("o", limit=9)).jobs == [job(1)]
        # As of one that was killed long ago: the server of the test is too young for that.
        raw.execute("DELETE FROM processes")
        assert await other.get(job(1)) != job(1)
        # It only stood still: its next job is under a lease again, and the answer counts.
        await begin(stopped, job(2))
        await stopped.observe(job(1), TAKEN, NOON)
        statuses = [found.status for found in (await other.recent("o", limit=9)).jobs]
        assert statuses == [Status.SUBMITTING, Status.IN_QUEUE]


@pytest.mark.stress
async def test_a_process_that_may_send_requests_keeps_saying_that_it_lives(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    def seen() -> Any:
        return raw.execute("SELECT seen_at FROM processes").fetchall()

    async with opened(database_url) as store:
        await begin(store, job())
        first = seen()
        await wait_until(lambda: seen() != first)
        assert len(seen()) == 1


async def test_a_database_that_was_away_for_long_does_not_end_a_lease(
    database_url: str, raw: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    async with several(database_url, 2) as (one, other):
        await begin(one, job(1))
        raw.execute("UPDATE processes SET seen_at = seen_at - interval '1 hour'")
        postgres_server.stop()
        postgres_server.start()
        assert (await other.recent("o", limit=9)).jobs == [job(1)]
        assert await begin(one, job(2)) == job(2)


async def test_an_acknowledgement_counts_at_every_replica_of_one_window(database_url: str) -> None:
    async with opened(database_url, window="http") as one, opened(database_url) as other:
        await begin(one, job())
        await one.observe(job(), TAKEN, NOON)
        await one.acknowledge("r", "o")
        assert await other.find_owed(job(2, arguments=job().arguments), EVER) is not None
        async with opened(database_url, window="http") as replica:
            assert await replica.find_owed(job(2, arguments=job().arguments), EVER) is None


async def test_a_lock_is_of_one_replica_until_it_lets_go_or_ends(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    async with several(database_url, 2) as stores:
        one, other = map(_locks, stores)
        async with (
            one.try_lock("r") as locked,
            one.try_lock("r") as twice,
            other.try_lock("r") as second,
            other.try_lock("q") as another,
        ):
            assert (locked, twice, second, another) == (True, False, False, True)
        await wait_until(lambda: raw.execute("SELECT name FROM locks").fetchall() == [])
        async with one.try_lock("r"):
            raw.execute("DELETE FROM processes")
            async with other.try_lock("r") as taken_over:
                assert taken_over
            # What the first one lets go now is not the lock of the second one.
        async with other.try_lock("r") as again:
            assert again


def _locks(store: Store) -> Locks:
    locks = store.job_locks("saving")
    assert locks
    return locks


async def test_changes_by_other_replicas_are_heard_of_also_after_the_database_was_away(
    database_url: str, postgres_server: PostgresServer
) -> None:
    send, receive = anyio.create_memory_object_stream[Job](99)

    async def listen(store: Store) -> None:
        async for changed in store.changes():
            await send.send(changed)

    async def heard(wanted: Job) -> None:
        with anyio.fail_after(TIMEOUT_SECONDS):
            while await receive.receive() != wanted:
                pass

    async with several(database_url, 2) as (one, other), anyio.create_task_group() as tasks:
        await begin(other, job(1))
        tasks.start_soon(listen, one)
        await heard(job(1))
        await begin(one, job(2))
        queued = await other.observe(job(1), TAKEN, NOON)
        assert await receive.receive() == queued
        postgres_server.stop()
        postgres_server.start()
        await begin(other, job(3))
        await heard(job(3))
        tasks.cancel_scope.cancel()
    send.close()
    receive.close()


@pytest.mark.parametrize("minutes", [-60, -3, 0, 3, 60])
async def test_a_replica_whose_clock_is_wrong_begins_nothing(
    minutes: int, database_url: str, raw: psycopg.Connection[Any]
) -> None:
    clock = Clock(now=lambda: utc_now() + timedelta(minutes=minutes))
    url, history = database_url, timedelta(days=90)
    with closing(PostgresStore(url, clock, history=history, checks_clock=True)) as store:
        if minutes:
            word = "ahead of" if minutes > 0 else "behind"
            with pytest.raises(LedgerError, match=f"{abs(minutes)} minutes {word} that of the"):
                await begin(store, job(created_at=clock.now()))
        else:
            await begin(store, job(created_at=clock.now()))
        # Whatever its clock says, it records what is paid for.
        await store.observe(job(2), TAKEN, NOON)
    assert written(raw) == [*([] if minutes else ["job-1"]), "job-2"]


# A database that goes away.


async def test_a_database_that_is_back_in_time_is_waited_for(
    database_url: str, postgres_server: PostgresServer
) -> None:
    async with opened(database_url) as store:
        await begin(store, job(1))
        postgres_server.stop()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(begin, store, job(2)))
            await anyio.to_thread.run_sync(postgres_server.start)
        assert (await store.recent("o", limit=9)).total == 2


@pytest.mark.stress
async def test_while_the_database_is_away_nothing_is_bought_and_each_call_hears_of_it_soon(
    database_url: str, postgres_server: PostgresServer
) -> None:
    async with opened(database_url) as store:
        await begin(store, job(1))
        postgres_server.stop()
        for call, patience in (
            (partial(begin, store, job(2)), 5),
            (partial(store.find, "r", "o"), 0.5),
            (partial(store.get, job(1)), 0.5),
            (partial(begin, store, job(2)), 5),
        ):
            began = monotonic()
            with pytest.raises(LedgerError) as failed:
                await call()
            assert monotonic() - began == pytest.approx(patience, abs=0.6)
            assert failed.value.line == (
                "The ledger's database cannot be reached: no server listens there. Nothing was"
                " charged."
            )
        postgres_server.start()
        assert (await store.recent("o", limit=9)).jobs == [job(1)]


@pytest.mark.parametrize("reuse_since", [EVER, None])
async def test_a_job_whose_commit_was_answered_by_a_broken_connection_is_begun_once_and_kept(
    reuse_since: datetime | None, proxy: DatabaseProxy, raw: psycopg.Connection[Any]
) -> None:
    async with opened_behind(proxy) as store:
        await store.recent("o", limit=1)
        proxy.lose_next_commit()
        sent = job(1, arguments={"image": "data:image/png;base64,AAAA"})
        limits = SpendingLimits(jobs_per_hour=1)
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                # Not as the ledger has it, without the image.
                assert await begin(store, sent, reuse_since=reuse_since, limits=limits) is sent

            tasks.start_soon(call)
            await proxy.broken.wait()
            proxy.mend()
        assert written(raw) == ["job-1"]
        # Its request was sent, so it is not one of those that the next writing discards.
        await store.acknowledge("another", "o")
        assert [found.id for found in (await store.recent("o", limit=9)).jobs] == ["job-1"]
        assert (await store.observe(sent, TAKEN, NOON)).status is Status.IN_QUEUE
        assert await store.find("r", "o") is not None


@pytest.mark.stress
async def test_a_job_that_was_begun_although_its_call_heard_of_a_failure_is_discarded(
    proxy: DatabaseProxy, raw: psycopg.Connection[Any]
) -> None:
    async with opened_behind(proxy) as store:
        await store.recent("o", limit=1)
        proxy.lose_next_commit()
        with pytest.raises(LedgerError, match="cannot be reached"):
            await begin(store, job(1))
        assert written(raw) == ["job-1"]
        proxy.mend()
        assert await begin(store, job(2, arguments=job(1).arguments)) == job(
            2, arguments=job(1).arguments
        )
        page = await store.recent("o", limit=9)
        assert [found.id for found in page.jobs] == ["job-2"]


@pytest.mark.stress
async def test_a_network_that_says_nothing_holds_up_neither_calls_nor_the_end(
    proxy: DatabaseProxy, raw: psycopg.Connection[Any]
) -> None:
    async with opened_behind(proxy) as store:
        await begin(store, job(1))
        proxy.be_silent()
        began = monotonic()
        async with anyio.create_task_group() as tasks:

            async def call(number: int) -> None:
                with pytest.raises(LedgerError, match="cannot be reached"):
                    await begin(store, job(number))

            for number in range(2, 22):
                tasks.start_soon(call, number)
        assert 5 <= monotonic() - began < 6.5
        proxy.mend()
        assert await begin(store, job(22)) == job(22)
        assert written(raw) == ["job-1", "job-22"]
        proxy.be_silent()
        began = monotonic()
        await anyio.to_thread.run_sync(store.close)
        assert monotonic() - began < 6


@pytest.mark.stress
async def test_connections_that_hang_for_ever_keep_no_later_call_from_the_database(
    proxy: DatabaseProxy, raw: psycopg.Connection[Any]
) -> None:
    async with opened_behind(proxy) as store:
        await begin(store, job(1))
        together = Barrier(MOST_CONNECTIONS)

        def meet(_: Rows) -> int:
            return together.wait(TIMEOUT_SECONDS)

        async with anyio.create_task_group() as tasks:
            for _ in range(MOST_CONNECTIONS):
                tasks.start_soon(store.run, meet)
        raw.execute("UPDATE processes SET process = 'another'")
        proxy.be_silent()
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                with pytest.raises(LedgerError, match="cannot be reached"):
                    await store.get(job(1))

            # In what comes before what was asked for.
            for _ in range(MOST_CONNECTIONS):
                tasks.start_soon(call)
        proxy.forget()
        await _until_it_answers(store)
        # Not even what says that the process lives.
        await wait_until(lambda: raw.execute("SELECT FROM processes OFFSET 1").rowcount == 1)


async def _until_it_answers(store: Store) -> None:
    with anyio.fail_after(2):
        while True:
            with suppress(LedgerError):
                await store.get(job(1))
                return


@pytest.mark.stress
async def test_a_replica_that_stands_still_in_a_transaction_holds_up_no_other_for_long(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    slow = SlowStep()
    async with several(database_url, 2) as (stopped, other), anyio.create_task_group() as tasks:
        await begin(other, job(1))
        tasks.start_soon(partial(stopped.run, slow, writes=True))
        await wait_until(slow.began.is_set)
        assert await begin(other, job(2)) == job(2)
        slow.may_end.set()
    # What it did was lost with its connection, and done again.
    assert written(raw) == ["job-1", "job-2", "job-99"]


# The database itself.


async def test_a_commit_is_durable_whatever_the_default_of_the_database(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    raw.execute(f"ALTER DATABASE {raw.info.dbname} SET synchronous_commit = off".encode())
    with closing(PostgresStore(database_url, CLOCK, history=timedelta(days=90))) as store:

        def durability(rows: Any) -> Any:
            return rows.connection.execute("SHOW synchronous_commit").fetchone()

        assert await store.run(durability) == ("off",)
        assert await store.run(durability, writes=True) == ("on",)


@pytest.mark.parametrize("default", ["datestyle = 'German'", "client_encoding = 'LATIN1'"])
async def test_no_default_of_the_database_changes_what_is_read(
    default: str, database_url: str, raw: psycopg.Connection[Any]
) -> None:
    raw.execute(f"ALTER DATABASE {raw.info.dbname} SET {default}".encode())
    begun = job(owner="\N{CLAPPER BOARD}")
    async with opened(database_url) as store:
        assert await begin(store, begun) == begun
        assert (await store.recent(begun.owner, limit=9)).jobs == [begun]


async def test_a_database_that_cannot_hold_every_text_is_refused(
    postgres_server: PostgresServer,
) -> None:
    make = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'"
    postgres_server.execute(f"{make} LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        async with opened(postgres_server.url("latin")) as store:
            with pytest.raises(LedgerError, match="has the encoding LATIN1, which cannot hold"):
                await begin(store, job())
    finally:
        postgres_server.execute("DROP DATABASE latin WITH (FORCE)")


async def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    async with opened(database_url) as store:
        await begin(store, job())
    raw.execute("UPDATE version SET migrations = 1000")
    async with opened(database_url) as store:
        with pytest.raises(LedgerError, match="newer version of seedance-mcp and was not changed"):
            await begin(store, job(2))
    assert written(raw) == ["job-1"]


async def test_a_schema_of_another_program_is_refused_and_left_alone(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    raw.execute("CREATE SCHEMA seedance")
    raw.execute("CREATE TABLE seedance.clips (name text)")
    async with opened(database_url) as store:
        with pytest.raises(LedgerError, match="another program's; it was not changed"):
            await begin(store, job())
    tables = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'seedance'")
    assert tables.fetchall() == [("clips",)]


async def test_a_user_who_may_use_nothing_but_a_schema_of_its_own_has_a_ledger(
    database_url: str, raw: psycopg.Connection[Any]
) -> None:
    raw.execute("CREATE ROLE clips LOGIN")
    raw.execute("CREATE SCHEMA seedance AUTHORIZATION clips")
    try:
        async with opened(database_url.replace("postgres@", "clips@")) as store:
            assert await begin(store, job()) == job()
    finally:
        raw.execute("DROP OWNED BY clips")
        raw.execute("DROP ROLE clips")


async def test_texts_that_postgres_cannot_store_keep_no_job_from_being_begun(
    database_url: str,
) -> None:
    odd = job(arguments={"prompt": "a\0b\ud800"}, owner="o\0", approval="y\0")
    async with opened(database_url) as store:
        assert await begin(store, odd) == odd
        again = await store.find_owed(job(2, arguments=odd.arguments, owner="o\0"), EVER)
        assert again
        assert again.arguments == odd.arguments


@pytest.mark.stress
async def test_no_error_says_where_the_database_is_or_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError) as wrong:
        PostgresStore("postgresql://[h:pass-w0rd", CLOCK, history=timedelta(days=1))
    # No name server is asked for a name with a space.
    url = "postgresql://someone:pass-w0rd@hidden%20host/clips"
    async with opened(url) as store:
        with pytest.raises(LedgerError) as failed:
            await store.find("r", "o")
    why = "the name of its host cannot be found"
    assert why in failed.value.line or "it did not answer in time" in failed.value.line
    # On a busy machine the call gives up first, and the log alone says why, a little later.
    await wait_until(lambda: why in caplog.text)
    said = f"{wrong.value.line} {failed.value.line} {store!r} {caplog.text}"
    assert not any(secret in said for secret in ("pass-w0rd", "hidden", "someone", "clips"))
