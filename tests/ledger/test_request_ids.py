"""Which row a request_id belongs to, however and whenever it became known."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import (
    Accepted,
    OutcomeLost,
    Running,
    Status,
)
from tests.support.ledger import NOON, SUCCESS, TAKEN, Place, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


SAME_ID = "RunComfy answered with the request_id of another job."


async def test_a_job_is_found_while_nothing_can_be_written_and_a_dead_process_left_a_job(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        made = await store.observe(await begin(store, job()), TAKEN, NOON)
        await begin(store, job(2))
        raw.execute("UPDATE jobs SET process = 'dead' WHERE id = 'job-2'")
        raw.execute("BEGIN IMMEDIATE")
        assert await store.find("r", "o") == made
        raw.execute("ROLLBACK")


async def test_a_request_id_that_could_not_be_written_at_first_is_written_later(
    place: Place,
) -> None:
    async with opened(place) as store:
        await begin(store, job())
        remembered = job(request_id="r-9", status=Status.IN_QUEUE)
        await store.observe(remembered, Running(), NOON)
        found = await store.find("r-9", "o")
        assert found == replace(remembered, status=Status.IN_PROGRESS, started_at=NOON)


async def test_a_job_observed_by_request_id_before_its_post_is_answered_stays_one_job(
    place: Place,
) -> None:
    new = job(estimated_microdollars=200_000)
    async with opened(place) as store, opened(place) as other_process:
        await begin(store, new)
        seen = Job(id="r", request_id="r", owner="o", created_at=NOON, status=Status.IN_QUEUE)
        await other_process.observe(seen, Running(), NOON)
        accepted = await store.observe(job(), Accepted(request_id="r"), NOON)
        expected = replace(new, request_id="r", status=Status.IN_PROGRESS, started_at=NOON)
        assert accepted == expected
        assert (await store.recent("o", limit=9)).jobs == [expected]
        done = await other_process.observe(seen, SUCCESS, NOON)
        assert (done.id, done.status) == ("job-1", Status.COMPLETED)
        assert (await store.recent("o", limit=9)).jobs == [done]


async def test_a_request_id_that_two_paid_requests_were_answered_with_leaves_two_jobs(
    place: Place,
) -> None:
    async with opened(place) as store:
        for number in (1, 2):
            await begin(store, job(number))
        first = await store.observe(job(1), Accepted(request_id="r"), NOON)
        second = await store.observe(job(2), Accepted(request_id="r"), NOON)
        assert second == job(2, status=Status.UNKNOWN, error=SAME_ID)
        # What a process knows that could not write the answer down.
        remembered = job(2, request_id="r", status=Status.IN_QUEUE)
        assert await store.observe(remembered, Running(), NOON) == second
        assert (await store.recent("o", limit=9)).jobs == [second, first]


DATA = "data:image/png;base64,AAAA"


SHOTS: dict[str, Any] = {
    "prompt": "Mist.",
    "duration": 5,
    "image": DATA,
    "more": [DATA, "https://a.example/b"],
}


HOSTED: dict[str, Any] = {
    "image": "https://runcomfy.example/a",
    "more": ["https://runcomfy.example/a", SHOTS["more"][1]],
}


ECHOES: list[tuple[dict[str, Any], bool]] = [
    (SHOTS, True),
    (SHOTS | {"seed": None, "last_image": ""}, True),
    (SHOTS | HOSTED, True),
    (SHOTS | {"image": "data:image/png;base64,BBBB"}, False),
    (SHOTS | {"image": None}, False),
    (SHOTS | {"more": [DATA]}, False),
    (SHOTS | {"more": [DATA, "https://runcomfy.example/b"]}, False),
    (SHOTS | {"more": [[DATA], 1]}, False),
    (SHOTS | {"duration": True}, False),
    (SHOTS | {"duration": 5.0}, False),
    (SHOTS | {"seed": 0}, False),
    ({}, False),
]


@pytest.mark.parametrize(("echoed", "fits"), ECHOES, ids=str)
@pytest.mark.parametrize("earlier", [[], [Running()], [SUCCESS]], ids=["new", "open", "ended"])
async def test_a_result_with_the_arguments_of_a_lost_job_makes_both_one_job(
    *, earlier: list[Any], echoed: dict[str, Any], fits: bool, place: Place
) -> None:
    new = job(arguments=SHOTS, estimated_microdollars=200_000, token_hash="t")
    adopted = Job(id="a", request_id="r", owner="o", created_at=NOON, status=Status.IN_QUEUE)
    async with opened(place) as store:
        await begin(store, new)
        await store.observe(new, OutcomeLost(why="No answer."), NOON)
        for seen in earlier:
            await store.observe(adopted, seen, NOON)
            await store.set_saved_to(replace(adopted, saved_to=("/a.mp4",)))
        result = replace(SUCCESS, echoed_input=echoed)
        done = await store.observe(adopted, result, NOON)
        assert (done.id, done.request_id, done.status) == (
            "job-1" if fits else "a",
            "r",
            Status.COMPLETED,
        )
        page = await store.recent("o", limit=9)
        assert [found.id for found in page.jobs] == (["job-1"] if fits else ["a", "job-1"])
        assert (await store.find("r", "o")) == done
        assert done.saved_to == (("/a.mp4",) if earlier else ())
        if fits:
            kept = (done.digest, done.estimated_microdollars, done.token_hash)
            assert kept == (new.digest, 200_000, "t")
            assert (done.model_id, done.created_at, done.error) == ("m", NOON, None)
