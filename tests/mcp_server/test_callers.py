"""Each caller sees its own jobs alone, whatever it asks, and whoever has no valid token sees none.

What can be asked is read from the server itself: a new tool, resource, prompt or method fails the
walk until it is asked about another's job here.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support.callers import (
    ALICE,
    BOB,
    CAROL,
    Asker,
    Job,
    Scene,
    open_scene,
)
from tests.support.issuer import Issuer
from tests.support.walk import (
    PROMPTS,
    STREAMS,
    TEMPLATES,
    TOOLS,
    UNKNOWN_ID,
    surface_of,
    walk,
    without,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def buy_for_all(scene: Scene) -> dict[str, Job]:
    """Let every caller begin a clip; the first ones end, and others are still queued."""
    jobs = {name: await scene.buy(name) for name in (ALICE, BOB, CAROL)}
    await anyio.sleep(60)
    return jobs


async def test_the_walk_asks_for_everything_that_the_server_offers(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        surface = await surface_of(scene.callers[ALICE])
        assert set(surface.tools) | {"join_clips"} == set(TOOLS)
        assert set(surface.prompts) == set(PROMPTS)
        pages = [uri for uri in surface.resources if uri.startswith("ui://seedance/")]
        assert surface.resources == ["seedance://model", "seedance://jobs", *pages]
        assert set(surface.templates) == set(TEMPLATES)
        asked = {method for method, _ in surface.requests(Job(UNKNOWN_ID, {}, ()))}
        assert asked | STREAMS == set(vars(scene.server)["_request_handlers"])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.stress)])
def ledger(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of each kind of ledger."""
    if request.param == "sqlite":
        return {}
    return {"database_url": request.getfixturevalue("database_url"), "state_key": "k" * 32}


@pytest.mark.parametrize("modern", [True, pytest.param(False, marks=pytest.mark.stress)])
async def test_no_answer_tells_a_caller_of_the_job_of_another(
    tmp_path: Path, ledger: dict[str, str], *, modern: bool
) -> None:
    async with open_scene(tmp_path, **ledger) as scene:
        jobs = await buy_for_all(scene)
        bought = scene.bought()
        for name, other in ((ALICE, BOB), (BOB, CAROL), (CAROL, ALICE)):
            asked = scene.asked_about(jobs[other].request_id)
            asker = replace(scene.callers[name], modern=modern)
            await check_nothing_told(asker, jobs, name, other)
            if name != CAROL:
                # Nor does it take RunComfy to know that it is not theirs.
                assert scene.asked_about(jobs[other].request_id) == asked
            # The same requests do tell of a job of one's own, which none of them has cancelled.
            listed = (await asker.call("list_jobs")).facts["jobs"]
            own = [(job["request_id"], job["status"]) for job in listed]
            assert own == [(jobs[name].request_id, "completed")]
        assert scene.bought() == bought


async def check_nothing_told(asker: Asker, jobs: dict[str, Job], name: str, other: str) -> None:
    """Ask for everything about another's job; no answer differs from that about an unknown one."""
    surface, job = await surface_of(replace(asker, modern=True)), jobs[other]
    unknown = Job(UNKNOWN_ID, job.arguments, ())
    walked = await walk(asker, surface, job)
    assert without(job, walked) == without(unknown, await walk(asker, surface, unknown))
    secrets = [secret for one, job in jobs.items() if one != name for secret in job.secrets]
    for (method, params), answer in walked:
        told = [secret for secret in secrets if secret in answer.text]
        asked_for = json.dumps(params)
        assert (method, params, told) == (method, params, [s for s in told if s in asked_for])


def refused_tokens(issuer: Issuer) -> dict[str, tuple[str | None, int]]:
    """Return tokens that let no one in, and the status that each is answered with."""
    past = time.time() - 3600
    return {
        "none": (None, 401),
        "garbage": ("sdmcp_garbage", 401),
        "expired": (issuer.token(exp=past), 401),
        "foreign audience": (issuer.token(aud="https://elsewhere.example/mcp"), 401),
        "wrong scope": (issuer.token(scope="profile"), 403),
    }


async def test_a_token_that_lets_no_one_in_is_told_nothing_and_buys_nothing(
    tmp_path: Path,
) -> None:
    async with open_scene(tmp_path) as scene:
        jobs = await buy_for_all(scene)
        surface, bought = await surface_of(scene.callers[ALICE]), scene.bought()
        before = len(scene.account.requests)
        for token, status in refused_tokens(scene.issuer).values():
            for request, answer in await walk(scene.with_token(token), surface, jobs[ALICE]):
                told = [s for job in jobs.values() for s in job.secrets if s in answer.text]
                assert (request, answer.status, told) == (request, status, [])
        assert (scene.bought(), len(scene.account.requests)) == (bought, before)
